"""Jaeger from its Go module; without its pages, which are of a repository of their own."""

from collections.abc import Sequence
from pathlib import Path

from sandbox.build.chart import own_chart, set_version
from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "2.13.0"
"""The newest that the module proxy serves: later commits have no tag that a module of this name may have."""
_MODULE = "github.com/jaegertracing/jaeger"
_USER = 10001

PROGRAM = GoRecipe(
    name="jaeger",
    module=_MODULE,
    # One commit, two tags: the module has kept to the numbers of Jaeger 1.
    version="v1.76.0",
    programs={"jaeger": "cmd/jaeger"},
    variables={f"{_MODULE}/internal/version.latestVersion": f"v{VERSION}"},
)


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make the image, or find it in the cache; raises as `build` does."""
    program = build(PROGRAM, cache, progress) / "jaeger"
    image = Image(
        name="jaeger",
        references=(f"docker.io/jaegertracing/jaeger:{VERSION}",),
        settings=ImageSettings(entrypoint=("/jaeger",), user=f"{_USER}:{_USER}"),
        programs={"/jaeger": program},
        certificates=True,
    )
    return [compose(image, cache, progress)]


def chart(_cache: Cache, _progress: Progress, out: Path) -> str:
    """Fill a folder with our chart and return its version."""
    own_chart("tracing", out, "")
    return set_version(out, VERSION, VERSION)
