"""The packet filter: one nftables table of our own, replaced atomically, beside what K3s and the CNI keep.

NodePorts and ServiceLB ports are rewritten to a pod before the input hook sees them, so they have rules of
their own in front of that rewriting.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.node import FirewallSettings

CLUSTER_RANGES = ("10.42.0.0/16", "10.43.0.0/16")
"""Addresses of pods and of Services, as K3s chooses them by itself."""
_API = 6443
_LEASES = (68, 546)
# 9100 is node-exporter's, which Prometheus reads from whichever node it is on.
_NODES = {"tcp": (2379, 2380, 5001, _API, 9100, 10250), "udp": (8472, 51820, 51821)}
_RULES = "/etc/a1/firewall.nft"
_UNIT = "/etc/systemd/system/a1-firewall.service"
_GUARD = "a1-firewall-guard"
_GUARD_PATH = "/etc/a1/firewall-guard"
_PREVIOUS = "/run/a1-firewall-previous.nft"


def firewall(
    settings: FirewallSettings, peers: Sequence[str] = (), inside: Sequence[str] = CLUSTER_RANGES
) -> HostChange:
    """Return the change that drops what arrives unless a rule allows it.

    New rules are taken back after `confirm_seconds` unless a new SSH connection has passed them by then: the
    table counts those, so any new connection confirms. The boot unit is enabled only once that has happened.

    Args:
        settings: Who may reach what.
        peers: Addresses of the cluster's other nodes.
        inside: Addresses of pods and Services.
    """
    return HostChange(
        name="firewall",
        reason="only what is named may reach the host",
        packages=("nftables",),
        files=(
            HostFile(_RULES, render_rules(settings, peers, inside), mode="0600"),
            HostFile(_UNIT, _unit()),
            # A file, as systemd loses all but the first line of a transient unit's command when it reloads.
            HostFile(_GUARD_PATH, _guard(), mode="0700"),
        ),
        functions=_functions(settings),
        check=_CHECK.replace("@PORT@", str(settings.ssh_port)),
        apply=_APPLY,
        confirm=_CONFIRM,
        verify=_VERIFY,
        before_revert=_BEFORE_REVERT,
        revert="systemctl daemon-reload",
    )


def render_rules(
    settings: FirewallSettings, peers: Sequence[str] = (), inside: Sequence[str] = CLUSTER_RANGES
) -> str:
    """Render the nft file that replaces the table in one transaction."""
    pods = _allow(inside, "accept", match='iifname { "cni0", "flannel.1", "flannel-wg" } ')
    nodes = "".join(
        _allow(peers, f"{protocol} dport {{ {_listed(ports)} }} accept") for protocol, ports in _NODES.items()
    )
    between = {port for ports in _NODES.values() for port in ports} if peers else set()
    own = _listed({settings.ssh_port, _API, *_LEASES, *between})
    return f"""#!/usr/sbin/nft -f
# The A1 platform. Declared first, so that the deletion works where there is none yet.
# Never `flush ruleset`: it would take the rules of the CNI with it.
table inet a1
delete table inet a1
table inet a1 {{
    counter ssh_admitted {{ }}

    # In front of the rewriting of NodePort and ServiceLB addresses (priority dstnat).
    chain before_rewrite {{
        type filter hook prerouting priority -150; policy accept;
        ct state established,related accept
        iifname {{ "lo", "cni0", "flannel.1", "flannel-wg" }} accept
        fib daddr type != local accept
        # The host's own, also where sshd listens on a port of that range, are for the input hook to judge.
        meta l4proto {{ tcp, udp }} th dport {{ {own} }} accept
        meta l4proto {{ tcp, udp }} th dport 30000-32767 jump node_ports
        # 80 and 443, and whatever else pods publish (ServiceLB, hostPort).
        meta l4proto {{ tcp, udp }} jump web
    }}

    chain web {{
{_allow(settings.web_ranges, "accept")}        counter drop
    }}

    chain node_ports {{
{_allow(settings.node_port_ranges, "accept")}        counter drop
    }}

    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        # ICMP and ICMPv6, by number: a minimal system has no /etc/protocols.
        meta l4proto {{ 1, 58 }} accept
        udp sport 67 udp dport 68 accept
        udp sport 547 udp dport 546 accept
{_allow(settings.admin_ranges, f"tcp dport {settings.ssh_port} counter name ssh_admitted accept")}\
{_allow(settings.admin_ranges, f"tcp dport {_API} accept")}\
{pods}{nodes}        tcp dport {{ 80, 443 }} accept
        udp dport {{ 443 }} accept
        counter
    }}
}}
"""


def _listed(ports: Iterable[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports))


def _allow(ranges: Iterable[str], verdict: str, *, match: str = "") -> str:
    rules = ""
    networks = [ipaddress.ip_network(text) for text in ranges]
    for version, family in ((4, "ip"), (6, "ip6")):
        chosen = [str(network) for network in networks if network.version == version]
        if any(network.prefixlen == 0 and network.version == version for network in networks):
            rules += f"        meta nfproto ipv{version} {match}{verdict}\n"
        elif chosen:
            rules += f"        {match}{family} saddr {{ {', '.join(chosen)} }} {verdict}\n"
    return rules


def _unit() -> str:
    # After nftables.service, where a host has it enabled: Debian's own rules begin with `flush ruleset`.
    return f"""[Unit]
