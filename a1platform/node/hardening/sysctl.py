"""Kernel parameters that suit a K3s host: IPv4 forwarding stays on, containers keep working.

Sources: the CIS Debian benchmark and dev-sec's os role, minus what breaks K3s (ip_forward=0, rp_filter=1,
modules_disabled=1); the kubelet's own list for protect-kernel-defaults.

IPv6 forwarding and accept_ra stay as they are: pods have IPv4 addresses only, and with forwarding the kernel
drops the default route that it has learned on every interface whose own accept_ra is not 2, which conf.all
does not reach (https://docs.kernel.org/networking/ip-sysctl.html).

Of most parameters the kernel combines conf.all with the interface's own such that conf.all is enough. Two are
set for every interface: for IPv6 redirects it asks the interface alone (rt6_do_redirect in net/ipv6/route.c),
and IPv4 redirects are sent where either says so (IN_DEV_TX_REDIRECTS in include/linux/inetdevice.h).
"""

from dataclasses import dataclass

from a1platform.node.host_change import HostChange, HostFile
from a1platform.node.shell import library
from a1platform.settings.node import HardeningSettings

# After the host's own 99-sysctl.conf, which is Debian's name for /etc/sysctl.conf: the last one wins at boot.
_PATH = "/etc/sysctl.d/99a1-sysctl.conf"


@dataclass(frozen=True)
class Parameter:
    """A kernel parameter with its reason.

    Attributes:
        key: Name as sysctl prints it; with `*` for conf.all, conf.default and every interface.
        value: The value to hold.
        reason: Why.
        namespaced: Whether it belongs to the network namespace, so that a container may set it for itself.
        locked: A stricter value that the kernel lets nobody set back before a reboot; left where it is found.
    """

    key: str
    value: str
    reason: str
    namespaced: bool = False
    locked: str = ""


def _both(
    leaf: str, value: str, reason: str, families: tuple[str, ...] = ("ipv4", "ipv6")
) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(f"net.{family}.conf.{scope}.{leaf}", value, reason, namespaced=True)
        for family in families
        for scope in ("all", "default")
    )


def _every(family: str, leaf: str, value: str, reason: str) -> Parameter:
    return Parameter(f"net.{family}.conf.*.{leaf}", value, reason, namespaced=True)


