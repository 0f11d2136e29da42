"""External Secrets: one program in three roles, and upstream's own chart, from one Go module."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.build.chart import own_chart, set_version
from sandbox.build.compose import Image, compose
from sandbox.build.go import Edit, GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "v0.19.2"

_MODULE = "github.com/external-secrets/external-secrets"
_PROVIDERS, _GENERATORS = "pkg/provider/register/register.go", "pkg/generator/register/register.go"

# Of three services their generated clients are a third of all that is compiled; docs/bundle.md names them.
_LEFT_OUT = {
    f"{_MODULE}/pkg/provider/akeyless": _PROVIDERS,
    f"{_MODULE}/pkg/provider/yandex/certificatemanager": _PROVIDERS,
    f"{_MODULE}/pkg/provider/yandex/lockbox": _PROVIDERS,
    f"{_MODULE}/pkg/generator/grafana": _GENERATORS,
}

PROGRAM = GoRecipe(
    name="external-secrets",
    module=_MODULE,
    version=VERSION,
    programs={"external-secrets": ""},
    edits=tuple(
        Edit(_MODULE, VERSION, file, f'\t_ "{package}"\n', "") for package, file in _LEFT_OUT.items()
    ),
)


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make the image, or find it in the cache; raises as `build` does."""
    operator = Image(
        name="external-secrets",
        references=(f"oci.external-secrets.io/external-secrets/external-secrets:{VERSION}",),
        settings=ImageSettings(entrypoint=("/bin/external-secrets",), user="65534:65534"),
        programs={"/usr/bin/external-secrets": build(PROGRAM, cache, progress) / "external-secrets"},
        certificates=True,
    )
    return (compose(operator, cache, progress),)


def chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with upstream's own chart and its kinds, and return the chart's version."""
    del progress
    module = download(PROGRAM, cache)
    shutil.copytree(
        module / "deploy" / "charts" / "external-secrets",
        out,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("ci", "tests", "Chart.lock"),
    )
    kinds = sorted((module / "config" / "crds" / "bases").glob("*external-secrets.io_*.yaml"))
    own_chart("external-secrets", out, "---\n".join(path.read_text() for path in kinds))
    listed = out / "Chart.yaml"
    # Its one dependency, Bitwarden's server, is off by default and on no package registry.
    listed.write_text(re.sub(r"^dependencies:\n(?:[ -].*\n)*", "", listed.read_text(), flags=re.MULTILINE))
    return set_version(out, VERSION.removeprefix("v"), VERSION)