Description=Packet filter of the A1 platform
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After=local-fs.target nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {_RULES}
ExecReload=/usr/sbin/nft -f {_RULES}

[Install]
WantedBy=sysinit.target
"""


def _guard() -> str:
    return f"""#!/bin/sh
# Takes new rules back unless a new SSH connection has passed them.
if nft list counter inet a1 ssh_admitted 2>/dev/null | grep -q 'packets 0 '; then
    if [ -s {_PREVIOUS} ]; then nft -f {_PREVIOUS}; else nft delete table inet a1; fi
else
    systemctl --quiet enable a1-firewall.service
fi
rm -f {_PREVIOUS}
"""


def _functions(settings: FirewallSettings) -> str:
    return f"""
a1_firewall_rules() {{ # the table as it is, without what counts
    nft -nn list table inet a1 2>/dev/null | sed -E 's/ ?packets [0-9]+ bytes [0-9]+//' || true
}}

a1_firewall_wanted() {{ # the table as the kernel shows it when loaded in a namespace of its own
    unshare --net sh -c 'nft -f {_RULES} && nft -nn list table inet a1' |
        sed -E 's/ ?packets [0-9]+ bytes [0-9]+//' || true
}}

a1_firewall_admitted() {{ # new SSH connections since the table was loaded
    nft list counter inet a1 ssh_admitted 2>/dev/null | awk '/packets/ {{ print $2 }}'
}}

a1_firewall_load() {{ # load the rules; without a new SSH connection in time they are taken back
    if nft list table inet a1 >/dev/null 2>&1; then
        {{ printf 'table inet a1\\ndelete table inet a1\\n' && nft list table inet a1; }} >{_PREVIOUS}
    else
        : >{_PREVIOUS}
    fi
    systemctl stop {_GUARD}.timer 2>/dev/null || true
    # A restart before the confirmation must not bring back what nobody can pass.
    systemctl --quiet disable a1-firewall.service
    systemd-run --quiet --collect --unit={_GUARD} \
        --on-active={settings.confirm_seconds} --timer-property=AccuracySec=1s {_GUARD_PATH}
    nft -f {_RULES}
}}
"""


_CHECK = f"""
local ports answer
ports=$(sshd -T 2>/dev/null | awk '$1 == "port" {{ print $2 }}')
grep -qx @PORT@ <<<"$ports" ||
    a1_fail "hardening.firewall.sshPort: found @PORT@, expected what sshd listens on: $ports"
if ! answer=$(nft -c -f "$a1_staged{_RULES}" 2>&1); then
    a1_fail "firewall: nft refuses the rules, nothing was written: $answer"
fi
"""

_APPLY = """
systemctl daemon-reload
a1_firewall_load
"""

# This connection is new, so it has passed the rules in force. Those are others where the new ones were taken
# back meanwhile: nobody got in for so long, or an earlier run was cut before it got here.
_CONFIRM = f"""
if [ "$(a1_firewall_admitted)" = 0 ]; then
    a1_fail "firewall: no new SSH connection has passed the loaded rules; they are taken back soon"
fi
if [ "$(a1_firewall_rules)" != "$(a1_firewall_wanted)" ]; then
    a1_fail "firewall: no new SSH connection passed the new rules in time, so they were taken back; correct" \
        "hardening.firewall.adminRanges if this machine is not in them, then run up again"
else
    systemctl stop {_GUARD}.timer 2>/dev/null || true
    rm -f {_PREVIOUS}
    systemctl --quiet enable a1-firewall.service
fi
"""

_VERIFY = """
local found wanted
found=$(a1_firewall_rules | sha256sum | cut -c1-12) wanted=$(a1_firewall_wanted | sha256sum | cut -c1-12)
if [ -z "$(a1_firewall_rules)" ]; then
    a1_deviation "firewall table inet a1" loaded absent
elif [ "$found" != "$wanted" ]; then
    a1_deviation "firewall table inet a1" "rules sha256 $wanted" "rules sha256 $found"
fi
if ! systemctl --quiet is-enabled a1-firewall.service 2>/dev/null &&
    ! systemctl --quiet is-active @GUARD@.timer; then
    a1_deviation "firewall at boot" enabled disabled
fi
""".replace("@GUARD@", _GUARD)

_BEFORE_REVERT = f"""
systemctl stop {_GUARD}.timer 2>/dev/null || true
systemctl --quiet disable --now a1-firewall.service 2>/dev/null || true
nft delete table inet a1 2>/dev/null || true
rm -f {_PREVIOUS}
"""
