"""The packet filter: one nftables table of our own, replaced atomically, beside what K3s and the CNI keep.

NodePorts and ServiceLB ports are rewritten to a pod before the input hook sees them, and addresses of pods
and Services are none of the host's own, so both have rules in front of that rewriting. Each node rewrites the
ports of all others too, and of whatever address a LoadBalancer has, which only the rewriting tells from what
the host merely forwards: so there are rules behind it as well.

What somebody has got in with is the confirmed copy of the rules: it alone is loaded at boot.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from a1platform.node.hardening.sshd import NOBODY
from a1platform.node.host_change import HostChange, HostFile
from a1platform.node.shell import library
from a1platform.settings.node import FirewallSettings
from a1platform.settings.peers import ALONE, Peers

CLUSTER_RANGES = ("10.42.0.0/16", "10.43.0.0/16")
"""Addresses of pods and of Services, as K3s chooses them by itself."""
_API = 6443
_LEASES = (68, 546)
# 9100 is node-exporter's, which Prometheus reads from whichever node it is on.
_NODES = {"tcp": (5001, _API, 9100, 10250), "udp": (8472, 51820, 51821)}
_ETCD = (2379, 2380)
_RULES = "/etc/a1/firewall.nft"
_CONFIRMED = "/etc/a1/firewall-confirmed.nft"
_UNIT = "/etc/systemd/system/a1-firewall.service"
_GUARD = "a1-firewall-guard"
_GUARD_PATH = "/etc/a1/firewall-guard"
_PREVIOUS = "/run/a1-firewall-previous.nft"


def firewall(
    settings: FirewallSettings, peers: Peers = ALONE, inside: Sequence[str] = CLUSTER_RANGES
) -> HostChange:
    """Return the change that drops what arrives unless a rule allows it.

    New rules are taken back after `confirm_seconds` unless the run's next connection has got in by then and
    confirms them. No other one does, as whoever scans the network connects too. A run that is cut in between
    leaves the rules of before, which the next one finds and replaces again.

    Args:
        settings: Who may reach what.
        peers: The cluster's other nodes.
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
        confirm=_CONFIRM.replace("@SECONDS@", str(settings.confirm_seconds)),
        verify=_VERIFY,
        before_revert=_BEFORE_REVERT,
        revert="systemctl daemon-reload",
    )


def render_rules(
    settings: FirewallSettings, peers: Peers = ALONE, inside: Sequence[str] = CLUSTER_RANGES
) -> str:
    """Render the nft file that replaces the table in one transaction."""
    pods = _allow(inside, "accept", match='iifname { "cni0", "flannel.1", "flannel-wg" } ')
    nodes = "".join(
        _allow(peers.nodes, f"{protocol} dport {{ {_listed(ports)} }} accept")
        for protocol, ports in _NODES.items()
    )
    nodes += _allow(peers.servers, f"tcp dport {{ {_listed(_ETCD)} }} accept")
    between = {port for ports in _NODES.values() for port in ports} if peers.nodes else set()
    between |= set(_ETCD) if peers.servers else set()
    own = _listed({settings.ssh_port, _API, *_LEASES, *between})
    return f"""#!/usr/sbin/nft -f
# The A1 platform. Declared first, so that the deletion works where there is none yet.
# Never `flush ruleset`: it would take the rules of the CNI with it.
table inet a1
delete table inet a1
table inet a1 {{
    # In front of the rewriting of NodePort and ServiceLB addresses (priority dstnat).
    chain before_rewrite {{
        type filter hook prerouting priority -150; policy accept;
        ct state established,related accept
        iifname {{ "lo", "cni0", "flannel.1", "flannel-wg" }} accept
{_allow(inside, "jump cluster", field="daddr")}\
        fib daddr type != local accept
        # The host's own, also where sshd listens on a port of that range, are for the input hook to judge.
        meta l4proto {{ tcp, udp, sctp }} th dport {{ {own} }} accept
        meta l4proto {{ tcp, udp, sctp }} th dport 30000-32767 jump node_ports
        # 80 and 443, and whatever else pods publish (ServiceLB, hostPort).
        meta l4proto {{ tcp, udp, sctp }} jump web
    }}

{_after_rewrite(inside)}
    # Pods and Services, which a neighbour could have its packets routed to.
    chain cluster {{
{_allow(peers.nodes, "accept")}\
        # Of pods without a tunnel, as with flannel's host-gw, from where the way back to them leads.
{_allow(inside, "fib saddr . iif oif exists accept")}        counter drop
    }}

{_only("web", settings.web_ranges)}
{_only("node_ports", settings.node_port_ranges)}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        # ICMP and ICMPv6, by number: a minimal system has no /etc/protocols.
        meta l4proto {{ 1, 58 }} accept
        udp sport 67 udp dport 68 accept
        udp sport 547 udp dport 546 accept
{_allow(settings.admin_ranges, f"tcp dport {settings.ssh_port} accept")}\
{_allow(settings.admin_ranges, f"tcp dport {_API} accept")}\
{pods}{nodes}        tcp dport {{ 80, 443 }} accept
        udp dport {{ 443 }} accept
        counter
    }}
}}
"""


