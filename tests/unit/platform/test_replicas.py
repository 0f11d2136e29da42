"""As many pods of a part as its settings say."""

from typing import Any

import pytest

from a1platform.platform import monitoring
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import Profile
from tests.unit.platform.charts import Values, values_of

_SEVERAL = {
    "gatekeeper": {"replicas": 2},
    "externalSecrets": {"replicas": 2},
    "keda": {"replicas": 2},
    "argoCd": {"serverReplicas": 2, "repositoryReplicas": 2},
    "monitoring": {"prometheusReplicas": 2, "alertmanagerReplicas": 2},
}
_REPLICAS = (
    ("gatekeeper", "replicas", "pdb.controllerManager"),
    ("external-secrets", "replicaCount", "podDisruptionBudget"),
    ("external-secrets", "webhook.replicaCount", "webhook.podDisruptionBudget"),
    ("keda", "operator.replicaCount", "podDisruptionBudget.operator"),
    ("keda", "webhooks.replicaCount", "podDisruptionBudget.webhooks"),
    ("argo-cd", "server.replicas", "server.pdb"),
    ("argo-cd", "repoServer.replicas", "repoServer.pdb"),
    ("monitoring", "prometheus.prometheusSpec.replicas", "prometheus.podDisruptionBudget"),
    ("monitoring", "alertmanager.alertmanagerSpec.replicas", "alertmanager.podDisruptionBudget"),
)


def _at(values: Values, path: str) -> Any:  # noqa: ANN401 - whatever a chart takes
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found


@pytest.mark.parametrize(("part", "place", "budget"), _REPLICAS)
def test_there_are_as_many_pods_as_asked_for_and_a_drained_node_takes_never_the_last(
    part: str, place: str, budget: str
) -> None:
    alone = values_of(Profile.SMALL)[part]
    assert _at(alone, place) == 1
    assert not _at(alone, budget).get("minAvailable")
    several = values_of(Profile.SMALL, PlatformSettings.model_validate(_SEVERAL))[part]
    assert _at(several, place) == 2
    assert _at(several, budget)["minAvailable"] == 1


def test_of_several_operators_of_external_secrets_one_writes_secrets() -> None:
    assert values_of(Profile.SMALL)["external-secrets"]["leaderElect"] is False
    several = PlatformSettings.model_validate(_SEVERAL)
    assert values_of(Profile.SMALL, several)["external-secrets"]["leaderElect"] is True


def test_a_client_of_several_prometheus_stays_with_one() -> None:
    chosen = PlatformSettings.model_validate(_SEVERAL).monitoring
    assert monitoring.service(chosen)["spec"]["sessionAffinity"] == "ClientIP"
    assert "sessionAffinity" not in monitoring.service(PlatformSettings().monitoring)["spec"]
