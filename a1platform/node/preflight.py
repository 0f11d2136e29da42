"""What a host must have before anything on it is changed.

The comparison runs on the host, in the same script that reads the facts: so a host that fails makes the
command itself fail, and the next `up` asks again. The command line runs the same script.
"""

import shlex

from a1platform.node.facts import render_facts
from a1platform.node.shell import library
from a1platform.settings.node import NodeSettings, PreflightSettings

DISTRIBUTIONS = ("debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04")
"""Where this program is known to work."""

# Where K3s listens on every address of the node or on its own, and where on 127.0.0.1 alone, by role.
_PORTS = {"server": ("6443", "2379", "2380", "10250"), "agent": ("10250",)}
_LOCAL_PORTS = {
    "server": ("6444", "2381", "2382", "10248", "10249", "10256", "10257", "10258", "10259"),
    "agent": ("6444", "10248", "10249", "10256"),
}
_TUNNEL = "8472"
# Where our K3s has filled the disk already: room for its upgrade, whose binary arrives beside the old one, of
# which a copy is kept, and is unpacked; the archive of its images arrives too.
_UPGRADE_MIB = 2048


def render_preflight(minimum: PreflightSettings, node: NodeSettings, *, firewall: bool = True) -> str:
    """Render the script that prints the facts, then one sentence per problem on stderr.

    Args:
        minimum: What is asked of the host.
        node: The host; its role decides which ports must be free.
        firewall: Whether ours is on, beside which another one must be off; else the site has its own.

    Returns:
        Bash text; exits with 1 if there is a problem, after having named all of them.
    """
    checks = [
        ("a1_one_of", "kernel_name", "operating system", "Linux"),
        ("a1_one_of", "machine", "processor", "x86_64", "aarch64"),
        ("a1_one_of", "systemd", "systemd as init", "yes"),
        ("a1_one_of", "sudo", f"user {node.user} with sudo without a password", "yes"),
        ("a1_at_least", "vcpus", "vCPUs", str(minimum.vcpus)),
        ("a1_at_least", "memory_mib", "memory in MiB", str(minimum.memory_mib)),
        ("a1_free_disk", str(minimum.disk_mib), str(min(minimum.disk_mib, _UPGRADE_MIB))),
        ("a1_none", "other_kubernetes", "another Kubernetes"),
        ("a1_no_data",),
        ("a1_free_ports", "listening", "ports", *_PORTS[node.role]),
        ("a1_free_ports", "listening_local", "ports on 127.0.0.1", *_LOCAL_PORTS[node.role]),
        ("a1_free_ports", "listening_udp", "UDP ports", _TUNNEL),
    ]
    if firewall:
        checks.append(("a1_no_firewall",))
    if minimum.clock_synchronised:
        checks.append(("a1_one_of", "clock_synchronised", "clock in sync", "yes"))
    calls = "\n    ".join(shlex.join(check) for check in checks)
    expected = shlex.quote(" or ".join(DISTRIBUTIONS))
    known = "|".join(f'"{distribution}"' for distribution in DISTRIBUTIONS)
    return f"""{library("preflight.sh")}
a1_read_facts() {{
{render_facts()}
}}
a1_facts=$(a1_read_facts)
printf '%s\\n' "$a1_facts"
a1_problems=$(
    {calls}
    case "$(a1_fact distribution)" in {known}) ;; *)
        printf 'distribution: found %s, expected %s\\n' "$(a1_fact distribution)" {expected} ;;
    esac
)
if [ -n "$a1_problems" ]; then
    printf 'node {node.name} is not fit:\\n%s\\n' "$a1_problems" >&2
    exit 1
fi
"""