def _after_rewrite(inside: Iterable[str]) -> str:
    # A rule each, as nft reads the port of a connection only where its protocol is known.
    node_ports = "".join(
        f"        meta l4proto {protocol} ct status dnat ct original proto-dst 30000-32767 jump node_ports\n"
        for protocol in ("tcp", "udp", "sctp")
    )
    return f"""\
    # Behind it, so that an address of another node or of a LoadBalancer is no way past the rules in front.
    chain after_rewrite {{
        type filter hook prerouting priority -90; policy accept;
        ct state established,related accept
        iifname {{ "lo", "cni0", "flannel.1", "flannel-wg" }} accept
        # Of Services chain cluster has judged already.
{_allow(inside, "accept", field="daddr", match="ct original ")}\
        # Pods of a network without these interfaces.
{_allow(inside, "fib saddr . iif oif exists accept")}\
{node_ports}        ct status dnat jump web
    }}
"""


def _only(chain: str, ranges: Iterable[str]) -> str:
    return f"    chain {chain} {{\n{_allow(ranges, 'accept')}        counter drop\n    }}\n"


def _listed(ports: Iterable[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports))


def _allow(ranges: Iterable[str], verdict: str, *, match: str = "", field: str = "saddr") -> str:
    rules = ""
    networks = [ipaddress.ip_network(text) for text in ranges]
    for version, family in ((4, "ip"), (6, "ip6")):
        chosen = [str(network) for network in networks if network.version == version]
        if any(network.prefixlen == 0 and network.version == version for network in networks):
            rules += f"        meta nfproto ipv{version} {match}{verdict}\n"
        elif chosen:
            rules += f"        {match}{family} {field} {{ {', '.join(chosen)} }} {verdict}\n"
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
ConditionPathExists={_CONFIRMED}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {_CONFIRMED}
ExecReload=/usr/sbin/nft -f {_CONFIRMED}

[Install]
WantedBy=sysinit.target
"""


def _guard() -> str:
    return f"""#!/bin/sh
# Takes new rules back, as nobody has confirmed them in time.
if [ -s {_PREVIOUS} ]; then nft -f {_PREVIOUS}; else nft delete table inet a1; fi
rm -f {_PREVIOUS}
"""


def _functions(settings: FirewallSettings) -> str:
    return f"""{library("other_firewalls.sh")}
a1_firewall_rules() {{ # the table as it is, without what counts
    nft -nn list table inet a1 2>/dev/null | sed -E 's/ ?packets [0-9]+ bytes [0-9]+//' || true
}}

a1_firewall_wanted() {{ # the table as the kernel shows it when loaded in a namespace of its own
    unshare --net sh -c 'nft -f {_RULES} && nft -nn list table inet a1' |
        sed -E 's/ ?packets [0-9]+ bytes [0-9]+//' || true
}}

