"""The audit daemon: who did what on the host, without the noise of containers.

Families after the CIS benchmark. What a container does has no login (`auid` is unset), so what happens there
all day is filtered by that; loading kernel modules is recorded whoever does it.

Never `-e 2`: nothing could be changed or taken back until the next restart.
"""

from a1platform.node.hardening.log_shipping import HOST_AUDIT_LOG
from a1platform.node.host_change import HostChange, HostFile

KEY = "a1-"
"""Every rule of ours has a key that begins with it."""

_PERSON = "-F auid!=unset"
_DENIED = ("-F exit=-EACCES", "-F exit=-EPERM")
_PROGRAM = ("/usr/local/bin/k3s", "-F perm=x")

_FILES: dict[str, tuple[str, ...]] = {
    "identity": (
        *("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/security/opasswd"),
        *("/etc/nsswitch.conf", "/etc/pam.conf"),
    ),
    "network": ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/issue", "/etc/issue.net"),
    "session": ("/run/utmp", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/faillog"),
    "sudo": ("/etc/sudoers",),
}
# Below the whole of /etc, so that folders which do not exist yet are covered too: K3s's, sshd's, sudo's.
_FOLDERS = {"configuration": "/etc", "programs": "/usr/local/bin"}

# fchmodat2(2), which glibc calls since 2.39 where a symbolic link is not to be followed. By its number, which
# is the same on every machine: Debian 12's auditctl is older than the name.
_FCHMODAT2 = "452"
# On every machine; then what only x86 has, as its newer calls replace them elsewhere.
_CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "time": (("adjtimex", "settimeofday", "clock_settime"), ()),
    "network": (("sethostname", "setdomainname"), ()),
    "permissions": (
        (
            *("fchmod", "fchmodat", _FCHMODAT2, "fchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr"),
            *("removexattr", "lremovexattr", "fremovexattr"),
        ),
        ("chmod", "chown", "lchown"),
    ),
    "denied": (("openat", "openat2", "open_by_handle_at", "truncate", "ftruncate"), ("creat", "open")),
    # The last four are what mount(8) calls since util-linux 2.39 (Debian 13, Ubuntu 24.04); auditctl knows
    # their names since 3.0.2.
    "mounts": (("mount", "umount2", "move_mount", "fsmount", "open_tree", "mount_setattr"), ()),
    "deletion": (("unlinkat", "renameat", "renameat2"), ("unlink", "rename", "rmdir")),
}
_X86 = "x86_64"
_RULES = "/etc/audit/rules.d/90-a1.rules"
_X86_RULES = "/etc/audit/rules.d/91-a1-x86.rules"

_CONF = f"""\
# The A1 platform. 10 files of 20 MB: the oldest goes, nothing ever stops for want of room.
local_events = yes
write_logs = yes
log_file = {HOST_AUDIT_LOG}
log_group = adm
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 20
num_logs = 10
max_log_file_action = ROTATE
priority_boost = 4
name_format = HOSTNAME
space_left = 75
space_left_action = SYSLOG
admin_space_left = 50
admin_space_left_action = ROTATE
disk_full_action = ROTATE
disk_error_action = SYSLOG
q_depth = 2000
overflow_action = SYSLOG
max_restarts = 10
plugin_dir = /etc/audit/plugins.d
end_of_event_timeout = 2
"""


def auditd() -> HostChange:
    """Return the change that records who did what."""
    return HostChange(
        name="auditd",
        reason="who did what on the host is on record",
        packages=("auditd",),
        files=(
            HostFile("/etc/audit/auditd.conf", _CONF, mode="0640"),
            HostFile(_RULES, render_rules(), mode="0640"),
            HostFile(_X86_RULES, render_x86_rules(), mode="0640", machine=_X86),
        ),
        functions=_FUNCTIONS,
        check=_CHECK,
        record=_RECORD,
        apply=_APPLY,
        verify=_VERIFY,
        before_revert=_BEFORE_REVERT,
        revert=_REVERT,
    )


def render_rules() -> str:
    """Return the rules that every machine understands."""
    lines = ["# The A1 platform. Known calls and files first, as the first rule that fits is the one used."]
    for family, paths in _FILES.items():
        lines += [f"-a always,exit -F path={path} -F perm=wa -F key={KEY}{family}" for path in paths]
    for family, (calls, _) in _CALLS.items():
        lines += _calls(family, calls, ("b64",))
    lines += [
        # Loading code into the kernel is recorded whoever does it; K3s does it a few times as it starts.
        f"-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -F key={KEY}modules",
        # Programs that run as somebody else: sudo, su, passwd and every other with the setuid bit.
        f"-a always,exit -F arch=b64 -S execve -C uid!=euid -F euid=0 {_PERSON} -F key={KEY}privileged",
        f"-a always,exit -F path={_PROGRAM[0]} {_PROGRAM[1]} {_PERSON} -F key={KEY}cluster",
    ]
    lines += [
        f"-a always,exit -F dir={path} -F perm=wa {_PERSON} -F key={KEY}{family}"
        for family, path in _FOLDERS.items()
    ]
    return "\n".join(lines) + "\n"


