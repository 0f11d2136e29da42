"""KEDA's three programs from its Go module."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.build.chart import ChartError, own_chart, set_version
from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.recipes.argo_cd import KUSTOMIZE

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


def chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with our chart round upstream's manifests and return its version.

    Raises:
        ChartError: The manifests are not as kustomize expects them.
    """
    kustomize = build(KUSTOMIZE, cache, progress) / "kustomize"
    folder = download(PROGRAMS, cache) / "config" / "default"
    done = subprocess.run([str(kustomize), "build", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartError(f"KEDA's manifests: {done.stderr.strip()[-2000:]}")
    own_chart("keda", out, done.stdout, without=("Namespace",))
    return set_version(out, VERSION, VERSION)
