"""What a person who logs in gets: a private umask, no core dumps, a shell that ends when it is left alone."""

from a1platform.node.host_change import HostChange, HostFile

LOGIN_DEFS: dict[str, tuple[str, str]] = {
    "UMASK": ("027", "what a person makes is not for everybody"),
    "PASS_MIN_DAYS": ("1", "a new password stays for a day"),
    "SHA_CRYPT_MIN_ROUNDS": ("65536", "guessing a stolen SHA hash takes long"),
}
"""Keys of /etc/login.defs, each with value and reason.

No PASS_MAX_DAYS: an expired password locks out who logs in by key alone, and nobody logs in by password here.
"""

IDLE_SECONDS = 900

_BANNER = """\
This is a private system. Access is restricted to authorised users.
Use is monitored and recorded; evidence of unauthorised use is passed on to law enforcement.
"""
_PROFILE = f"""\
# The A1 platform.
umask 027
ulimit -c 0
# A shell that is left alone ends.
if [ -z "${{TMOUT:-}}" ]; then
    TMOUT={IDLE_SECONDS}
    readonly TMOUT
    export TMOUT
fi
"""
_LIMITS = """\
# The A1 platform: a core dump holds what was in memory, keys too.
* soft core 0
* hard core 0
root soft core 0
root hard core 0
"""
_COREDUMP = "# The A1 platform.\n[Coredump]\nStorage=none\nProcessSizeMax=0\n"


def login() -> HostChange:
    """Return the change that restricts what sessions of people leave open or behind."""
    table = "".join(f"{key} {value}\n" for key, (value, _) in LOGIN_DEFS.items())
    return HostChange(
        name="login",
        reason="sessions of people end when left alone and keep what they make to themselves",
        # For whoever sets a password for the console; Debian's PAM takes it up by itself.
        packages=("libpam-pwquality|libpam-passwdqc",),
        files=(
            HostFile("/etc/issue", _BANNER),
            HostFile("/etc/issue.net", _BANNER),
            HostFile("/etc/profile.d/90-a1.sh", _PROFILE),
            HostFile("/etc/security/limits.d/90-a1.conf", _LIMITS),
            HostFile("/etc/systemd/coredump.conf.d/90-a1.conf", _COREDUMP),
        ),
        functions=f"{_FUNCTIONS}\na1_login_table() {{\n    cat <<'A1_TABLE'\n{table}A1_TABLE\n}}",
        record=_RECORD,
        apply=_APPLY,
        verify=_VERIFY,
        revert=_REVERT,
    )


# login.defs has no folder for drop-ins. Single lines are replaced where they stand, so that the rest stays as
# it is, whoever changes it meanwhile.
_FUNCTIONS = r"""
a1_login_line() { # key: the line that sets it
    grep -m 1 -E "^[[:space:]]*$1[[:space:]]" /etc/login.defs || true
}

a1_login_value() { # key
    a1_login_line "$1" | awk '{ print $2 }'
}

a1_login_set() { # key, line: replaces the line that sets the key, appends it, or removes it where it is empty
    local new=/etc/.a1-new.login.defs
    cp -a -- /etc/login.defs "$new"
    awk -v key="$1" -v line="$2" '
        !done && $1 == key { done = 1; if (line != "") print line; next }
        { print }
        END { if (!done && line != "") print line }
    ' /etc/login.defs >"$new"
    mv -fT -- "$new" /etc/login.defs
}
"""

_RECORD = """
local key _
if [ ! -e /etc/login.defs ]; then return; fi
a1_remember login login.defs "$(stat -c %y /etc/login.defs) $(sha256sum </etc/login.defs)"
while read -r key _; do a1_remember login "$key" "$(a1_login_line "$key")"; done < <(a1_login_table)
"""

_APPLY = """
local key value
if [ ! -e /etc/login.defs ]; then return; fi
while read -r key value; do
    if [ "$(a1_login_value "$key")" != "$value" ]; then a1_login_set "$key" "$key $value"; fi
done < <(a1_login_table)
"""

_VERIFY = """
local file=/etc/login.defs key value found
if [ ! -e "$file" ]; then return; fi
while read -r key value; do
    found=$(a1_login_value "$key")
    if [ "$found" != "$value" ]; then
        a1_deviation "login $key" "$value" "${found:-absent}" "$(a1_changed "$file")"
    fi
done < <(a1_login_table)
"""

_REVERT = r"""
local live="$a1_state/login/live" entry key new=/etc/.a1-new.login.defs
if [ ! -e "$live/login.defs" ] || [ ! -e /etc/login.defs ]; then return; fi
for entry in "$live"/*; do
    key=$(basename -- "$entry")
    if [ "$key" = login.defs ]; then continue; fi
    cp -a -- /etc/login.defs "$new"
    awk -v key="$key" -v line="$(<"$entry")" '
        !done && $1 == key { done = 1; if (line != "") print line; next }
        { print }
    ' /etc/login.defs >"$new"
    mv -fT -- "$new" /etc/login.defs
done
# Nobody else has changed it: then also its time is as it was.
if grep -qF -- "$(sha256sum </etc/login.defs)" "$live/login.defs"; then
    touch -d "$(cut -d' ' -f1-3 "$live/login.defs")" /etc/login.defs
fi
"""
