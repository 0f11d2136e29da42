"""External Secrets: the store, its account, its content."""

from typing import Any

import pulumi

from a1platform.platform.component import Platform, PlatformArgs
from a1platform.services.credentials import Credentials
from tests.components.conftest import Declared
from tests.components.platform.program import Declare, before, program, settings_of


def test_the_secret_store_comes_when_its_webhook_answers_and_its_account_is_there(
    online: dict[str, Declared],
) -> None:
    earlier = before(online, "a1-cluster-store-clustersecretstore")
    assert {
        "platform-external-secrets-release",
        "a1-store-reader-serviceaccount",
        "a1-store-reader-role",
        "a1-store-reader-rolebinding",
    } <= earlier
    annotations = online["a1-cluster-store-clustersecretstore"].inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "condition=Ready"


def test_the_store_reads_secrets_of_one_namespace_as_an_account_that_can_do_nothing_else(
    online: dict[str, Declared],
) -> None:
    provider = online["a1-cluster-store-clustersecretstore"].inputs["spec"]["provider"]["kubernetes"]
    assert provider["remoteNamespace"] == "a1-secrets"
    assert provider["auth"]["serviceAccount"] == {"name": "a1-store-reader", "namespace": "a1-secrets"}
    (rule,) = online["a1-store-reader-role"].inputs["rules"]
    assert (rule["resources"], set(rule["verbs"])) == (["secrets"], {"get", "list", "watch"})


def test_generated_credentials_are_secret_wherever_they_are(declare: Declare) -> None:
    def made() -> pulumi.Output[Any]:
        credentials = Credentials("credentials")
        return Platform("platform", PlatformArgs(secrets=credentials.content)).parts

    declared = declare(made)
    for name in ("credentials-api-key", "credentials-internal-key", "platform-monitoring-grafana-password"):
        assert {"stdout", "stderr"} <= set(declared[name].secret_outputs)
        assert declared[name].inputs["logging"] == "none"
    for name in ("platform-external-secrets-mcp-auth", "platform-external-secrets-mcp-internal"):
        assert "stringData" in declared[name].secrets
        assert declared[name].inputs["metadata"]["namespace"] == "a1-secrets"
        assert name in declared["a1-cluster-store-clustersecretstore"].after
    assert "stringData" in declared["platform-monitoring-grafana"].secrets


def test_a_configured_secret_takes_the_place_of_a_generated_one(declare: Declare) -> None:
    settings = settings_of(
        externalSecrets={"secrets": {"mcp-internal": {"key": "of-mine"}, "more": {"a": "b"}}}
    )
    args = PlatformArgs(settings, secrets={"mcp-internal": {"key": pulumi.Output.secret("generated")}})
    declared = declare(program(args))
    internal = declared["platform-external-secrets-mcp-internal"]
    assert internal.inputs["stringData"] == {"key": "of-mine"}
    assert "stringData" in internal.secrets & declared["platform-external-secrets-more"].secrets


def test_with_a_store_of_the_sites_own_no_local_one_is_filled(declare: Declare) -> None:
    vault = {"vault": {"server": "https://vault.example.com", "path": "secret"}}
    settings = settings_of(externalSecrets={"provider": vault})
    declared = declare(program(PlatformArgs(settings, secrets={"mcp-internal": {"key": "x"}})))
    assert declared["a1-cluster-store-clustersecretstore"].inputs["spec"]["provider"] == vault
    assert not [name for name in declared if "mcp-internal" in name or "a1-store-reader" in name]


def test_a_store_of_the_sites_own_comes_when_what_opens_it_is_there(declare: Declare) -> None:
    reference = {"name": "vault", "namespace": "external-secrets", "key": "token"}
    vault = {"server": "https://vault.example.com", "auth": {"tokenSecretRef": reference}}
    settings = settings_of(
        externalSecrets={"provider": {"vault": vault}, "providerSecrets": {"vault": {"token": "of-mine"}}}
    )
    declared = declare(program(PlatformArgs(settings)))
    secret = declared["platform-external-secrets-provider-vault"]
    assert secret.inputs["metadata"]["name"] == "vault"
    assert secret.inputs["metadata"]["namespace"] == "external-secrets"
    assert secret.inputs["stringData"] == {"token": "of-mine"}
    assert "stringData" in secret.secrets
    assert set(secret.secret_outputs) == {"data", "stringData"}
    assert secret.name in declared["a1-cluster-store-clustersecretstore"].after


def test_another_provider_is_another_store_whose_readiness_is_its_own(online: dict[str, Declared]) -> None:
    # The status of one that is changed in place is that of its old provider, and nothing in it says so.
    store = online["a1-cluster-store-clustersecretstore"]
    assert store.replaced_for == ("spec.provider",)
    assert store.deleted_first is True
