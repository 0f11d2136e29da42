"""Security updates, installed by the host itself; nothing that restarts the network, K3s or the host.

A restart of systemd-networkd drops the routes that it does not know, the pods' among them (kops#17433), and
upgrading systemd does restart it, past every policy. So such packages are held back, networkd is told to
leave foreign routes alone, and needrestart never restarts what pods depend on.
"""

import re

from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.node import UpdatesSettings

RESTARTS_THE_NETWORK = ("systemd", "netplan.io", "ifupdown", "network-manager", "dhcpcd")
"""Packages whose upgrade restarts what configures the network."""

_PATH = "/etc/apt/apt.conf.d/52a1-security-updates"

TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
# What they start; systemd starts no timer whose service is masked.
_SERVICES = ("apt-daily.service", "apt-daily-upgrade.service")

_ORIGINS = (
    "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
    "origin=Debian,codename=${distro_codename},label=Debian-Security",
    "origin=Ubuntu,archive=${distro_codename}-security,label=Ubuntu",
    # Of Ubuntu Pro, as Ubuntu's own file names them: after its fifth year a release has no other.
    "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
    "origin=UbuntuESM,archive=${distro_codename}-infra-security",
)
_UNITS = ("k3s", "k3s-agent", "containerd", "systemd-networkd", "NetworkManager", "networking", "ifup@")


def updates(settings: UpdatesSettings) -> HostChange:
    """Return the change that lets the host install security updates by itself.

    Args:
        settings: Further packages to hold back.
    """
    return HostChange(
        name="updates",
        reason="security updates arrive by themselves and restart neither the network nor K3s",
        packages=("unattended-upgrades",),
        files=(
            # After 20auto-upgrades and 50unattended-upgrades, so these values win.
            HostFile(_PATH, render_apt(settings)),
            HostFile("/etc/needrestart/conf.d/90-a1.conf", _needrestart()),
            HostFile("/etc/systemd/networkd.conf.d/90-a1.conf", _NETWORKD),
        ),
        functions=_FUNCTIONS + _lists(settings),
        check=_CHECK,
        record=_RECORD,
        apply=_APPLY,
        verify=_VERIFY,
        revert=_REVERT,
    )


def render_apt(settings: UpdatesSettings) -> str:
    """Return what apt and unattended-upgrades read."""
    origins = "".join(f'    "{origin}";\n' for origin in _ORIGINS)
    held = (*RESTARTS_THE_NETWORK, *settings.hold_back)
    blacklist = "".join(f'    "{_exactly(name)}";\n' for name in held)
    return f"""\
// The A1 platform: security updates only; no package goes, nothing restarts by itself.
APT::Periodic::Enable "1";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";
#clear Unattended-Upgrade::Allowed-Origins;
#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {{
{origins}}};
#clear Unattended-Upgrade::Package-Blacklist;
Unattended-Upgrade::Package-Blacklist {{
{blacklist}}};
Unattended-Upgrade::Automatic-Reboot "false";
Unattended-Upgrade::MinimalSteps "true";
Unattended-Upgrade::Remove-Unused-Kernel-Packages "false";
Unattended-Upgrade::Remove-New-Unused-Dependencies "false";
Unattended-Upgrade::Remove-Unused-Dependencies "false";
"""


def _lists(settings: UpdatesSettings) -> str:
    """Return the function that prints the lists of unattended-upgrades as `apt-config dump` does, sorted."""
    held = (_exactly(name) for name in (*RESTARTS_THE_NETWORK, *settings.hold_back))
    named = [
        *(("Origins-Pattern", origin) for origin in _ORIGINS),
        *(("Package-Blacklist", one) for one in held),
    ]
    table = "".join(f'Unattended-Upgrade::{name}:: "{value}";\n' for name, value in named)
    return f"a1_updates_lists() {{\n    sort <<'A1_TABLE'\n{table}A1_TABLE\n}}\n"


def _exactly(name: str) -> str:
    """Return the regular expression that fits this package alone."""
    return re.sub(r"([.+])", r"\\\1", name) + "$"


def _needrestart() -> str:
    rules = "".join(
        f"$nrconf{{override_rc}}->{{qr(^{name.replace('@', chr(92) + '@')})}} = 0;\n" for name in _UNITS
    )
    return f"# The A1 platform: what pods depend on is never restarted after an update.\n{rules}"


_NETWORKD = """\
# The A1 platform: networkd leaves routes alone that others made, such as the pods', also when it restarts.
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
"""

_FUNCTIONS = f"""
a1_updates_expected() {{
    cat <<'A1_TABLE'
APT::Periodic::Enable 1
APT::Periodic::Update-Package-Lists 1
APT::Periodic::Unattended-Upgrade 1
Unattended-Upgrade::Automatic-Reboot false
A1_TABLE
}}

a1_updates_timer() {{ # timer: at boot, and now
    echo "$(systemctl is-enabled "$1" 2>/dev/null || true) $(systemctl is-active "$1" || true)"
}}

a1_updates_timers="{" ".join(TIMERS)}"
a1_updates_services="{" ".join(_SERVICES)}"
"""