PARAMETERS: tuple[Parameter, ...] = (
    # First: a change of ipv4 forwarding makes the kernel set other parameters anew.
    *_both("forwarding", "1", "pods are reached through the host", ("ipv4",)),
    *_both("accept_redirects", "0", "nobody else decides our routes", ("ipv4",)),
    _every("ipv6", "accept_redirects", "0", "nobody else decides our routes"),
    *_both("accept_source_route", "0", "a packet does not choose its own path"),
    *_both("secure_redirects", "0", "nobody else decides our routes", ("ipv4",)),
    _every("ipv4", "send_redirects", "0", "a node is no router for its neighbours"),
    *_both("log_martians", "1", "packets with impossible addresses are on record", ("ipv4",)),
    *_both("rp_filter", "2", "loose: forged sources are dropped, asymmetric pod routes are not", ("ipv4",)),
    Parameter("net.ipv4.tcp_syncookies", "1", "a SYN flood does not fill the backlog", namespaced=True),
    Parameter("net.ipv4.icmp_echo_ignore_broadcasts", "1", "no amplifier for smurf attacks", namespaced=True),
    Parameter(
        "net.ipv4.icmp_ignore_bogus_error_responses", "1", "no log flood by broken routers", namespaced=True
    ),
    Parameter(
        "net.bridge.bridge-nf-call-iptables", "1", "Services reach pods on the same bridge", namespaced=True
    ),
    Parameter("net.core.bpf_jit_harden", "2", "no spraying through the BPF compiler"),
    Parameter("vm.panic_on_oom", "0", "kubelet's default: out of memory kills a process, not the host"),
    Parameter("vm.overcommit_memory", "1", "kubelet's default: requests are what memory is counted by"),
    Parameter("vm.mmap_min_addr", "65536", "no null-pointer mappings"),
    Parameter("kernel.panic", "10", "kubelet's default: reboot 10 s after a panic"),
    Parameter("kernel.panic_on_oops", "1", "kubelet's default: no half-dead kernel"),
    Parameter("kernel.keys.root_maxkeys", "1000000", "kubelet's default: a key per container"),
    Parameter("kernel.keys.root_maxbytes", "25000000", "kubelet's default: a key per container"),
    Parameter("kernel.kptr_restrict", "2", "kernel addresses stay hidden"),
    Parameter("kernel.dmesg_restrict", "1", "the kernel log is for root"),
    Parameter("kernel.core_uses_pid", "1", "one core dump does not overwrite another"),
    Parameter("kernel.ctrl-alt-del", "0", "three keys at a console do not restart the host at once"),
    Parameter("kernel.sysrq", "0", "no magic keys from a console"),
    Parameter("kernel.randomize_va_space", "2", "full address randomisation"),
    Parameter(
        "kernel.yama.ptrace_scope", "2", "only root attaches to processes; 3 cannot be set back", locked="3"
    ),
    Parameter("kernel.perf_event_paranoid", "4", "performance counters are for root; Ubuntu's own value"),
    Parameter("dev.tty.ldisc_autoload", "0", "only root has the kernel load line disciplines of terminals"),
    Parameter("kernel.unprivileged_bpf_disabled", "2", "BPF is for root; 1 cannot be set back", locked="1"),
    Parameter("fs.protected_hardlinks", "1", "no hard links to other people's files"),
    Parameter("fs.protected_symlinks", "1", "no symlink races in /tmp"),
    Parameter("fs.protected_regular", "2", "no file squatting in /tmp"),
    Parameter("fs.protected_fifos", "2", "no pipe squatting in /tmp"),
    Parameter("fs.suid_dumpable", "0", "no core dumps of privileged programs"),
)
"""Everything that is set, in the order in which it is set."""

# A parameter of conf.all or conf.default reaches into interfaces, so their values are remembered with it.
_FUNCTIONS = r"""
a1_sysctl_read() { # file of /proc/sys: its value with single blanks
    local words
    read -ra words <"$1" || true
    printf '%s\n' "${words[*]}"
}

a1_sysctl_files() { # key: its files and those of interfaces that it reaches into, where the kernel has them
    local file="/proc/sys/${1//.//}"
    file="${file/conf\/all/conf/*}"
    compgen -G "$file" || true
}

a1_sysctl_key() { # file of /proc/sys: its name as sysctl prints it, where a dot is one of an interface's name
    local key=${1#/proc/sys/}
    key=${key//./%} key=${key//\//.}
    printf '%s\n' "${key//%//}"
}
"""

_CHECK = f"""
local answer
answer=$(a1_sysctl_wins {_PATH})
if [ -n "$answer" ]; then
    a1_fail "sysctl: found a line of sysctl.d that wins over {_PATH} at boot, expected none: take it away" \\
        "(hardening.sysctl.skip leaves single parameters alone), or switch hardening.sysctl off with a" \\
        "reason, then run up again; parameter, expected, found, where:"$'\\n'"$answer"
fi
"""

_RECORD = r"""
local key _ file
while read -r key _; do
    while read -r file; do
        a1_remember sysctl "${file//\//%}" "$(a1_sysctl_read "$file")"
    done < <(a1_sysctl_files "$key")
done < <(a1_sysctl_table)
"""

_APPLY = r"""
local key value locked file found
while read -r key value locked; do
    # shellcheck disable=SC2231 # a pattern, where it is one
    for file in /proc/sys/${key//.//}; do
        [ -e "$file" ] || continue
        found=$(a1_sysctl_read "$file")
        [ "$found" = "$value" ] || [ "$found" = "${locked:-$value}" ] || printf '%s\n' "$value" >"$file" ||
            [ ! -e "$file" ] # an interface of a pod that is gone by now
    done
done < <(a1_sysctl_table)
"""

