"""The clock: one daemon keeps it, whichever of the usual ones the host has."""

from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.node import TimeSyncSettings

_PATH = "/etc/systemd/timesyncd.conf.d/90-a1.conf"
# Until then a daemon that has just started may still be asking.
_PATIENCE_SECONDS = 3600
_UNITS = "/usr/lib/systemd/system"
_OTHERS = "chrony.service ntpsec.service ntp.service openntpd.service"


def time_sync(settings: TimeSyncSettings) -> HostChange:
    """Return the change that keeps the clock in step.

    A host that already runs chrony, ntpsec, ntp or openntpd keeps it, with its own servers.

    Args:
        settings: Servers to ask.
    """
    servers = f"NTP={' '.join(settings.servers)}\n" if settings.servers else ""
    return HostChange(
        name="time-sync",
        reason="certificates, logs and etcd need a clock that is right",
        packages=("systemd-timesyncd|chrony|ntpsec|ntp|openntpd",),
        files=(HostFile(_PATH, f"# The A1 platform.\n[Time]\n{servers}"),),
        functions=_FUNCTIONS,
        check=_CHECK if settings.servers else ":",
        record=_RECORD,
        apply=_APPLY,
        verify=_VERIFY,
        revert=_REVERT,
    )


# One that is switched off or masked is the one that is there all the same: their packages exclude each other.
_FUNCTIONS = f"""
a1_time_other() {{ # the daemon that keeps the clock instead of systemd-timesyncd
    local unit
    for unit in {_OTHERS}; do
        if systemctl --quiet is-enabled "$unit" 2>/dev/null; then
            echo "$unit"
            return
        fi
    done
    if [ -e {_UNITS}/systemd-timesyncd.service ]; then return; fi
    for unit in {_OTHERS}; do
        if [ -e "{_UNITS}/$unit" ]; then
            echo "$unit"
            return
        fi
    done
}}
"""

_CHECK = """
local other
other=$(a1_time_other)
if [ -n "$other" ]; then
    a1_fail "hardening.timeSync.servers: found $other with its own servers, expected systemd-timesyncd"
fi
"""

_RECORD = """
a1_remember time-sync active "$(systemctl is-active systemd-timesyncd.service || true)"
a1_remember time-sync enabled "$(systemctl is-enabled systemd-timesyncd.service 2>/dev/null || true)"
local other
other=$(a1_time_other)
if [ -n "$other" ]; then
    a1_remember time-sync "$other" \\
        "$(systemctl is-enabled "$other" 2>/dev/null || true) $(systemctl is-active "$other" || true)"
fi
"""

_APPLY = """
local unit
unit=$(a1_time_other)
if [ -z "$unit" ]; then
    unit=systemd-timesyncd.service
    systemctl --quiet unmask "$unit"
    systemctl --quiet enable "$unit"
    systemctl restart "$unit"
else
    systemctl --quiet unmask "$unit"
    systemctl --quiet enable "$unit"
    systemctl start "$unit"
fi
"""

_VERIFY = """
local unit found
unit=$(a1_time_other)
if [ -z "$unit" ]; then
    unit=systemd-timesyncd.service
    found=$(systemctl is-enabled "$unit" 2>/dev/null || true)
    [ "$found" = enabled ] || a1_deviation "time-sync at boot" "$unit enabled" "${found:-absent}"
elif ! systemctl --quiet is-enabled "$unit" 2>/dev/null; then
    a1_deviation "time-sync at boot" "$unit enabled" "$(systemctl is-enabled "$unit" 2>/dev/null || true)"
fi
found=$(systemctl is-active "$unit" || true)
if [ "$found" != active ]; then
    a1_deviation "time-sync service" "$unit active" "$found" "$(a1_stopped "$unit")"
# For people alone, as `up` cannot open the way to a server.
elif [ "$a1_verb" = verify ] &&
    [ $(($(a1_entered "$unit" ActiveEnterTimestamp) + @PATIENCE@)) -lt "$(date +%s)" ]; then
    found=$(timedatectl show --property=NTPSynchronized --value 2>/dev/null || true)
    [ "$found" != no ] || a1_deviation "time-sync clock" synchronised "not synchronised"
fi
""".replace("@PATIENCE@", str(_PATIENCE_SECONDS))

_REVERT = """
local live="$a1_state/time-sync/live" unit=systemd-timesyncd.service
if [ ! -d "$live" ]; then return; fi
case "$(<"$live/enabled")" in
enabled) ;;
masked) systemctl --quiet disable --now "$unit" 2>/dev/null && systemctl --quiet mask "$unit" ;;
*) systemctl --quiet disable "$unit" 2>/dev/null || true ;;
esac
case "$(<"$live/active")" in
active)
    # Another daemon takes its package away.
    if [ "$(systemctl show --property=LoadState --value "$unit")" = loaded ]; then
        systemctl restart "$unit"
    else
        printf 'kept\\ttime-sync\\t%s: not started, as it is there no more or masked\\n' "$unit"
    fi
    ;;
*) systemctl stop "$unit" 2>/dev/null || true ;;
esac
local entry enabled active
for entry in "$live"/*.service; do
    if [ ! -e "$entry" ]; then continue; fi
    unit=$(basename -- "$entry")
    read -r enabled active <"$entry" || true
    case "$enabled" in
    masked) systemctl --quiet disable "$unit" 2>/dev/null && systemctl --quiet mask --now "$unit" ;;
    disabled) systemctl --quiet disable "$unit" 2>/dev/null || true ;;
    esac
    if [ "$active" != active ]; then systemctl stop "$unit" 2>/dev/null || true; fi
done
"""