# What apt itself makes of all its files, since a later one could say otherwise.
_FUNCTIONS += r"""
a1_updates_deviations() { # subject, expected, found
    local key value found effective
    effective=$(apt-config dump)
    while read -r key value; do
        found=$(sed -n "s/^$key \"\(.*\)\";$/\1/p" <<<"$effective" | tail -n 1)
        [ "$found" = "$value" ] || printf '%s\t%s\t%s\n' "$key" "$value" "${found:-absent}"
    done < <(a1_updates_expected)
    found=$(
        grep -E '^Unattended-Upgrade::(Allowed-Origins|Origins-Pattern|Package-Blacklist):: ' \
            <<<"$effective" | sort || true
    )
    while read -r value; do
        printf 'lists\t%s\tabsent\n' "$value"
    done < <(comm -23 <(a1_updates_lists) <(printf '%s\n' "$found"))
    while read -r value; do
        if [ -n "$value" ]; then printf 'lists\tno other\t%s\n' "$value"; fi
    done < <(comm -13 <(a1_updates_lists) <(printf '%s\n' "$found"))
}

a1_updates_later() { # last part of a name: the lines of files after ours that have it
    local file
    for file in /etc/apt/apt.conf.d/* /etc/apt/apt.conf; do
        if [[ "$file" > "@PATH@" ]] || [ "$file" = /etc/apt/apt.conf ]; then
            grep -Hsn -e "$1" -- "$file" || true
        fi
    done
}
""".replace("@PATH@", _PATH)

_RECORD = """
local timer service wanted
for service in $a1_updates_services; do
    a1_remember updates "$service" "$(systemctl is-enabled "$service" 2>/dev/null || true)"
done
for timer in $a1_updates_timers; do
    # One that is masked can be wanted all the same.
    wanted=$(ls "/etc/systemd/system/timers.target.wants/$timer" 2>/dev/null || true)
    a1_remember updates "$timer" "$(a1_updates_timer "$timer") $wanted"
done
"""

_APPLY = """
# shellcheck disable=SC2086 # a list of names
systemctl --quiet unmask $a1_updates_services $a1_updates_timers
# shellcheck disable=SC2086
systemctl --quiet enable --now $a1_updates_timers
"""

# Read with all other files of apt's, in its order, before it is in place: what the site says in a later one
# no `up` could repair.
_CHECK = f"""
local answer subject found
cp -aL -- /etc/apt/apt.conf.d "$a1_staged/parts"
cp -- "$a1_staged{_PATH}" "$a1_staged/parts/{_PATH.rsplit("/", 1)[1]}"
printf 'Dir::Etc::parts "%s";\\n' "$a1_staged/parts" >"$a1_staged/apt.conf"
answer=$(APT_CONFIG="$a1_staged/apt.conf" a1_updates_deviations)
if [ -n "$answer" ]; then
    found=$(
        while read -r subject; do a1_updates_later "$subject"; done < <(
            grep -oE '(APT::Periodic|Unattended-Upgrade)::[A-Za-z-]+' <<<"$answer" | sed 's/.*:://' | sort -u
        )
    )
    a1_fail "updates: found a file of apt that wins over {_PATH}, expected none: take the line away" \\
        "(hardening.updates.holdBack names further packages to hold back), or switch hardening.updates off" \\
        "with a reason, then run up again; what it says, and where:"$'\\n'"$answer"$'\\n'"$found"
fi
"""

_VERIFY = """
local subject value found timer service
while IFS=$'\\t' read -r subject value found; do
    a1_deviation "updates $subject" "$value" "$found"
done < <(a1_updates_deviations)
for timer in $a1_updates_timers; do
    found=$(a1_updates_timer "$timer")
    [ "$found" = "enabled active" ] || a1_deviation "updates $timer" "enabled active" "$found"
done
for service in $a1_updates_services; do
    found=$(systemctl is-enabled "$service" 2>/dev/null || true)
    case "$found" in masked*) a1_deviation "updates $service" "not masked" "$found" ;; esac
done
"""

_REVERT = """
local entry timer enabled active wanted
for entry in "$a1_state/updates/live"/*.timer; do
    if [ ! -e "$entry" ]; then continue; fi
    timer=$(basename -- "$entry")
    read -r enabled active wanted <"$entry" || true
    case "$enabled" in
    enabled) ;;
    masked)
        [ -n "$wanted" ] || systemctl --quiet disable "$timer"
        systemctl --quiet mask --now "$timer"
        ;;
    *) systemctl --quiet disable "$timer" ;;
    esac
    if [ "$active" != active ]; then systemctl stop "$timer"; fi
done
# Without ending one that is at work.
for entry in "$a1_state/updates/live"/*.service; do
    if [ ! -e "$entry" ] || [ "$(<"$entry")" != masked ]; then continue; fi
    systemctl --quiet mask "$(basename -- "$entry")"
done
"""
