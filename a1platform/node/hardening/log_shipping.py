"""The audit logs of the host and of the API server go to a log endpoint: syslog over TLS, by rsyslog.

An instance of our own that reads these files and nothing else: what the host's own rsyslog does, or that
there is none, stays as it is. While the endpoint does not answer nothing waits for it: what was read is in a
queue on the disk. Once that is full the files are read no further until there is room again; only what they
have turned over more than once meanwhile is not sent any more.
https://www.rsyslog.com/doc/configuration/modules/imfile.html
"""

from a1platform.node.host_change import HostChange, HostFile
from a1platform.settings.log_endpoint import LogEndpointSettings

HOST_AUDIT_LOG = "/var/log/audit/audit.log"
CLUSTER_AUDIT_LOG = "/var/lib/rancher/k3s/server/logs/audit.log"
UNIT = "a1-log-shipping.service"
CONF = "/etc/a1/log-shipping.conf"

_LOGS = {"auditd": HOST_AUDIT_LOG, "kube-apiserver-audit": CLUSTER_AUDIT_LOG}
"""Each log by the name that the endpoint sees as its application."""
_NAME = "log-shipping"
_CA = "/etc/a1/log-endpoint-ca.pem"
_CA_OF_THE_HOST = "/etc/ssl/certs/ca-certificates.crt"
_WORK = "/var/lib/a1-log-shipping"
_PROFILE = "/etc/apparmor.d/usr.sbin.rsyslogd"
_LONGEST_EVENT = "256k"
_QUEUED_EVENTS = 100_000


def log_shipping(endpoint: LogEndpointSettings) -> HostChange:
    """Return the change that sends the audit logs to an endpoint.

    Args:
        endpoint: Where to, and who may vouch for it.
    """
    ca = [HostFile(_CA, endpoint.ca)] if endpoint.ca else []
    return HostChange(
        name=_NAME,
        reason="whoever takes a host over cannot take back what its audit logs have told",
        packages=("rsyslog", "rsyslog-gnutls", *(() if ca else ("ca-certificates",))),
        files=(
            *ca,
            HostFile(CONF, render_conf(endpoint)),
            HostFile(f"/etc/systemd/system/{UNIT}", _SERVICE),
            HostFile("/etc/apparmor.d/rsyslog.d/90-a1-log-shipping", _apparmor(endpoint)),
        ),
        check=_CHECK,
        apply=_APPLY,
        verify=_VERIFY,
        before_revert=f"systemctl --quiet disable --now {UNIT} 2>/dev/null || true",
        revert=_REVERT,
    )


def render_conf(endpoint: LogEndpointSettings) -> str:
    """Return what rsyslog reads.

    Args:
        endpoint: Where to, and who may vouch for it.
    """
    own = ""
    if endpoint.certificate_file and endpoint.key_file:
        own = (
            f'    defaultNetstreamDriverCertFile="{endpoint.certificate_file}"\n'
            f'    defaultNetstreamDriverKeyFile="{endpoint.key_file}"\n'
        )
    inputs = "".join(
        f'input(type="imfile" file="{path}" tag="{name}"\n'
        f'    facility="authpriv" severity="notice" ruleset="ship" persistStateInterval="100")\n'
        for name, path in _LOGS.items()
    )
    return f"""\
# The A1 platform: audit logs, and nothing else, to the log endpoint.
global(
    workDirectory="{_WORK}"
    maxMessageSize="{_LONGEST_EVENT}"
    defaultNetstreamDriverCAFile="{_CA if endpoint.ca else _CA_OF_THE_HOST}"
{own})
module(load="imfile")

# By number and not by queue.maxDiskSpace, beyond which an event is dropped every two seconds: a full queue of
# this kind has imfile wait.
ruleset(name="ship" queue.type="Disk" queue.filename="ship" queue.size="{_QUEUED_EVENTS}"
    queue.dequeueBatchSize="16" queue.checkpointInterval="16") {{
    action(type="omfwd" target="{endpoint.host}" port="{endpoint.port}" protocol="tcp"
        TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format" keepAlive="on"
        StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
        StreamDriverPermittedPeers="{endpoint.name or endpoint.host}"
        action.resumeRetryCount="-1" action.resumeInterval="10")
}}

{inputs}"""


# Debian's own unit starts it the same way; ours may read every file and write nothing but its queue.
_SERVICE = f"""\
[Unit]
Description=A1 platform: sends the audit logs to the log endpoint
Documentation=man:rsyslogd(8)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=/usr/sbin/rsyslogd -n -iNONE -f {CONF}
StateDirectory=a1-log-shipping
StateDirectoryMode=0700
Restart=on-failure
RestartSec=10s
MemoryMax=256M
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
NoNewPrivileges=true
PrivateTmp=true
ProtectHome=true
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX

[Install]
WantedBy=multi-user.target
"""


def _apparmor(endpoint: LogEndpointSettings) -> str:
    """Return what Ubuntu's profile of rsyslogd has to admit beside; other hosts have no such profile."""
    folders = ["/var/lib/rancher/", "/var/lib/rancher/k3s/", "/var/lib/rancher/k3s/server/"]
    files = ["/etc/a1/*", "/var/log/audit/", "/var/log/audit/*", *folders]
    files += ["/var/lib/rancher/k3s/server/logs/", "/var/lib/rancher/k3s/server/logs/*", _CA_OF_THE_HOST]
    files += [path for path in (endpoint.certificate_file, endpoint.key_file) if path]
    lines = [*(f"{path} r," for path in files), f"{_WORK}/ rw,", f"{_WORK}/** rwk,"]
    return "\n".join(("# The A1 platform.", *lines, "capability dac_read_search,", ""))


# Ubuntu's is in force from 24.04 on; on a host without AppArmor or without rsyslog there is none.
_READ_PROFILE = f"""
if [ -e {_PROFILE} ] && [ ! -e /etc/apparmor.d/disable/usr.sbin.rsyslogd ] && aa-enabled --quiet 2>/dev/null
then apparmor_parser --replace {_PROFILE}; fi
"""

# rsyslogd refuses a file that names another one which is not there, as these two are not yet.
_CHECK = f"""
local answer candidate="$a1_staged/log-shipping.conf"
sed "s#{_WORK}#$a1_staged#; s#{_CA}#$a1_staged{_CA}#" "$a1_staged{CONF}" >"$candidate"
answer=$(rsyslogd -N1 -f "$candidate" 2>&1) ||
    a1_fail "{_NAME}: rsyslog refuses its configuration: $answer"
"""

# What the package would do besides: all that the journal has, a second time, in files of its own.
_APPLY = f"""
{_READ_PROFILE}
if grep -qx rsyslog "$a1_state/{_NAME}/packages" 2>/dev/null; then
    systemctl --quiet disable --now rsyslog.service syslog.socket 2>/dev/null || true
fi
systemctl daemon-reload
systemctl --quiet enable {UNIT}
systemctl restart {UNIT}
"""

_VERIFY = f"""
local found
found="$(systemctl is-enabled {UNIT} 2>/dev/null || true) $(systemctl is-active {UNIT} || true)"
if [ "$found" != "enabled active" ]; then
    a1_deviation "{_NAME} {UNIT}" "enabled active" "$found" "$(a1_stopped {UNIT})"
fi
"""

_REVERT = f"""
systemctl daemon-reload
rm -rf -- {_WORK}
{_READ_PROFILE}
"""
