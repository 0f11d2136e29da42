"""Render what K3s reads on a node: pure functions from settings to texts.

The keys follow the K3s hardening guide and were measured with kube-bench `k3s-cis-1.9` on v1.30.5+k3s1.
"""

from typing import Any, Literal

import yaml

from a1platform.node.hardening.log_shipping import CLUSTER_AUDIT_LOG
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

CONFIG_FILE = "/etc/rancher/k3s/config.yaml"
AUDIT_POLICY_FILE = "/etc/rancher/k3s/audit.yaml"
ADMISSION_FILE = "/etc/rancher/k3s/admission.yaml"
ACCOUNTS_FILE = "/var/lib/rancher/k3s/server/manifests/a1-default-accounts.yaml"
"""K3s itself applies what is in this folder."""
TOKEN_FILE = "/etc/rancher/k3s/token"  # noqa: S105 - a path
"""The cluster's token on a node that joins, for root alone."""
API_PORT = 6443
_ELECTED = ("kube-cloud-controller-manager-arg", "kube-controller-manager-arg", "kube-scheduler-arg")
# An agent refuses to start with a setting of servers.
_SERVER_ONLY = frozenset(("disable", "etcd-arg", "kube-apiserver-arg", "tls-san", *_ELECTED))
_LEASES = "Environment=CATTLE_ELECTION_LEASE_DURATION=10m CATTLE_ELECTION_RENEW_DEADLINE=9m\n"
"""Of K3s's own controllers, `k3s` and `k3s-etcd`; the same host takes them up again at once."""
_QUIET = ("/healthz*", "/livez*", "/readyz*", "/version", "/metrics", "/openapi*")

_TLS_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
)


