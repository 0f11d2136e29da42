"""By the roles that the charts bring, nobody reads the Secrets of all namespaces but who is documented."""

from a1platform.delivery.manifest import Manifest
from tests.access import STORE_READERS
from tests.charts import brought, bundle, declare

__all__ = ["brought", "bundle", "declare"]


def test_no_chart_gives_an_account_all_secrets_that_the_guide_does_not_name(brought: list[Manifest]) -> None:
    roles = {one["metadata"]["name"]: one for one in brought if one["kind"] == "ClusterRole"}
    readers = {name for name, role in roles.items() if _reads_secrets(role)}
    found = {
        (subject["namespace"], subject["name"])
        for one in brought
        if one["kind"] == "ClusterRoleBinding" and one["roleRef"]["name"] in readers
        for subject in one["subjects"]
        if subject["kind"] == "ServiceAccount"
    }
    assert roles
    assert found <= STORE_READERS


def _reads_secrets(role: Manifest) -> bool:
    return any(
        {"", "*"} & set(rule.get("apiGroups", ()))
        and {"secrets", "*"} & set(rule.get("resources", ()))
        and {"get", "list", "watch", "*"} & set(rule["verbs"])
        for rule in role["rules"] or ()
    )