def render_x86_rules() -> str:
    """Return the rules for calls that only x86 has, and for its 32-bit programs."""
    lines = ["# The A1 platform, x86 only: older calls, and those of 32-bit programs."]
    for family, (common, older) in _CALLS.items():
        if older:
            lines += _calls(family, older, ("b64",))
        # 32-bit programs set the clock by one more call.
        lines += _calls(family, (*common, *older, *(("stime",) if family == "time" else ())), ("b32",))
    lines += [
        f"-a always,exit -F arch=b32 -S init_module,finit_module,delete_module -F key={KEY}modules",
        f"-a always,exit -F arch=b32 -S execve -C uid!=euid -F euid=0 {_PERSON} -F key={KEY}privileged",
    ]
    return "\n".join(lines) + "\n"


def _calls(family: str, calls: tuple[str, ...], widths: tuple[str, ...]) -> list[str]:
    conditions = _DENIED if family == "denied" else ("",)
    return [
        " ".join(
            filter(
                None,
                (
                    f"-a always,exit -F arch={width} -S {','.join(calls)}",
                    condition,
                    # Hosts' names change by hand or by a lease, not all day.
                    "" if family == "network" else _PERSON,
                    f"-F key={KEY}{family}",
                ),
            )
        )
        for width in widths
        for condition in conditions
    ]


# The kernel shows rules in its own words, so what it shows once they are loaded is kept to compare with.
_FAMILIES = tuple(dict.fromkeys((*_FILES, *_CALLS, *_FOLDERS, "modules", "privileged", "cluster")))
# The kernel asks no rule of the list `exclude` for its action (audit_filter in kernel/audit.c).
_KEEPS = r"^[[:space:]]*-[aA] +([a-z]+,)?(never|exclude)(,|[[:space:]]|$)"
# Records beside the call's own, which says who did what to which path; auditd's own samples leave some out.
_SPARED = ("CWD", "EOE", "PROCTITLE")
_FUNCTIONS = f"""
a1_audit_rules() {{ # our rules as the kernel shows them
    {{ auditctl -l 2>/dev/null || true; }} | {{ grep -E -- '(key=|-k ){KEY}' || true; }} | sort
}}

a1_audit_state() {{ # a field of the kernel's state
    {{ auditctl -s 2>/dev/null || true; }} | awk -v field="$1" '$1 == field {{ print $2 }}'
}}

a1_audit_never() {{ # rules of the kernel that keep from recording
    {{ auditctl -l 2>/dev/null || true; }} | {{ grep -E -- '{_KEEPS}' || true; }} | a1_audit_spared
}}

a1_audit_spared() {{ # without those that leave out only {", ".join(_SPARED)}
    grep -vE -- '[ ,]exclude[ ,].*-F +msgtype=({"|".join(_SPARED)})([[:space:]]|$)' || true
}}
"""

_CHECK = rf"""
if [ "$(a1_audit_state enabled)" = 2 ]; then
    a1_fail "auditd: found the rules locked until the next restart (-e 2), expected them to be changeable"
fi
local never
never=$({{ grep -HsnE -- '{_KEEPS}' /etc/audit/rules.d/*.rules || true; }} | a1_audit_spared)
# What no file has goes with the load, where one of them begins with deleting all.
if [ -z "$never" ] && ! grep -qsE '^[[:space:]]*-D[[:space:]]*$' /etc/audit/rules.d/*.rules; then
    never=$(a1_audit_never)
fi
if [ -n "$never" ]; then
    a1_fail "auditd: found a rule that keeps from recording, expected none: take it away (one of no file by" \
        "auditctl -d), or switch hardening.auditd off with a reason, then run up again:"$'\n'"$never"
fi
"""

_RECORD = """
a1_remember auditd active "$(systemctl is-active auditd.service || true)"
a1_remember auditd enabled "$(systemctl is-enabled auditd.service 2>/dev/null || true)"
a1_remember auditd auditing "$(a1_audit_state enabled)"
a1_remember auditd failure "$(a1_audit_state failure)"
a1_remember auditd backlog_limit "$(a1_audit_state backlog_limit)"
local path kept
for path in audit.rules audit.rules.prev; do
    # Overwritten by each load; where ours have been loaded before it was kept, it is not what it was.
    kept="$a1_state/auditd/live/kept-$path"
    if [ ! -e "$a1_state/auditd/loaded" ] && [ ! -e "$kept" ] && [ -e "/etc/audit/$path" ]; then
        cp -a -- "/etc/audit/$path" "$kept~"
        mv -fT -- "$kept~" "$kept"
    fi
    a1_remember auditd "made-$path" "$(if [ -e "/etc/audit/$path" ]; then echo there; else echo absent; fi)"
done
"""

