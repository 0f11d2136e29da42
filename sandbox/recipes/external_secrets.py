"""External Secrets: one program in three roles, and upstream's own chart, from one Go module."""

from collections.abc import Sequence

from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "v0.19.2"

PROGRAM = GoRecipe(
    name="external-secrets",
    module="github.com/external-secrets/external-secrets",
    version=VERSION,
    programs={"external-secrets": ""},
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
