"""K3s on one node as a change to its host: files, a verified binary, an awaited start, an uninstall."""

import shlex
from functools import cache
from importlib.resources import files

from a1platform.cluster import config
from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

GROUP = "k3s"
BINARY = "/usr/local/bin/k3s"
UNIT = "/etc/systemd/system/k3s.service"


def k3s(settings: K3sSettings, node: NodeSettings, uploaded: str | None = None) -> HostChange:
    """Return the change that installs, configures and starts K3s on the first server.

    Args:
        settings: What K3s runs with.
        node: The node.
        uploaded: SHA-256 digest of the binary that has been put in place already; without it the node
            downloads the release.

    Returns:
        A change whose check refuses a binary with another digest before anything else is written, whose
        apply restarts K3s only when one of its files or its binary has changed, and whose revert leaves
        nothing behind.
    """
    own = _files(settings, node, uploaded or settings.sha256 or "digest from the release")
    dns = settings.service_cidr.network_address + 10
    start = shlex.join((node.name, str(settings.start_timeout), str(dns), *(file.path for file in own)))
    return HostChange(
        name="k3s",
        reason="the cluster's control plane and its node agent",
        files=own,
        functions=_script("k3s.sh"),
        check=_check(settings, uploaded),
        apply=f"a1_k3s_apply {start}",
        verify="a1_k3s_verify",
        before_revert=_script("k3s_uninstall.sh"),
        revert=f"{'' if uploaded else f'rm -f -- {BINARY}'}\nsystemctl daemon-reload",
    )


def _check(settings: K3sSettings, uploaded: str | None) -> str:
    if uploaded is None:
        return shlex.join(("a1_k3s_download", settings.release_url, settings.version, settings.sha256 or ""))
    return f"""found=$(a1_k3s_digest {BINARY})
[ "$found" = {uploaded} ] || a1_fail "{BINARY}: found sha256 $found, expected {uploaded}\""""


def _files(settings: K3sSettings, node: NodeSettings, binary: str) -> tuple[HostFile, ...]:
    addresses = tuple(filter(None, (node.host, node.address)))
    return (
        HostFile(config.CONFIG_FILE, config.server_config(settings, node.name, addresses), mode="0600"),
        HostFile(config.AUDIT_POLICY_FILE, config.audit_policy(), mode="0600"),
        HostFile(config.ADMISSION_FILE, config.admission_config(), mode="0600"),
        HostFile(UNIT, config.unit(settings, binary)),
        *(HostFile(extra.path, extra.content, mode=extra.mode) for extra in settings.extra_files),
    )


@cache
def _script(name: str) -> str:
    return files("a1platform.cluster").joinpath("scripts", name).read_text(encoding="utf-8")
