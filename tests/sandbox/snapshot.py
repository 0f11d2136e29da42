"""Everything on a node that a change could leave behind, as text that can be compared."""

from collections.abc import Mapping

from sandbox.node import Node

# Below /etc and /var/lib: what a running system writes itself, logs, and what was announced (package lists).
_OWN = (
    *("/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/etc/.pwd.lock"),
    *(
        "/var/lib/systemd",
        "/var/lib/apt",
        "/var/lib/dpkg",
        "/var/lib/private",
        "/var/lib/dbus",
        "/var/lib/misc",
    ),
    *("/var/lib/unattended-upgrades", "/var/lib/update-notifier"),
)
_CHANGING = (
    *("kernel.random.", "fs.dentry-state", "fs.file-nr", "fs.inode-nr", "fs.inode-state"),
    *("kernel.ns_last_pid", "kernel.pty.nr", "net.netfilter.nf_conntrack_count", "kernel.hostname"),
    *("net.ipv4.neigh.", "net.ipv6.neigh.", "kernel.sched_", "fs.quota.", "vm.nr_hugepages"),
    *("net.ipv4.route.flush", "net.ipv6.route.flush"),
)
_COMMANDS: Mapping[str, str] = {
    "files": (
        "find /etc /usr/local /opt /root /home /var/lib -xdev {prune} \\( -type f -o -type l -o -type d \\) "
        "-printf '%M %U:%G %p -> %l\\n' | LC_ALL=C sort"
    ),
    "contents": (
        "find /etc /usr/local /opt /root /home /var/lib -xdev {prune} -type f -print0 | "
        "LC_ALL=C sort -z | xargs -0 sha256sum"
    ),
    # Without those of logins, such as our own.
    "units": "systemctl list-unit-files --no-legend --no-pager | grep -v '^session-' | LC_ALL=C sort",
    "timers": "systemctl list-timers --no-legend --no-pager --all | grep -o '[^ ]*[.]timer' | LC_ALL=C sort",
    "sysctls": "sysctl --all 2>/dev/null | LC_ALL=C sort",
    "modules": "LC_ALL=C sort /proc/modules | cut -d' ' -f1",
    # Without the name server of the engine in each container, and without chains that hold no rule: iptables
    # leaves one in a table of somebody else.
    "nftables": (
        "nft list ruleset | sed -E 's/ ?packets [0-9]+ bytes [0-9]+//' | grep -v '127[.]0[.]0[.]11' | "
        "perl -0pe 's/\\tchain \\w+ [{]\\n\\t\\ttype [^\\n]*policy accept;\\n\\t[}]\\n\\n?//g'"
    ),
    "users": "cat /etc/passwd /etc/group",
    "mounts": "cut -d' ' -f2-3 /proc/self/mounts | LC_ALL=C sort",
    "links": "ls /sys/class/net | LC_ALL=C sort",
    "processes": "ps -eo comm= | grep -E 'k3s|containerd|flannel' || true",
    "listeners": "ss -Hltnu | awk '$5 !~ /^127[.]0[.]0[.]11:/ { print $1, $5 }' | LC_ALL=C sort -u",
}


def snapshot(node: Node) -> dict[str, str]:
    """Return what is on a node, over one SSH connection."""
    prune = " ".join(f"-path {path} -prune -o" for path in _OWN)
    found = {}
    with node.connect() as client:
        for name, command in _COMMANDS.items():
            stdin, output, _ = client.exec_command("sudo -n bash", timeout=120)
            stdin.write(command.replace("{prune}", prune))
            stdin.channel.shutdown_write()
            found[name] = output.read().decode()
    found["sysctls"] = "\n".join(
        line
        for line in found["sysctls"].splitlines()
        if not line.startswith(_CHANGING) and ".stable_secret" not in line
    )
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return a line for everything that is gone (-) or new (+)."""
    lines = []
    for name, text in before.items():
        old, new = set(text.splitlines()), set(after[name].splitlines())
        lines += [f"{name} - {line}" for line in sorted(old - new)]
        lines += [f"{name} + {line}" for line in sorted(new - old)]
    return lines
