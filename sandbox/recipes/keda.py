"""KEDA's three programs from its Go module."""

from collections.abc import Sequence

from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "2.17.2"
_MODULE = "github.com/kedacore/keda/v2"

PROGRAMS = GoRecipe(
    name="keda",
    module=_MODULE,
    version=f"v{VERSION}",
    programs={
        "keda": "cmd/operator",
        "keda-adapter": "cmd/adapter",
        "keda-admission-webhooks": "cmd/webhooks",
    },
    variables={f"{_MODULE}/version.Version": VERSION},
)

# Image name to the program in it.
_IMAGES = {
    "keda": "keda",
    "keda-metrics-apiserver": "keda-adapter",
    "keda-admission-webhooks": "keda-admission-webhooks",
}


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make the three images, or find them in the cache; raises as `build` does."""
    programs = build(PROGRAMS, cache, progress)
    wanted = (
        Image(
            name=name,
            references=(f"ghcr.io/kedacore/{name}:{VERSION}",),
            settings=ImageSettings(entrypoint=(f"/{program}",)),
            programs={f"/{program}": programs / program},
            certificates=True,
        )
        for name, program in _IMAGES.items()
    )
    return [compose(image, cache, progress) for image in wanted]
