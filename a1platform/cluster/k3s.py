"""K3s on one node as a change to its host: files, a verified binary, an awaited start, an uninstall."""

import shlex
from collections.abc import Sequence

from a1platform.bundle import Bundle
from a1platform.cluster import config
from a1platform.node.host_change import HostChange, HostFile
from a1platform.node.shell import library
from a1platform.node.upload import RECORDS, Upload
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings, own_address

GROUP = "k3s"
BINARY_CONCERN = "k3s binary"
"""What a deviation of the binary is called."""
IMAGES_CONCERN = "k3s images"
"""What a deviation of the images that K3s starts with is called."""
# Before the files are put below it, which would make the folder readable for everybody.
_RECORD = """(umask 022 && mkdir -p /var/lib/rancher/k3s)
mkdir -p /var/lib/rancher/k3s/server/logs
local key value
# What kube-proxy sets.
for key in net.ipv4.conf.all.route_localnet net.netfilter.nf_conntrack_max \\
    net.netfilter.nf_conntrack_tcp_timeout_close_wait net.netfilter.nf_conntrack_tcp_timeout_established; do
    if value=$(sysctl --values "$key" 2>/dev/null); then a1_remember k3s "$key" "$value"; fi
done
a1_remember k3s tables "$(nft list tables 2>/dev/null | tr '\\n' ';')"
"""
_REVERT = """local entry family table tables="$a1_state/k3s/live/tables"
for entry in "$a1_state/k3s/live"/net.*; do
    if [ -e "$entry" ]; then sysctl --quiet --write "$(basename "$entry")=$(cat "$entry")" || true; fi
done
# iptables leaves the tables that it has made, without a rule.
for family in ip ip6; do
    for table in filter nat mangle raw; do
        if [ ! -e "$tables" ] || grep -qF "table $family $table;" "$tables"; then continue; fi
        if nft list table "$family" "$table" 2>/dev/null |
            awk '/^\\t\\t/ && !/^\\t\\ttype / { rules = 1 } END { exit rules || !NR }'; then
            nft delete table "$family" "$table"
        fi
    done
done
systemctl daemon-reload"""
BINARY = "/usr/local/bin/k3s"
SYSTEM = "system"
"""The bundle's part that K3s needs to start; its images are in place before that."""
_IMAGES = "/var/lib/rancher/k3s/agent/images"
UNIT = "/etc/systemd/system/k3s.service"


def k3s(
    settings: K3sSettings,
    node: NodeSettings,
    nodes: Sequence[NodeSettings],
    uploaded: str | None = None,
    images: Sequence[Upload] = (),
) -> HostChange:
    """Return the change that installs, configures and starts K3s on a node.

    Args:
        settings: What K3s runs with.
        node: The node.
        nodes: All nodes of the cluster; the first server starts it, the others join.
        uploaded: SHA-256 digest of the binary that has been put in place already; without it the node
            downloads the release.
        images: Image archives that have been put in place already.

    Returns:
        A change whose check refuses a binary with another digest before anything else is written, whose
        apply restarts K3s only when one of its files or its binary has changed and ends when the node is
        Ready, whose confirm ends when the cluster's DNS answers, and whose revert leaves nothing behind.
        When either does not come, what K3s was last known to work with is put back.
    """
    own = _files(settings, node, nodes, uploaded or settings.sha256 or "digest from the release")
    dns = settings.service_cidr.network_address + 10
    paths = [file.path for file in own]
    start = shlex.join(("a1_k3s_apply", node.name, str(settings.start_timeout), *paths))
    answers = shlex.join(("a1_k3s_confirm", node.name, str(settings.start_timeout), str(dns), *paths))
    joined = node is not first_server(nodes)
    verify = [shlex.join(("a1_k3s_verify", uploaded or "", *paths))]
    archives = [word for image in images for word in (image.sha256, image.destination)]
    verify += [shlex.join(("a1_k3s_verify_images", IMAGES_CONCERN, *archives))] if images else []
    verify += [shlex.join(("a1_k3s_verify_there", "k3s token", config.TOKEN_FILE))] if joined else []
    leave = f"a1_leaving={node.name if joined and node.role == 'server' else ''}\n"
    return HostChange(
        name="k3s",
        reason="the cluster's control plane and its node agent",
        files=own,
        functions=_script("k3s.sh") + _script("k3s_verify.sh"),
        check=_check(settings, uploaded),
        apply=f"{'' if uploaded else f'a1_k3s_claim {RECORDS}'}\n{start}",
        confirm=answers,
        record=_RECORD,
        verify="\n".join(verify),
        before_revert=leave + _script("k3s_uninstall.sh"),
        revert=f"{'' if uploaded else f'rm -f -- {BINARY}'}\n{_REVERT}",
    )


def system_images(bundle: Bundle | None) -> tuple[Upload, ...]:
    """Return the archives of images that are in place before K3s starts, with where they are put."""
    images = bundle.part(SYSTEM).images if bundle else ()
    return tuple(Upload(image.path.name, image.sha256, f"{_IMAGES}/{image.path.name}") for image in images)


def first_server(nodes: Sequence[NodeSettings]) -> NodeSettings:
    """Return the server that starts the cluster: the first of the list, whose place never changes."""
    return next(node for node in nodes if node.role == "server")


def _check(settings: K3sSettings, uploaded: str | None) -> str:
    if uploaded is None:
        return shlex.join(("a1_k3s_download", settings.release_url, settings.version, settings.sha256 or ""))
    return f"""found=$(a1_k3s_digest {BINARY})
[ "$found" = {uploaded} ] || a1_fail "{BINARY}: found sha256 $found, expected {uploaded}\""""


def _files(
    settings: K3sSettings, node: NodeSettings, nodes: Sequence[NodeSettings], binary: str
) -> tuple[HostFile, ...]:
    first = first_server(nodes)
    join = None if node is first else own_address(first) or first.host
    servers = [other for other in nodes if other.role == "server"]
    addresses = tuple(address for other in servers for address in (other.host, other.address) if address)
    if node.role == "agent":
        own = [HostFile(config.CONFIG_FILE, config.agent_config(settings, node, str(join)), mode="0600")]
    else:
        text = config.server_config(settings, node, addresses, join, alone=len(servers) == 1)
        own = [
            HostFile(config.CONFIG_FILE, text, mode="0600"),
            HostFile(config.AUDIT_POLICY_FILE, config.audit_policy(), mode="0600"),
            HostFile(config.ADMISSION_FILE, config.admission_config(), mode="0600"),
            HostFile(config.ACCOUNTS_FILE, config.default_accounts(), mode="0600"),
        ]
    extra = [HostFile(file.path, file.content, mode=file.mode) for file in settings.extra_files]
    return (*own, HostFile(UNIT, config.unit(settings, node.role, binary, alone=len(servers) == 1)), *extra)


def _script(name: str) -> str:
    return library(name, "a1platform.cluster")
