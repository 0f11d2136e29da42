"""The kubeconfig as it is read off a server."""

import pytest
import yaml

from a1platform.cluster.kubeconfig import KubeconfigError, rewrite

_K3S = yaml.safe_dump(
    {
        "clusters": [
            {
                "name": "default",
                "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Y2E="},
            }
        ],
        "users": [
            {
                "name": "default",
                "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "c2VjcmV0"},
            }
        ],
    }
)


def test_it_names_the_host_and_the_cluster_and_keeps_the_credentials() -> None:
    written = yaml.safe_load(rewrite(_K3S, "192.0.2.10", "a1-prod"))
    assert written["clusters"][0]["cluster"]["server"] == "https://192.0.2.10:6443"
    assert written["current-context"] == "a1-prod"
    assert written["users"][0]["user"]["client-key-data"] == "c2VjcmV0"
    assert "default" not in rewrite(_K3S, "192.0.2.10", "a1-prod")


def test_an_ipv6_address_is_bracketed() -> None:
    written = yaml.safe_load(rewrite(_K3S, "2001:db8::1", "a1"))
    assert written["clusters"][0]["cluster"]["server"] == "https://[2001:db8::1]:6443"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "clusters: []", "- a\n- b", "{", _K3S.replace("client-key-data", "x")),
        *(_K3S.replace("Y2VydA==", one) for one in ("null", "''", "5", "[]")),
    ],
)
def test_what_is_no_kubeconfig_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(KubeconfigError) as refused:
        rewrite(text, "192.0.2.10", "a1")
    assert "c2VjcmV0" not in str(refused.value)
    assert "expected k3s.yaml" in str(refused.value)
