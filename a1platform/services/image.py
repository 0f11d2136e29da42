"""Which image the services run where they are installed from a bundle."""

from a1platform.bundle import Bundle
from a1platform.platform.selection import SERVICES
from a1platform.settings.services import ServicesSettings


def with_image_of(bundle: Bundle | None, settings: ServicesSettings) -> ServicesSettings:
    """Return the settings with the bundle's image of the services, unless they say which image it is to be.

    The last name of that image ends in a digest of its content: another program makes other pods, and the
    same one leaves them as they are, whoever delivers. By the first one, the version, those of an earlier
    bundle would go on.

    Args:
        bundle: What everything is installed from, if not from the internet.
        settings: The services' slice.
    """
    part = bundle.parts.get(SERVICES) if bundle else None
    if part is None or not part.images or "image" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"image": part.images[0].references[-1]})
