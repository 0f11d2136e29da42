"""The concerns as data: what is set, and what must never be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening import changes
from a1platform.node.hardening.firewall import CLUSTER_RANGES, firewall, render_rules
from a1platform.node.hardening.modules import LOADED, REFUSED
from a1platform.node.hardening.sshd import sshd
from a1platform.node.hardening.sysctl import PARAMETERS, sysctl
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import KUBELET_PARAMETERS, FirewallSettings, HardeningSettings
from a1platform.settings.peers import Peers

_PEERS = Peers(("192.0.2.7",), ("192.0.2.7",))


def test_every_parameter_has_a_reason_and_stands_once() -> None:
    assert all(parameter.reason for parameter in PARAMETERS)
    assert len({parameter.key for parameter in PARAMETERS}) == len(PARAMETERS)


def test_nothing_that_k3s_needs_is_switched_off() -> None:
    values = {parameter.key: parameter.value for parameter in PARAMETERS}
    assert values["net.ipv4.conf.all.forwarding"] == "1"
    assert values["net.bridge.bridge-nf-call-iptables"] == "1"
    assert values["net.ipv4.conf.all.rp_filter"] == "2"
    assert "kernel.modules_disabled" not in values
    assert not set(LOADED) & set(REFUSED)


def test_a_host_that_has_its_ipv6_route_from_a_router_keeps_it() -> None:
    leaves = {parameter.key.rsplit(".", 1)[1] for parameter in PARAMETERS if ".ipv6." in parameter.key}
    assert not leaves & {"forwarding", "accept_ra"}


def test_what_the_kubelet_checks_is_set() -> None:
    assert set(KUBELET_PARAMETERS) <= {parameter.key for parameter in PARAMETERS}


def test_nothing_is_set_that_cannot_be_set_back_before_a_reboot() -> None:
    values = {parameter.key: parameter.value for parameter in PARAMETERS}
    assert values["kernel.unprivileged_bpf_disabled"] != "1"
    assert values["kernel.yama.ptrace_scope"] != "3"
    assert not {"kernel.kexec_load_disabled", "kernel.modules_disabled"} & set(values)


def test_a_parameter_that_is_locked_at_a_stricter_value_is_left_and_is_no_deviation(tmp_path: Path) -> None:
    own = tmp_path / "sys"
    locked = own / "kernel/unprivileged_bpf_disabled"
    locked.parent.mkdir(parents=True)
    locked.write_text("1\n")
    hidden = own / "kernel/kptr_restrict"
    hidden.write_text("0\n")
    change = sysctl(HardeningSettings())
    names = ("functions", "record", "apply", "verify", "revert")
    pieces = {name: getattr(change, name).replace("/proc/sys", str(own)) for name in names}
    script = render_script([HostChange("sysctl", "a test", **pieces)], "tests", state=str(tmp_path / "state"))
    for verb in ("apply", "verify"):
        command = ["bash", "-s", "--", verb]
        subprocess.run(command, input=guarded(script), text=True, check=True)
    assert (locked.read_text(), hidden.read_text()) == ("1\n", "2\n")


def test_at_boot_our_parameters_come_after_the_hosts_own() -> None:
    name = Path(sysctl(HardeningSettings()).files[0].path).name
    assert max(name, "99-sysctl.conf", "90-cloud.conf") == name


def test_a_shared_kernel_gets_only_what_belongs_to_the_network_namespace() -> None:
    change = sysctl(HardeningSettings(kernel="shared"))
    keys = [line.split()[0] for line in change.files[0].content.splitlines() if line.startswith("-")]
    assert keys
    assert all(key.startswith(("-net.ipv4.", "-net.ipv6.", "-net.bridge.")) for key in keys)


def test_a_skipped_parameter_is_left_alone_and_its_reason_written_down() -> None:
    settings = HardeningSettings.model_validate({"sysctl": {"skip": {"kernel.sysrq": "serial console"}}})
    content = sysctl(settings).files[0].content
    assert "-kernel.sysrq" not in content
    assert "# left alone: kernel.sysrq: serial console" in content


def test_root_logs_in_only_where_root_is_the_login_user() -> None:
    assert "PermitRootLogin no\n" in sshd("ops").files[0].content
    assert "PermitRootLogin prohibit-password\n" in sshd("root").files[0].content


def test_tunnels_keep_working() -> None:
    assert "AllowTcpForwarding local\n" in sshd("ops").files[0].content


def test_a_concern_that_is_off_is_not_applied() -> None:
    settings = HardeningSettings.model_validate(
        {"firewall": {"enabled": False, "reason": "a cloud firewall"}}
    )
    assert [change.name for change in changes(settings, "ops")] == [
        *("modules", "sysctl", "auditd", "time-sync", "updates", "integrity", "login", "sshd")
    ]


def test_the_firewall_replaces_its_own_table_and_no_other() -> None:
    rules = render_rules(FirewallSettings())
    assert "flush ruleset" not in rules.replace("Never `flush ruleset`", "")
    assert "table inet a1\ndelete table inet a1\ntable inet a1 {" in rules


def test_only_named_ranges_reach_ssh_and_the_api() -> None:
    rules = render_rules(FirewallSettings(admin_ranges=("192.0.2.0/24", "2001:db8::/32")))
    assert "ip saddr { 192.0.2.0/24 } tcp dport 22 accept" in rules
    assert "ip6 saddr { 2001:db8::/32 } tcp dport 6443 accept" in rules
    assert "meta nfproto ipv4 tcp dport 22" not in rules


def test_node_ports_are_closed_by_default_in_front_of_the_rewriting() -> None:
    rules = render_rules(FirewallSettings())
    assert "hook prerouting priority -150" in rules
    chain = rules.split("chain node_ports {")[1].split("}")[0]
    assert chain.split() == ["counter", "drop"]


def test_what_pods_publish_at_any_other_port_is_for_the_web_ranges_alone() -> None:
    rules = render_rules(FirewallSettings(web_ranges=("192.0.2.0/24",)))
    before = rules.split("chain before_rewrite {")[1].split("\n    }")[0].splitlines()
    assert before[-1].split() == ["meta", "l4proto", "{", "tcp,", "udp,", "sctp", "}", "jump", "web"]
    web = rules.split("chain web {")[1].split("\n    }")[0].splitlines()
    assert [line.strip() for line in web[1:]] == ["ip saddr { 192.0.2.0/24 } accept", "counter drop"]


def test_sshd_is_reached_also_at_a_port_of_the_range_of_node_ports() -> None:
    rules = render_rules(FirewallSettings(ssh_port=30022))
    assert rules.index("{ 68, 546, 6443, 30022 } accept") < rules.index(
        "th dport 30000-32767 jump node_ports"
    )


def test_pods_reach_the_host_from_whichever_ranges_the_cluster_has() -> None:
    inside = K3sSettings.model_validate({"clusterCidr": "10.60.0.0/16", "serviceCidr": "10.61.0.0/16"}).inside
    (change,) = (one for one in changes(HardeningSettings(), "ops", inside=inside) if one.name == "firewall")
    rules = change.files[0].content
    assert "ip saddr { 10.60.0.0/16, 10.61.0.0/16 } accept" in rules
    assert "10.42." not in rules
    assert K3sSettings().inside == CLUSTER_RANGES


def test_rules_of_the_hosts_own_do_not_flush_ours_at_boot() -> None:
    (unit,) = (one for one in firewall(FirewallSettings()).files if one.path.endswith(".service"))
    assert "\nAfter=local-fs.target nftables.service\n" in unit.content


def test_ports_between_nodes_are_open_for_peers_only() -> None:
    alone, joined = render_rules(FirewallSettings()), render_rules(FirewallSettings(), _PEERS)
    assert "10250" not in alone
    assert "ip saddr { 192.0.2.7/32 } tcp dport { 5001, 6443, 9100, 10250 } accept" in joined
    assert "ip saddr { 192.0.2.7/32 } tcp dport { 2379, 2380 } accept" in joined
    assert "2379" not in render_rules(FirewallSettings(), Peers(("192.0.2.7",)))


@pytest.mark.parametrize("ranges", [("0.0.0.0/0", "::/0"), ("192.0.2.0/24",), ("2001:db8::/32",)])
def test_nft_accepts_the_rules(tmp_path_factory: pytest.TempPathFactory, ranges: tuple[str, ...]) -> None:
    if shutil.which("nft") is None or shutil.which("unshare") is None:
        pytest.skip("nft is not installed")
    settings = FirewallSettings(admin_ranges=ranges, web_ranges=ranges, node_port_ranges=ranges)
    path = tmp_path_factory.mktemp("nft") / "rules.nft"
    both = ("192.0.2.7", "2001:db8::7")
    path.write_text(firewall(settings, Peers(both, both)).files[0].content)
    answer = subprocess.run(
        ["unshare", "--net", "nft", "-c", "-f", path], capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""


def test_the_lock_out_guard_is_one_line_for_systemd_which_loses_the_others_when_it_reloads() -> None:
    calls = [
        line for line in firewall(FirewallSettings()).functions.split("\n") if "--timer-property" in line
    ]
    assert [call.split()[-1] for call in calls] == ["/etc/a1/firewall-guard"]


def test_at_boot_the_rules_come_that_somebody_has_got_in_with_and_no_others() -> None:
    change = firewall(FirewallSettings())
    (unit,) = (one.content for one in change.files if one.path.endswith(".service"))
    confirmed = "/etc/a1/firewall-confirmed.nft"
    assert f"ExecStart=/usr/sbin/nft -f {confirmed}\n" in unit
    assert f"ConditionPathExists={confirmed}\n" in unit
    assert "a1_keep /etc/a1/firewall-confirmed.nft </etc/a1/firewall.nft" in change.confirm
    assert confirmed not in change.apply + change.functions
    assert confirmed in change.before_revert
    assert " disable " not in change.apply + change.functions


def test_new_rules_are_taken_back_whoever_connects_unless_the_run_confirms_them() -> None:
    change = firewall(FirewallSettings(confirm_seconds=30))
    (guard,) = (one.content for one in change.files if one.path.endswith("guard"))
    assert "counter" not in guard
    assert "systemctl" not in guard
    assert change.confirm.index("systemctl stop a1-firewall-guard.timer") < change.confirm.index("!=")
    assert "in 30 s:" in change.confirm


def test_nobody_outside_reaches_pods_and_services_through_a_route_to_the_node() -> None:
    alone, joined = render_rules(FirewallSettings()), render_rules(FirewallSettings(), _PEERS)
    before = joined.split("chain before_rewrite {")[1]
    inside = "ip daddr { 10.42.0.0/16, 10.43.0.0/16 } jump cluster"
    assert before.index("flannel.1") < before.index(inside) < before.index("fib daddr type != local accept")
    chain = joined.split("chain cluster {")[1].split("\n    }")[0]
    assert "ip saddr { 192.0.2.7/32 } accept" in chain
    assert chain.splitlines()[-1].split() == ["counter", "drop"]
    assert "192.0.2.7" not in alone
