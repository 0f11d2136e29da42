"""The catalog, and what settings make of it."""

import dataclasses

import pytest

from a1platform.services.builders import service_objects
from a1platform.services.catalog import CATALOG, CONFIG, GATEWAY, ORCHESTRATOR, TRACEHUB, store_keys
from a1platform.services.model import CatalogEntry
from a1platform.services.render import manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import Profile, ServicesSettings

MILLI_PER_CALL = {GATEWAY: 2.3, "mcp-policy-proxy": 2.8, ORCHESTRATOR: 4.3}
"""Thousandths of a core for a second that a call costs, measured on the sandbox node."""
AUTOSCALER_TOLERANCE = 1.1
SETTINGS = ServicesSettings()
SIXTH = CatalogEntry(name="mcp-sixth", role="sixth", sizes=CATALOG[0].sizes, calls=(CONFIG,))


def test_the_platform_has_its_five_services_and_an_example_apart() -> None:
    names = {one.name for one in CATALOG if not one.example}
    assert names == {"mcp-gateway", "mcp-orchestrator-api", "mcp-policy-proxy", "mcp-config", "mcp-tracehub"}
    assert [one.name for one in CATALOG if one.example] == ["mcp-example-tools"]


def test_one_more_entry_is_one_more_service_with_everything_that_a_service_has() -> None:
    services = resolve(SETTINGS, catalog=(*CATALOG, SIXTH))
    kinds = {one["kind"] for one in service_objects(services[-1])}
    assert kinds == {
        "Deployment",
        "Service",
        "ServiceAccount",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "ServiceMonitor",
    }
    assert "mcp-sixth/deployment.yaml" in manifest_files(services, SETTINGS.gitops)


def test_one_more_entry_changes_no_other_service_but_those_it_calls() -> None:
    before = {one.entry.name: service_objects(one) for one in resolve(SETTINGS)}
    after = {one.entry.name: service_objects(one) for one in resolve(SETTINGS, catalog=(*CATALOG, SIXTH))}
    assert {name for name, objects in before.items() if after[name] != objects} == {CONFIG}


def test_a_call_to_no_service_is_refused_with_the_caller_and_the_name() -> None:
    wrong = dataclasses.replace(SIXTH, calls=("mcp-nowhere",))
    with pytest.raises(ValueError, match=r"^catalog\.mcp-sixth\.calls: mcp-nowhere is no service"):
        resolve(SETTINGS, catalog=(*CATALOG, wrong))


@pytest.mark.parametrize("name", ["Mcp_Sixth", "mcp-gateway", "mcp-gateway-pods"])
def test_a_name_that_no_service_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^catalog\.(Mcp_Sixth|mcp-gateway)"):
        resolve(SETTINGS, catalog=(*CATALOG, dataclasses.replace(SIXTH, name=name)))


def test_an_override_of_no_service_is_refused_with_its_key() -> None:
    settings = ServicesSettings.model_validate({"overrides": {"mcp-gatewya": {"minReplicas": 3}}})
    with pytest.raises(ValueError, match=r"^services\.overrides\.mcp-gatewya: no such service"):
        resolve(settings)


def test_an_override_with_min_above_the_shared_max_is_refused_with_its_key() -> None:
    settings = ServicesSettings.model_validate({"overrides": {GATEWAY: {"minReplicas": 11}}})
    with pytest.raises(
        ValueError, match=r"^services\.overrides\.mcp-gateway: minReplicas 11 is above maxReplicas 10"
    ):
        resolve(settings)


def test_an_override_reaches_its_service_and_no_other() -> None:
    override = {"minReplicas": 3, "cpuMilli": 50, "image": "registry.example.com:5000/mcp:2.0.0"}
    services = resolve(ServicesSettings.model_validate({"overrides": {GATEWAY: override}}))
    gateway, other = services[0], services[1]
    assert (gateway.autoscaling.min_replicas, gateway.size.cpu_milli) == (3, 50)
    assert gateway.image == "registry.example.com:5000/mcp:2.0.0"
    assert (other.autoscaling.min_replicas, other.size.cpu_milli) == (2, 100)
    assert other.image == SETTINGS.image


def test_without_the_example_nobody_calls_it() -> None:
    services = {one.entry.name: one for one in resolve(ServicesSettings(example=False))}
    assert len(services) == 5
    assert "mcp-example-tools" not in services[ORCHESTRATOR].entry.calls


def test_the_small_profile_reserves_little_enough_for_two_cores() -> None:
    requests = sum(one.size.cpu_milli * one.autoscaling.min_replicas for one in resolve(SETTINGS))
    assert requests <= 880


def test_fifty_calls_a_second_start_no_pod_in_the_small_profile() -> None:
    # A start costs as much as four hundred calls, so a small node would be busy with nothing but starting.
    for one in resolve(SETTINGS):
        if one.entry.name in MILLI_PER_CALL:
            used = 50 * MILLI_PER_CALL[one.entry.name] / one.autoscaling.min_replicas
            percent = 100 * used / one.size.cpu_milli
            assert percent <= one.autoscaling.cpu_percent * AUTOSCALER_TOLERANCE, one.entry.name


def test_critical_services_are_guaranteed_in_the_standard_profile() -> None:
    critical = [one for one in resolve(ServicesSettings(profile=Profile.STANDARD)) if one.entry.critical]
    assert {one.entry.name for one in critical} == {GATEWAY, "mcp-policy-proxy", ORCHESTRATOR}
    for one in critical:
        assert one.size.cpu_milli == one.size.cpu_limit_milli
        assert one.size.memory_mib == one.size.memory_limit_mib


def test_the_store_is_asked_for_exactly_the_keys_that_services_mount() -> None:
    assert store_keys() == {"mcp-auth": ("api-keys.json", "jwks.json"), "mcp-internal": ("key",)}


def test_tracehub_may_ask_its_own_pods() -> None:
    tracehub = next(one for one in resolve(SETTINGS) if one.entry.name == TRACEHUB)
    assert TRACEHUB in tracehub.callers
