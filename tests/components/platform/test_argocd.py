"""Argo CD: who may log in, and what the project that everybody has may do."""

from typing import Any

import bcrypt
from pulumi.runtime import mocks

from a1platform.platform.component import PlatformArgs
from tests.components.conftest import Declared, Echo
from tests.components.platform.program import Declare, program, settings_of


def test_argo_cds_password_reaches_the_chart_as_a_secret_hash_and_nowhere_else(declare: Declare) -> None:
    password = "correct horse battery"  # noqa: S105 - of a test

    class Made(Echo):
        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
            identifier, state = super().new_resource(args)
            return identifier, state | {"stdout": "0123456789abcdef" * 4}

    args = PlatformArgs(settings_of(argoCd={"adminPassword": password}))
    declared = declare(program(args), answers=Made())
    release = declared["platform-argo-cd-release"]
    secret = release.inputs["values"]["configs"]["secret"]
    assert bcrypt.checkpw(password.encode(), secret["argocdServerAdminPassword"].encode())
    assert secret["argocdServerAdminPasswordMtime"]
    assert "values" in release.secrets
    for name in ("platform-argo-cd-password-salt", "platform-argo-cd-password-changed"):
        # Only as what makes another salt, encrypted.
        assert declared[name].inputs["triggers"] == [password]
        assert "triggers" in declared[name].secrets
    held = [one.name for one in declared.values() if password in str(one.inputs)]
    assert held == ["platform-argo-cd-password-salt", "platform-argo-cd-password-changed"]


def test_the_secret_of_argo_cds_oidc_client_is_there_before_it_and_in_no_value(declare: Declare) -> None:
    oidc = {
        "issuer": "https://id.example.com",
        "clientId": "argo-cd",
        "clientSecret": "of-the-client",
        "url": "https://cd.example.com",
        "admins": ["ops"],
    }
    declared = declare(program(PlatformArgs(settings_of(argoCd={"oidc": oidc}))))
    secret = declared["platform-argo-cd-oidc"]
    assert secret.inputs["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
    assert "stringData" in secret.secrets
    assert secret.name in declared["platform-argo-cd-release"].after
    assert [one.name for one in declared.values() if "of-the-client" in str(one.inputs)] == [secret.name]


def test_the_project_that_argo_cd_opens_to_everything_is_closed_as_soon_as_it_is_there(
    online: dict[str, Declared],
) -> None:
    project = online["default-appproject"]
    assert project.after == ("platform-argo-cd-release",)
    metadata = project.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("default", "argocd")
    # Argo CD's server, which has made it, holds these very fields: without force a run would stop here.
    assert metadata["annotations"]["pulumi.com/patchForce"] == "true"
    spec = project.inputs["spec"]
    for opened in ("sourceRepos", "sourceNamespaces", "destinations", "clusterResourceWhitelist"):
        assert spec[opened] == []
    assert spec["namespaceResourceBlacklist"] == [{"group": "*", "kind": "*"}]


def test_argo_cd_reaches_the_repository_of_the_services(declare: Declare) -> None:
    args = PlatformArgs(repository="ssh://git@git.example.com:2222/a.git")
    egress = declare(program(args))["argocd-default-deny-egress"].inputs["spec"]["egress"]
    assert {"protocol": "TCP", "port": 2222} in [port for rule in egress for port in rule.get("ports", [])]


def test_the_alert_on_what_is_not_delivered_comes_after_its_kind_and_with_monitoring_only(
    online: dict[str, Declared], declare: Declare
) -> None:
    rule = online["a1-delivery-prometheusrule"]
    assert rule.inputs["metadata"]["namespace"] == "argocd"
    assert {"platform-monitoring-crds", "argocd-namespace"} <= set(rule.after)
    alone = declare(program(PlatformArgs(settings_of(monitoring={"enabled": False}))))
    assert "platform-argo-cd-release" in alone
    assert "a1-delivery-prometheusrule" not in alone