_APPLY = """
local answer
systemctl --quiet unmask auditd.service
systemctl --quiet enable auditd.service
if systemctl --quiet is-active auditd.service; then
    # It refuses to be restarted by hand.
    systemctl kill --signal=HUP --kill-who=main auditd.service
else
    systemctl start auditd.service
fi
if ! answer=$(augenrules --load 2>&1); then a1_fail "auditd: the kernel refuses the rules: $answer"; fi
# The kernel leaves out what it does not know without an error of the loader.
if grep -qiE '^(error|there was an error)' <<<"$answer"; then
    a1_fail "auditd: the kernel refuses rules: $(grep -iE 'error' <<<"$answer" | head -n 5)"
fi
auditctl -e 1 >/dev/null
a1_audit_rules | a1_keep "$a1_state/auditd/loaded"
"""

_VERIFY = """
local found rule
found=$(systemctl is-active auditd.service || true)
if [ "$found" != active ]; then
    a1_deviation "auditd service" active "$found" "$(a1_stopped auditd.service)"
fi
found=$(systemctl is-enabled auditd.service 2>/dev/null || true)
[ "$found" = enabled ] || a1_deviation "auditd at boot" enabled "${found:-absent}"
found=$(a1_audit_state enabled)
[ "$found" = 1 ] || a1_deviation "auditd recording" 1 "${found:-nothing}"
if [ ! -e "$a1_state/auditd/loaded" ]; then
    a1_deviation "auditd rules" loaded "never loaded"
    return
fi
while read -r rule; do
    if [ -n "$rule" ]; then a1_deviation "auditd rules" "$rule" absent; fi
done < <(comm -23 -- "$a1_state/auditd/loaded" <(a1_audit_rules))
while read -r rule; do
    a1_deviation "auditd rules" "none that keeps from recording" "$rule"
done < <(a1_audit_never)
"""

_BEFORE_REVERT = """
if [ "$(cat -- "$a1_state/auditd/live/active" 2>/dev/null)" != active ]; then
    # It refuses to be stopped by hand.
    systemctl kill --signal=TERM --kill-who=main auditd.service 2>/dev/null || true
fi
"""

_REVERT = f"""
local live="$a1_state/auditd/live" path key
if [ ! -d "$live" ]; then return; fi
if [ "$(<"$live/enabled")" != enabled ]; then systemctl --quiet disable auditd.service 2>/dev/null || true; fi
if [ "$(<"$live/enabled")" = masked ]; then systemctl --quiet mask auditd.service; fi
# By key, as others may have loaded rules of theirs, and a host's files need not begin with deleting all.
for key in {" ".join(_FAMILIES)}; do auditctl -D -k "{KEY}$key" >/dev/null 2>&1 || true; done
if [ "$(<"$live/active")" = active ]; then
    systemctl kill --signal=HUP --kill-who=main auditd.service 2>/dev/null || true
    augenrules --load >/dev/null 2>&1 || true
elif [ "$(<"$live/auditing")" != 1 ]; then
    # Where nothing could tell, auditd was not there to switch it on.
    auditctl -e 0 >/dev/null 2>&1 || true
fi
for path in audit.rules audit.rules.prev; do
    if [ "$(<"$live/made-$path")" = absent ]; then rm -f -- "/etc/audit/$path"; fi
    if [ -e "$live/kept-$path" ]; then
        cp -a -- "$live/kept-$path" "/etc/audit/.a1-new.$path"
        mv -fT -- "/etc/audit/.a1-new.$path" "/etc/audit/$path"
    fi
done
# One that is kept by hand is not what the load has made of rules.d.
if [ "$(<"$live/active")" = active ] && [ -e "$live/kept-audit.rules" ] &&
    ! grep -q '^## This file is automatically generated' "$live/kept-audit.rules"; then
    auditctl -R /etc/audit/audit.rules >/dev/null 2>&1 || true
fi
# The kernel's own, which outlive whoever set them.
if [ -s "$live/failure" ]; then auditctl -f "$(<"$live/failure")" >/dev/null 2>&1 || true; fi
if [ -s "$live/backlog_limit" ]; then auditctl -b "$(<"$live/backlog_limit")" >/dev/null 2>&1 || true; fi
"""