a1_firewall_load() {{ # load the rules; without a confirmation in time they are taken back
    # First: that of an earlier run would take these back too early.
    systemctl stop {_GUARD}.timer {_GUARD}.service 2>/dev/null || true
    # What is there of an earlier run that nobody has confirmed is from before its rules.
    if [ ! -e {_PREVIOUS} ]; then
        if nft list table inet a1 >/dev/null 2>&1; then
            {{ printf 'table inet a1\\ndelete table inet a1\\n' && nft list table inet a1; }} >{_PREVIOUS}~
        else
            : >{_PREVIOUS}~
        fi
        mv -fT -- {_PREVIOUS}~ {_PREVIOUS}
    fi
    systemd-run --quiet --collect --unit={_GUARD} \
        --on-active={settings.confirm_seconds} --timer-property=AccuracySec=1s {_GUARD_PATH}
    nft -f {_RULES}
}}
"""


_CHECK = f"""
local ports answer
ports=$(sshd -T -C {NOBODY} 2>/dev/null | awk '$1 == "port" {{ print $2 }}')
grep -qx @PORT@ <<<"$ports" ||
    a1_fail "hardening.firewall.sshPort: found @PORT@, expected what sshd listens on: $ports"
if ! answer=$(nft -c -f "$a1_staged{_RULES}" 2>&1); then
    a1_fail "firewall: nft refuses the rules, nothing was written: $answer"
fi
answer=$(a1_other_firewalls)
if [ -n "$answer" ]; then
    a1_fail "firewall: found ${{answer% }} switched on beside ours, expected none, as its rules drop what" \\
        "pods send: switch it off (ufw disable, systemctl disable --now firewalld), or ours by" \\
        "hardening.firewall with a reason, then run up again"
fi
"""

_APPLY = """
systemctl daemon-reload
systemctl --quiet enable a1-firewall.service
a1_firewall_load
"""

# This connection is new, so it has passed the rules in force. Those are others where the new ones were taken
# back meanwhile; the guard is ended first, as it could take them back after the comparison.
_CONFIRM = f"""
systemctl stop {_GUARD}.timer {_GUARD}.service 2>/dev/null || true
if [ "$(a1_firewall_rules)" != "$(a1_firewall_wanted)" ]; then
    a1_fail "firewall: the new rules were taken back, as nothing had confirmed them in @SECONDS@ s:" \\
        "correct hardening.firewall.adminRanges if this machine is not in them; then, or where an earlier" \\
        "run was cut, run up again"
fi
a1_keep {_CONFIRMED} <{_RULES}
rm -f {_PREVIOUS}
"""

_VERIFY = f"""
local found wanted
found=$(a1_firewall_rules | sha256sum | cut -c1-12) wanted=$(a1_firewall_wanted | sha256sum | cut -c1-12)
if [ -z "$(a1_firewall_rules)" ]; then
    a1_deviation "firewall table inet a1" loaded absent
elif [ "$found" != "$wanted" ]; then
    a1_deviation "firewall table inet a1" "rules sha256 $wanted" "rules sha256 $found"
fi
if ! systemctl --quiet is-enabled a1-firewall.service 2>/dev/null; then
    a1_deviation "firewall at boot" enabled disabled
elif ! systemctl --quiet is-active {_GUARD}.timer && ! cmp -s -- {_RULES} {_CONFIRMED}; then
    a1_deviation "firewall at boot" "these rules, confirmed" "$(
        if [ -e {_CONFIRMED} ]; then echo "other rules"; else echo none; fi
    )" "$(a1_changed {_CONFIRMED})"
fi
for found in $(a1_other_firewalls); do a1_deviation "firewall beside ours" none "$found"; done
"""

_BEFORE_REVERT = f"""
systemctl stop {_GUARD}.timer {_GUARD}.service 2>/dev/null || true
systemctl --quiet disable --now a1-firewall.service 2>/dev/null || true
nft delete table inet a1 2>/dev/null || true
rm -f {_PREVIOUS} {_CONFIRMED}
"""
