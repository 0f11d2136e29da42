"""Files of packages that are no longer as their packages brought them are named every week."""

from a1platform.node.host_change import HostChange, HostFile

TIMER = "a1-integrity.timer"
_FOLDER = "/etc/systemd/system"
_SERVICE = """\
[Unit]
Description=A1 platform: names files of packages that are not as they were delivered
Documentation=man:debsums(1)

[Service]
Type=oneshot
# Its lines are in the journal; configuration files are meant to differ and are left out.
ExecStart=/usr/bin/debsums --changed
Nice=19
IOSchedulingClass=idle
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
"""
_TIMER = """\
[Unit]
Description=A1 platform: files of packages are compared every week

[Timer]
OnCalendar=weekly
RandomizedDelaySec=12h
Persistent=true

[Install]
WantedBy=timers.target
"""


def integrity() -> HostChange:
    """Return the change that has the host compare installed files with the digests of their packages."""
    return HostChange(
        name="integrity",
        reason="a program that somebody has replaced is named within a week",
        packages=("debsums",),
        files=(
            HostFile(f"{_FOLDER}/a1-integrity.service", _SERVICE),
            HostFile(f"{_FOLDER}/{TIMER}", _TIMER),
        ),
        apply=f"systemctl daemon-reload\nsystemctl --quiet enable --now {TIMER}",
        verify=_VERIFY,
        before_revert=f"systemctl --quiet disable --now {TIMER} 2>/dev/null || true",
        revert=f"systemctl daemon-reload\nrm -f -- /var/lib/systemd/timers/stamp-{TIMER}",
    )


_VERIFY = f"""
local found
found="$(systemctl is-enabled {TIMER} 2>/dev/null || true) $(systemctl is-active {TIMER} || true)"
[ "$found" = "enabled active" ] || a1_deviation "integrity {TIMER}" "enabled active" "$found"
"""
