"""The hardening of a host: one concern per module, one HostChange each, pure functions of the settings."""

from collections.abc import Sequence

from a1platform.node.hardening.auditd import auditd
from a1platform.node.hardening.firewall import CLUSTER_RANGES, firewall
from a1platform.node.hardening.integrity import integrity
from a1platform.node.hardening.log_shipping import log_shipping
from a1platform.node.hardening.login import login
from a1platform.node.hardening.modules import modules
from a1platform.node.hardening.sshd import sshd
from a1platform.node.hardening.sysctl import sysctl
from a1platform.node.hardening.time_sync import time_sync
from a1platform.node.hardening.updates import updates
from a1platform.node.host_change import HostChange
from a1platform.settings.node import HardeningSettings
from a1platform.settings.peers import ALONE, Peers

GROUP = "hardening"
"""Owner of these changes in the records on a host."""


def changes(
    settings: HardeningSettings,
    user: str,
    peers: Peers = ALONE,
    inside: Sequence[str] = CLUSTER_RANGES,
) -> tuple[HostChange, ...]:
    """Return every enabled concern, in the order of application.

    Args:
        settings: What is enabled, and how.
        user: The login user of the host.
        peers: The cluster's other nodes.
        inside: Addresses of pods and Services.
    """
    concerns = (
        (settings.modules, modules(settings)),
        (settings.sysctl, sysctl(settings)),
        (settings.auditd, auditd()),
        (settings.time_sync, time_sync(settings.time_sync)),
        (settings.updates, updates(settings.updates)),
        (settings.integrity, integrity()),
        (settings.login, login()),
        (settings.sshd, sshd(user)),
    )
    enabled = [change for concern, change in concerns if concern.enabled]
    if settings.log_endpoint:
        enabled.append(log_shipping(settings.log_endpoint))
    # Last, as nobody has got in past its rules yet: nothing else may fail before somebody has.
    if settings.firewall.enabled:
        enabled.append(firewall(settings.firewall, peers, inside))
    return tuple(enabled)
