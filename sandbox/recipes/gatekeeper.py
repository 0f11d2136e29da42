"""Gatekeeper from its Go module, with a main of our own.

Upstream replaces controller-runtime by a folder that the module's archive leaves out (0.15.0 with a removable
informer cache). What compiles, links and runs is 0.17.6 with the Kubernetes libraries of 1.27; only the
program's own main differs, in three points that `gatekeeper/main.go` marks.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "v3.14.0"
_KUBERNETES = "v0.27.16"
_PINNED = {
    "github.com/google/cel-go": "v0.12.6",
    "github.com/open-policy-agent/cert-controller": "v0.10.1",
    "k8s.io/api": _KUBERNETES,
    "k8s.io/apiextensions-apiserver": _KUBERNETES,
    "k8s.io/apimachinery": _KUBERNETES,
    "k8s.io/apiserver": _KUBERNETES,
    "k8s.io/client-go": _KUBERNETES,
    "k8s.io/component-base": _KUBERNETES,
    "k8s.io/kube-openapi": "v0.0.0-20230501164219-8b0f38b5fd1f",
    "sigs.k8s.io/controller-runtime": "v0.17.6",
}

GATEKEEPER = GoRecipe(
    name="gatekeeper",
    module="github.com/open-policy-agent/gatekeeper/v3",
    version=VERSION,
    # One after the other: two builds at once would each compile what they share.
    programs={"manager": ".", "gator": "cmd/gator"},
    replaces=tuple(f"{path} => {path} {version}" for path, version in _PINNED.items()),
    sources=Path(__file__).parent / "gatekeeper",
    variables={"github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version": VERSION},
)
"""Webhooks, audit and controllers, one program; and the one that tests policies without a cluster."""


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make Gatekeeper's image, or find it in the cache; raises as `build` does."""
    manager = Image(
        name="gatekeeper",
        references=(f"docker.io/openpolicyagent/gatekeeper:{VERSION}",),
        settings=ImageSettings(entrypoint=("/manager",)),
        programs={"/manager": build(GATEKEEPER, cache, progress) / "manager"},
    )
    return (compose(manager, cache, progress),)


def chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with upstream's own chart and return its version."""
    del progress
    shutil.copytree(download(GATEKEEPER, cache) / "charts" / "gatekeeper", out, dirs_exist_ok=True)
    return VERSION.removeprefix("v")