def server_config(
    settings: K3sSettings,
    node: NodeSettings,
    addresses: tuple[str, ...],
    join: str | None = None,
    *,
    alone: bool = False,
) -> str:
    """Return the config.yaml of a server.

    Args:
        settings: What the stack asks for.
        node: The node.
        addresses: Names and addresses that clients reach the API servers by.
        join: Address of the first server; None for the first itself.
        alone: Whether it is the only server.

    Returns:
        YAML with sorted keys, so that the same settings give the same bytes.
    """
    config: dict[str, Any] = {
        **_common(settings, node, join),
        **({"cluster-init": True} if join is None else {}),
        "secrets-encryption": True,
        "write-kubeconfig-mode": "0600",
        "cluster-cidr": str(settings.cluster_cidr),
        "service-cidr": str(settings.service_cidr),
        "tls-san": sorted({*addresses, *settings.tls_san}),
        "disable": sorted(settings.disable),
        "kube-apiserver-arg": [
            f"admission-control-config-file={ADMISSION_FILE}",
            f"audit-log-path={CLUSTER_AUDIT_LOG}",
            "audit-log-maxage=30",
            "audit-log-maxbackup=10",
            "audit-log-maxsize=100",
            f"audit-policy-file={AUDIT_POLICY_FILE}",
            "enable-admission-plugins=NodeRestriction,EventRateLimit,DenyServiceExternalIPs",
            "request-timeout=300s",
            "service-account-extend-token-expiration=false",
        ],
        "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    }
    # K3s ends when a controller cannot renew its lease within seconds, as on a busy disk. One server alone
    # leads in any case.
    for key in _ELECTED if alone else ():
        config[key] = [*config.get(key, []), "leader-elect=false"]
    return _dump(config, settings)


def agent_config(settings: K3sSettings, node: NodeSettings, join: str) -> str:
    """Return the config.yaml of an agent.

    Args:
        settings: What the stack asks for.
        node: The node.
        join: Address of the first server.
    """
    return _dump(_common(settings, node, join), settings)


def _common(settings: K3sSettings, node: NodeSettings, join: str | None) -> dict[str, Any]:
    return {
        "node-name": node.name,
        # Only where it is said: a host's public address need not be on any of its interfaces.
        **({"node-ip": node.address} if node.address else {}),
        **({"server": f"https://{_bracketed(join)}:{API_PORT}", "token-file": TOKEN_FILE} if join else {}),
        "protect-kernel-defaults": True,
        "kubelet-arg": [
            f"max-pods={settings.max_pods}",
            "pod-max-pids=4096",
            "streaming-connection-idle-timeout=5m",
            f"tls-cipher-suites={','.join(_TLS_CIPHERS)}",
        ],
    }


def _dump(config: dict[str, Any], settings: K3sSettings) -> str:
    agent = "cluster-cidr" not in config
    for key, value in settings.extra_config.items():
        if agent and key in _SERVER_ONLY:
            continue
        # A list of the site's own is added to ours, since it could otherwise drop the audit log by accident.
        config[key] = [*config[key], *value] if isinstance(value, list) and key in config else value
    return yaml.safe_dump(config, sort_keys=True)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def audit_policy() -> str:
    """Return the API server's audit policy: who did what, without the bodies of secrets.

    Metadata by default; changes of roles with their content. Left out are health, and events and leases,
    which the cluster's own parts read and write all the time; who deletes one is told.
    """
    quiet = {"level": "None"}
    return yaml.safe_dump(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {
                    **quiet,
                    "nonResourceURLs": [*_QUIET],
                },
                {
                    **quiet,
                    "verbs": ["create", "get", "list", "patch", "update", "watch"],
                    "resources": [
                        {"group": "", "resources": ["events"]},
                        {"group": "events.k8s.io", "resources": ["events"]},
                        {"group": "coordination.k8s.io", "resources": ["leases"]},
                    ],
                },
                {
                    "level": "Metadata",
                    "resources": [
                        {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                        {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                    ],
                },
                {
                    "level": "RequestResponse",
                    "verbs": ["create", "update", "patch", "delete"],
                    "resources": [{"group": "rbac.authorization.k8s.io"}],
                },
                {"level": "Metadata"},
            ],
        },
        sort_keys=False,
    )


def admission_config() -> str:
    """Return the admission configuration: restricted pods by default, and a limit for floods of events.

    EventRateLimit without an entry of its own stops the API server, so it stands here too.
    """
    return yaml.safe_dump(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [
                {
                    "name": "PodSecurity",
                    "configuration": {
                        "apiVersion": "pod-security.admission.config.k8s.io/v1",
                        "kind": "PodSecurityConfiguration",
                        "defaults": {
                            "enforce": "restricted",
                            "enforce-version": "latest",
                            "audit": "restricted",
                            "audit-version": "latest",
                            "warn": "restricted",
                            "warn-version": "latest",
                        },
                        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
                    },
                },
                {
                    "name": "EventRateLimit",
                    "configuration": {
                        "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
                        "kind": "Configuration",
                        "limits": [{"type": "Server", "qps": 5000, "burst": 20000}],
                    },
                },
            ],
        },
        sort_keys=False,
    )


def default_accounts() -> str:
    """Return the default service accounts of K3s's own namespaces, without a token for every pod (CIS 5.1.5).

    Those of the platform's namespaces come with the namespaces.
    """
    return yaml.safe_dump_all(
        default_account(namespace)
        for namespace in ("default", "kube-node-lease", "kube-public", "kube-system")
    )


def default_account(namespace: str) -> dict[str, Any]:
    """Return a namespace's default service account, whose token no pod gets that does not ask for it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
        "automountServiceAccountToken": False,
    }


def unit(settings: K3sSettings, role: Literal["server", "agent"], binary: str, *, alone: bool = False) -> str:
    """Return the systemd unit of K3s.

    The stock unit starts without a time limit and restarts for ever, so a bad configuration hangs
    `systemctl restart`; ours gives up after `start_timeout` seconds and says so.

    Args:
        settings: The time limit and the limit of open files.
        role: What the node is.
        binary: What identifies the binary, such as its digest: another one makes K3s start anew.
        alone: Whether it is the only server, which has nobody to leave its own leases to.
    """
    leases = _LEASES if alone else ""
    return f"""\
# a1platform: k3s {settings.version} {binary}
[Unit]
Description=Lightweight Kubernetes
Documentation=https://docs.k3s.io
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=notify
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s {role}
{leases}KillMode=process
Delegate=yes
LimitNOFILE={settings.open_files}
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec={settings.start_timeout}
Restart=on-failure
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
