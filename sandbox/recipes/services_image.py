"""The image of the five services, as a file."""

from sandbox.build.image import ImageFile, ImageSettings, find_image, write_image
from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.recipes.services import ENTRYPOINT, ENVIRONMENT, USER, services_rootfs


def services_image(cache: Cache, progress: Progress) -> ImageFile:
    """Make the image of the five services, or find it in the cache; raises as `services_rootfs` does."""
    rootfs = services_rootfs(cache, progress)
    path = rootfs.folder.with_suffix(".tar")
    version = rootfs.references[1].rpartition(":")[2]
    settings = ImageSettings(
        entrypoint=ENTRYPOINT,
        environment=ENVIRONMENT,
        user=f"{USER}:{USER}",
        ports=("8080/tcp", "9090/tcp"),
        labels={
            "org.opencontainers.image.title": "mcp-services",
            "org.opencontainers.image.version": version,
        },
    )
    with cache.lock("services-image-archive"):
        found = find_image(path)
        if found and found.references == rootfs.references:
            return found
        with step(progress, f"writing {rootfs.references[1]}"):
            return write_image(rootfs.folder, path, rootfs.references, settings)
