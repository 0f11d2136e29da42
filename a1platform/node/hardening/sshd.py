"""The SSH server: keys only, strong algorithms, tunnels and SFTP as before."""

from a1platform.node.host_change import HostChange, HostFile

_PATH = "/etc/ssh/sshd_config.d/00-a1.conf"

_INCLUDE = r"^[[:space:]]*Include[[:space:]].*sshd_config\.d"

_OPTIONS: dict[str, str] = {
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PermitEmptyPasswords": "no",
    "MaxAuthTries": "3",
    "MaxSessions": "4",
    "MaxStartups": "10:30:60",
    "LoginGraceTime": "30",
    "ClientAliveInterval": "300",
    "ClientAliveCountMax": "2",
    # Inside the encryption, unlike TCP's own, which anybody on the way can answer.
    "TCPKeepAlive": "no",
    # Compression has a history of holes and leaks.
    "Compression": "no",
    "X11Forwarding": "no",
    "AllowAgentForwarding": "no",
    "PermitTunnel": "no",
    # A tunnelled kubeconfig and bastions need what the client opens; nothing needs ports on the host's side.
    "AllowTcpForwarding": "local",
    "LogLevel": "VERBOSE",
    "KexAlgorithms": "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org",
    "Ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr",
    "MACs": "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
}

NOBODY = "user=a1-nobody,host=nowhere,addr=192.0.2.1,laddr=192.0.2.2,lport=22,rdomain=none"
"""For `sshd -T -C`: whom no `Match` block names. Without any of these it refuses files with a block that asks
for it."""

# Options of the command line, which sshd shows as its title, and Match blocks win over every file.
_FUNCTIONS = r"""
a1_sshd_started_with() { # options of the server that runs, and of one that would be started now
    local pid
    pid=$(systemctl show --property=MainPID --value ssh.service)
    {
        { tr '\0' ' ' <"/proc/${pid:-0}/cmdline"; } 2>/dev/null |
            sed 's/^sshd: //; s/ \[listener\].*//; s/^[^ ]* *//' || true
        echo
        systemctl show --property=ExecStart --value ssh.service |
            sed -n 's/.*argv\[\]=[^ ]* *\(.*\) ; ignore_errors.*/\1/p'
        sed -n 's/^[[:space:]]*SSHD_OPTS=//p' /etc/default/ssh 2>/dev/null || true
    } | tr -d "\"'" | sed -E 's/[$][^ ]*//g; s/(-o ?[A-Za-z0-9]+) +([^- ])/\1=\2/g'
}

a1_sshd_deviations() { # further options: keyword, expected and found of what sshd would not do as declared
    local effective keyword value found
    local -A values=()
    # shellcheck disable=SC2046 # options, a word each
    if ! effective=$(sshd -T -C @NOBODY@ $(a1_sshd_started_with) "$@" 2>&1); then
        printf 'configuration\taccepted by sshd -T\t%s\n' "${effective//[$'\t\n']/ }"
        return
    fi
    while read -r keyword value; do
        if [ -n "$keyword" ]; then values[$keyword]+="${values[$keyword]:+ }$value"; fi
    done <<<"$effective"
    while read -r keyword value; do
        found=${values[${keyword,,}]:-}
        [ "$found" = "$value" ] || printf '%s\t%s\t%s\n' "$keyword" "$value" "${found:-absent}"
    done < <(a1_sshd_options)
}
""".replace("@NOBODY@", NOBODY)

# The first value of a keyword wins, so what sshd will read once the file is in place is its own configuration
# with the new file where files of that folder are included, behind those that come before it.
_FUNCTIONS += f"""
a1_sshd_candidate() {{ # the configuration as it will be
    local line file put=""
    while IFS= read -r line || [ -n "$line" ]; do
        if [ -z "$put" ] && grep -qiE '{_INCLUDE}' <<<"$line"; then
            for file in /etc/ssh/sshd_config.d/*.conf; do
                if [ -e "$file" ] && [[ "$file" < {_PATH} ]]; then printf 'Include %s\\n' "$file"; fi
            done
            cat "$a1_staged{_PATH}"
            put=yes
        fi
        printf '%s\\n' "$line"
    done </etc/ssh/sshd_config
}}

a1_sshd_lines() {{ # keywords: where others than our file name them
    local file keyword
    while read -r keyword; do
        for file in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
            [ "$file" = {_PATH} ] || grep -HsniE "^[[:space:]]*$keyword([[:space:]=]|$)" -- "$file" || true
        done
    done
}}
"""

_CHECK = f"""
local candidate="$a1_staged/candidate" answer
grep -qsiE '{_INCLUDE}' /etc/ssh/sshd_config ||
    a1_fail "sshd: found no Include of sshd_config.d in /etc/ssh/sshd_config, expected the distribution's own"
mkdir -p /run/sshd
a1_sshd_candidate >"$candidate"
if ! answer=$(sshd -t -f "$candidate" 2>&1); then
    a1_fail "sshd: the new configuration is refused, nothing was written: $answer"
fi
answer=$(a1_sshd_deviations -f "$candidate")
if [ -n "$answer" ]; then
    a1_fail "sshd: found an option that it is started with (SSHD_OPTS in /etc/default/ssh, or a drop-in of" \\
        "ssh.service), a line that is read before our file (in front of Include in /etc/ssh/sshd_config," \\
        "or in an earlier file) or a Match block for everybody that wins over ours, expected none; take it" \\
        "away, then run up again (keyword, expected, found; then lines that name it):"$'\\n'"$answer"$'\\n'"$(
            cut -f1 <<<"$answer" | a1_sshd_lines
        )"
fi
"""

_RELOAD = """
sshd -t
systemctl try-reload-or-restart ssh.service
"""

_VERIFY = """
local keyword value found changed loaded
while IFS=$'\\t' read -r keyword value found; do
    a1_deviation "sshd $keyword" "$value" "$found"
done < <(a1_sshd_deviations)
# The files are read by `sshd -T`; the running server may have read them before they were last changed.
if systemctl --quiet is-active ssh.service; then
    changed=$(
        find /etc/ssh/sshd_config /etc/ssh/sshd_config.d -printf '%C@\\n' | cut -d. -f1 | sort -n | tail -n 1
    )
    loaded=$(a1_entered ssh.service StateChangeTimestamp)
    if [ "$changed" -gt "$loaded" ]; then
        a1_deviation "sshd running server" "has read its configuration" "configuration changed" \\
            "$(a1_time "$changed")"
    fi
fi
"""


def sshd(user: str) -> HostChange:
    """Return the change that restricts the SSH server.

    Args:
        user: The login user that the preflight has seen `sudo` work for; root may log in (with a key) only
            where it is this user itself.
    """
    # `sshd -T` prints prohibit-password under its older name.
    root = ("prohibit-password", "without-password") if user == "root" else ("no", "no")
    lines = "".join(
        f"{keyword} {value}\n" for keyword, value in {"PermitRootLogin": root[0], **_OPTIONS}.items()
    )
    effective = "".join(
        f"{keyword} {value}\n" for keyword, value in {"PermitRootLogin": root[1], **_OPTIONS}.items()
    )
    return HostChange(
        name="sshd",
        reason="log in with keys only, with strong algorithms; tunnels and SFTP keep working",
        files=(HostFile(_PATH, f"# The A1 platform. Read first, so these values win.\n{lines}"),),
        functions=f"{_FUNCTIONS}\na1_sshd_options() {{\n    cat <<'A1_TABLE'\n{effective}A1_TABLE\n}}",
        check=_CHECK,
        apply=_RELOAD,
        verify=_VERIFY,
        revert=_RELOAD,
    )