_VERIFY = r"""
local key value locked file
local -a found
while read -r key value locked; do
    # shellcheck disable=SC2231 # a pattern, where it is one
    for file in /proc/sys/${key//.//}; do
        # Not by a1_sysctl_read: every run waits for these, and a process each takes longer than all the rest.
        found=()
        # An interface of a pod can be gone by now.
        { read -ra found <"$file" || true; } 2>/dev/null
        [ -e "$file" ] || continue
        [ "${found[*]}" = "$value" ] || [ "${found[*]}" = "${locked:-$value}" ] ||
            a1_deviation "sysctl $(a1_sysctl_key "$file")" "$value" "${found[*]}"
    done
done < <(a1_sysctl_table)
while IFS=$'\t' read -r key value locked file; do
    a1_deviation "sysctl $key at boot" "$value" "$locked by $file" "$(a1_changed "${file%:*}")"
done < <(a1_sysctl_wins @PATH@)
""".replace("@PATH@", _PATH)

# conf/all/forwarding first, then the other conf/all, then interfaces: each write reaches into the later ones.
_REVERT = r"""
local live="$a1_state/sysctl/live" entry file value found
[ -d "$live" ] || return 0
while read -r entry; do
    file="${entry//%//}" value=$(<"$live/$entry")
    [ -e "$file" ] || continue
    found=$(tr -s '\t' ' ' <"$file")
    if [ "$found" = "$value" ]; then continue; fi
    case "$file $found" in
    @LOCKED@)
        printf 'kept\tsysctl\t%s: %s, which nobody can set back before a reboot\n' "$file" "$found"
        ;;
    *) printf '%s\n' "$value" >"$file" ;;
    esac
done < <(
    cd "$live"
    printf '%s\n' * | grep 'conf%all%forwarding$' || true
    printf '%s\n' * | grep 'conf%all%' | grep -v '%forwarding$' || true
    printf '%s\n' * | grep -v 'conf%all%'
)
""".replace(
    "@LOCKED@",
    " | ".join(f'"/proc/sys/{one.key.replace(".", "/")} {one.locked}"' for one in PARAMETERS if one.locked),
)


def sysctl(settings: HardeningSettings) -> HostChange:
    """Return the change that sets kernel parameters, live and at boot.

    A parameter that the running kernel lacks is passed over, and a line of the site that wins over ours at
    boot is refused. Revert puts live values back, those of interfaces included, but for what somebody has
    locked meanwhile.

    Args:
        settings: `kernel: shared` leaves out what is not namespaced; `sysctl.skip` leaves out single keys.
    """
    chosen = [
        parameter
        for parameter in PARAMETERS
        if parameter.key not in settings.sysctl.skip and (parameter.namespaced or settings.kernel == "own")
    ]
    table = "\n".join(f"{one.key} {one.value} {one.locked}".rstrip() for one in chosen)
    return HostChange(
        name="sysctl",
        reason="kernel parameters for a host that runs pods",
        files=(HostFile(_PATH, _conf(chosen, settings)),),
        functions=f"""{_FUNCTIONS}
{library("sysctl_d.sh")}
a1_sysctl_table() {{
    cat <<'A1_TABLE'
{table}
A1_TABLE
}}""",
        check=_CHECK,
        record=_RECORD,
        apply=_APPLY,
        verify=_VERIFY,
        revert=_REVERT,
    )


def _conf(chosen: list[Parameter], settings: HardeningSettings) -> str:
    lines = ["# Kernel parameters of the A1 platform. A leading dash: passed over where the kernel lacks it."]
    for parameter in chosen:
        lines += [f"# {parameter.reason}", f"-{parameter.key} = {parameter.value}"]
    lines += [f"# left alone: {key}: {reason}" for key, reason in settings.sysctl.skip.items()]
    if settings.kernel == "shared":
        lines.append("# left alone: everything that is not namespaced, as the kernel belongs to another host")
    return "\n".join(lines) + "\n"
