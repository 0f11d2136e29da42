"""What a site may add to K3s's config.yaml; the rest of it is `a1platform/cluster/config.py`."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from a1platform.settings.shown import shown
from a1platform.settings.together import Problem

_ELSEWHERE: Mapping[str, str] = {
    "cluster-cidr": "k3s.clusterCidr",
    "cluster-dns": "none: it is the tenth address of k3s.serviceCidr",
    "cluster-init": "none: the first server of nodes starts the cluster",
    "cluster-reset": "none: it would be done at each start (docs/runbook-a1.md)",
    "config": "none: K3s reads one file",
    "data-dir": "none: backup, audit and uninstall know K3s's own folder",
    "datastore-endpoint": "none: the cluster keeps its state in embedded etcd",
    "disable": "k3s.disable",
    "disable-agent": "nodes[].role",
    "disable-apiserver": "nodes[].role",
    "disable-controller-manager": "nodes[].role",
    "disable-etcd": "nodes[].role",
    "disable-scheduler": "nodes[].role",
    "https-listen-port": "none: firewall, preflight and kubeconfig know 6443",
    "node-ip": "nodes[].address",
    "node-name": "nodes[].name",
    "server": "nodes: those after the first server join it",
    "service-cidr": "k3s.serviceCidr",
    "service-node-port-range": "none: the firewall knows NodePorts by 30000-32767",
    "tls-san": "k3s.tlsSan",
    "token": "none: the program makes the token that nodes join with",
    "token-file": "none: the program makes the token that nodes join with",
    "write-kubeconfig": "none: the program reads K3s's own file",
}
"""Keys that are said elsewhere, or that no site can change; with what is expected instead."""

_ONLY: Mapping[str, JsonValue] = {"secrets-encryption": True, "write-kubeconfig-mode": "0600"}
"""Keys with one value; any other breaks a check of the CIS benchmark, and K3s would say nothing."""

_LISTS = frozenset(
    {
        "kube-apiserver-arg",
        "kube-cloud-controller-manager-arg",
        "kube-controller-manager-arg",
        "kube-scheduler-arg",
        "kubelet-arg",
    }
)
"""Keys of which a list is added to ours; anything else would take the place of ours."""

_SWITCHES = frozenset({"protect-kernel-defaults"})

_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "kube-apiserver-arg": {
        "admission-control-config-file": "none: the program's holds the limits of pods",
        "audit-log-path": "none: the audit log is where docs/hardening.md says",
        "service-node-port-range": "none: the firewall knows NodePorts by 30000-32767",
    },
    "kubelet-arg": {"max-pods": "k3s.maxPods"},
}
"""Arguments that would take the place of ours, as the last of several counts."""

_SAFE: Mapping[str, Mapping[str, str]] = {
    "kube-apiserver-arg": {"anonymous-auth": "false"},
    "kubelet-arg": {"anonymous-auth": "false", "read-only-port": "0"},
}
"""Arguments with one value that passes the CIS benchmark."""


def extra_config_problems(config: Mapping[str, JsonValue]) -> Iterator[Problem]:
    """Yield what a site may not add, each at its key below `extraConfig`.

    Args:
        config: What is merged into K3s's config.yaml.
    """
    for key, value in config.items():
        # K3s reads `key+` too, and both in one file would not be the list that is meant.
        if key.endswith("+"):
            yield Problem((key,), f"found {shown(key)}, expected {key.rstrip('+')}: lists are added to ours")
        elif key in _ELSEWHERE:
            yield Problem((key,), f"found a key that the program sets, expected {_ELSEWHERE[key]}")
        elif key in _ONLY and value != _ONLY[key]:
            yield Problem((key,), f"found {shown(value)}, expected {shown(_ONLY[key])} (CIS benchmark)")
        elif key in _SWITCHES and not isinstance(value, bool):
            yield Problem((key,), f"found {shown(value)}, expected true or false")
        elif key in _LISTS:
            yield from _list_problems(key, value)


def _list_problems(key: str, value: JsonValue) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem((key,), f"found {shown(value)}, expected a list, which is added to ours")
        return
    for index, one in enumerate(value):
        if not isinstance(one, str):
            yield Problem((key, index), f"found {shown(one)}, expected a text")
            continue
        name, _, given = one.removeprefix("--").partition("=")
        wanted = _SAFE.get(key, {}).get(name)
        if name in _ARGUMENTS.get(key, {}):
            text = f"found {shown(one)}, which the program sets, expected {_ARGUMENTS[key][name]}"
            yield Problem((key, index), text)
        elif wanted is not None and given != wanted:
            yield Problem((key, index), f"found {shown(one)}, expected {name}={wanted} (CIS benchmark)")
