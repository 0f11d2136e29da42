"""Whether the sandbox's node has room for what it is to carry, asked before anything is built for it."""

from collections.abc import Iterable

from a1platform.bundle import BundleError
from a1platform.naming import PROJECT
from a1platform.services.capacity import Room, fewest, taken
from a1platform.services.placement import total
from a1platform.services.resolve import resolve
from a1platform.settings.model import A1Settings
from sandbox.bundle import chosen
from sandbox.stack_settings import stack_settings


def require_capacity(parts: Iterable[str] | None) -> None:
    """Return where the fewest pods of the services fit the node beside the parts, as `pulumi up` will reckon.

    Without the services that refuses nothing: what K3s and the host take is reckoned amply.

    Args:
        parts: Names of the parts that are wanted; all by default.

    Raises:
        BundleError: A name is unknown, or something does not fit.
    """
    config = stack_settings([], parts=[part.name for part in chosen(parts)])["config"]
    values = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}
    # Whether Grafana can be had is not known yet: what may fit is not refused here.
    platform = {**values["platform"]}
    platform["monitoring"] = {**platform.get("monitoring", {}), "grafana": False}
    settings = A1Settings.model_validate({**values, "platform": platform})
    if not settings.services.enabled:
        return
    room = Room.of(settings, taken(settings.platform, None))
    needed = total([room.others, fewest(resolve(settings.services))])
    asked = (
        (needed.cpu_milli, room.each.cpu_milli, "thousandths of a core"),
        (needed.memory_mib, room.each.memory_mib, "MiB of memory"),
    )
    lacking = [f"{wanted} {what}, this machine has {held}" for wanted, held, what in asked if wanted > held]
    if lacking:
        raise BundleError(
            f"the services and the other parts need {'; '.join(lacking)}: choose fewer parts, such as "
            "`make up PARTS=keda,argo-cd`"
        )
