"""The catalog, and what settings make of it."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp_services.core.room import MOST_BYTES
from mcp_services.documents import Limits

from a1platform.observability.slo import Slo
from a1platform.services.builders import service_objects
from a1platform.services.catalog import CATALOG, CONFIG, GATEWAY, ORCHESTRATOR, TRACEHUB, store_keys
from a1platform.services.model import CatalogEntry, SecretFile, Trigger
from a1platform.services.render import manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import Profile, ServicesSettings

MILLI_PER_CALL = {GATEWAY: 2.3, "mcp-policy-proxy": 2.8, ORCHESTRATOR: 4.3}
"""Thousandths of a core for a second that a call costs, measured on the sandbox node."""
AUTOSCALER_TOLERANCE = 1.1
DIGEST = "@sha256:" + "0" * 64
SETTINGS = ServicesSettings()
SIXTH = CatalogEntry(
    name="mcp-sixth",
    role="sixth",
    sizes=CATALOG[0].sizes,
    port=7000,
    image=f"registry.example.com/sixth{DIGEST}",
    calls=(CONFIG,),
    secrets=(SecretFile("mcp-sixth", "token", "/etc/mcp/sixth"),),
    trigger=Trigger("sum(rate(sixth_jobs_total[1m]))", 10),
    slo=Slo(p95_seconds=2, p99_seconds=4),
)


def test_the_platform_has_its_five_services_and_an_example_apart() -> None:
    names = {one.name for one in CATALOG if not one.example}
    assert names == {"mcp-gateway", "mcp-orchestrator-api", "mcp-policy-proxy", "mcp-config", "mcp-tracehub"}
    assert [one.name for one in CATALOG if one.example] == ["mcp-example-tools"]


def test_one_more_entry_is_one_more_service_with_everything_that_a_service_has() -> None:
    services = resolve(SETTINGS, catalog=(*CATALOG, SIXTH))
    objects = service_objects(services[-1])
    assert {one["kind"] for one in objects} == {
        "Deployment",
        "Service",
        "ServiceAccount",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ScaledObject",
        "ServiceMonitor",
        "ExternalSecret",
    }
    (container,) = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == SIXTH.image
    assert container["ports"][0]["containerPort"] == 7000
    assert {"name": "PORT", "value": "7000"} in container["env"]


def test_one_more_entry_is_delivered_watched_and_given_its_secret_without_another_line() -> None:
    catalog = (*CATALOG, SIXTH)
    services = resolve(SETTINGS, catalog=catalog)
    files = manifest_files(services, SETTINGS.gitops)
    assert {"mcp-sixth/deployment.yaml", "root/application-mcp-sixth.yaml"} <= set(files)
    assert "mcp-sixth" in files["shared/prometheusrule-a1-objectives.yaml"]
    assert store_keys(catalog)["mcp-sixth"] == ("token",)


def test_a_caller_gets_out_to_the_port_of_the_service_that_it_calls() -> None:
    caller = dataclasses.replace(SIXTH, name="mcp-seventh", port=7001, calls=("mcp-sixth",))
    seventh = resolve(SETTINGS, catalog=(*CATALOG, SIXTH, caller))[-1]
    policies = [one["spec"] for one in service_objects(seventh) if one["kind"] == "NetworkPolicy"]
    assert [rule["ports"] for one in policies for rule in one.get("egress", [])] == [
        [{"protocol": "TCP", "port": 7000}]
    ]


def test_one_more_entry_changes_no_other_service_but_those_it_calls() -> None:
    before = {one.entry.name: service_objects(one) for one in resolve(SETTINGS)}
    after = {one.entry.name: service_objects(one) for one in resolve(SETTINGS, catalog=(*CATALOG, SIXTH))}
    assert {name for name, objects in before.items() if after[name] != objects} == {CONFIG}


def test_a_call_to_no_service_is_refused_with_the_caller_and_the_name() -> None:
    wrong = dataclasses.replace(SIXTH, calls=("mcp-nowhere",))
    with pytest.raises(
        ValueError, match=r"^catalog\.mcp-sixth\.calls: found mcp-nowhere, expected a service"
    ):
        resolve(SETTINGS, catalog=(*CATALOG, wrong))


@pytest.mark.parametrize("name", ["Mcp_Sixth", "mcp-gateway", "6th", "shared", "root", "m" * 59])
def test_a_name_that_no_service_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^catalog\.{name}: found "):
        resolve(SETTINGS, catalog=(*CATALOG, dataclasses.replace(SIXTH, name=name)))


@pytest.mark.parametrize("name", ["mcp-gateway-pods", "mcp-gateway-egress"])
def test_a_name_that_another_service_needs_for_an_object_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^catalog\.mcp-gateway: found {name} too"):
        resolve(SETTINGS, catalog=(*CATALOG, dataclasses.replace(SIXTH, name=name)))


def test_the_longest_name_leaves_room_for_that_of_its_headless_service() -> None:
    longest = dataclasses.replace(SIXTH, name="m" * 58)
    objects = service_objects(resolve(SETTINGS, catalog=(*CATALOG, longest))[-1])
    assert max(len(one["metadata"]["name"]) for one in objects if one["kind"] == "Service") == 63


TOKEN = SIXTH.secrets[0]
SMALL, STANDARD = SIXTH.sizes[Profile.SMALL], SIXTH.sizes[Profile.STANDARD]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"secrets": (TOKEN, TOKEN)}, ".secrets: found token twice, expected one file of this key"),
        (
            {"secrets": (TOKEN, SecretFile("mcp-other", "token", "/etc/mcp/other"))},
            ".secrets: found token twice, expected one file of this key",
        ),
        (
            {"secrets": (TOKEN, SecretFile("mcp-other", "key", "/etc/other/sixth"))},
            ".secrets: found /etc/mcp/sixth and /etc/other/sixth, expected folders with different last steps",
        ),
        (
            {"secrets": (dataclasses.replace(TOKEN, folder="/etc/mcp/Sixth_"),)},
            ".secrets: found /etc/mcp/Sixth_, expected a folder whose last step is a DNS label",
        ),
        (
            {"documents": "/etc/mcp/sixth"},
            ".secrets: found /etc/mcp/sixth, expected a folder where nothing else is mounted",
        ),
        ({"sizes": {Profile.SMALL: SMALL}}, ".sizes: found no standard, expected a size for each profile"),
        (
            {
                "sizes": {
                    Profile.SMALL: dataclasses.replace(SMALL, cpu_limit_milli=1),
                    Profile.STANDARD: STANDARD,
                }
            },
            ".sizes.small: found a CPU limit of 1, expected at least the request, 80",
        ),
        (
            {
                "sizes": {
                    Profile.SMALL: SMALL,
                    Profile.STANDARD: dataclasses.replace(STANDARD, memory_limit_mib=9),
                }
            },
            ".sizes.standard: found a memory limit of 9, expected at least the request, 256",
        ),
    ],
)
def test_what_no_pod_can_be_made_of_is_refused_with_the_entry(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"catalog.mcp-sixth{told}")):
        resolve(SETTINGS, catalog=(*CATALOG, dataclasses.replace(SIXTH, **change)))


def test_a_pull_secret_of_a_services_own_name_is_refused() -> None:
    told = r"^services\.pullSecret: found mcp-gateway, expected another name: this is the Secret of a service"
    with pytest.raises(ValueError, match=told):
        resolve(ServicesSettings(pull_secret=GATEWAY))


POLICY = Path(__file__).parents[3] / "policies/container-resources/constraint.yaml"
RATIO = yaml.safe_load(POLICY.read_text())["spec"]["parameters"]["maxRatio"]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_smallest_override_keeps_the_limit_within_what_our_own_policy_admits(
    entry: CatalogEntry, profile: Profile
) -> None:
    override = {entry.name: {"memoryMib": 32, "cpuMilli": 1}}
    services = resolve(ServicesSettings.model_validate({"profile": profile, "overrides": override}))
    (size,) = [one.size for one in services if one.entry.name == entry.name]
    assert (size.memory_mib, size.cpu_milli) == (32, 1)
    assert 32 <= size.memory_limit_mib <= 32 * RATIO["memory"]
    assert 1 <= size.cpu_limit_milli <= RATIO["cpu"]


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_an_override_that_is_no_other_size_changes_no_limit(entry: CatalogEntry) -> None:
    size = entry.sizes[Profile.SMALL]
    override = {entry.name: {"memoryMib": size.memory_mib}}
    services = resolve(ServicesSettings.model_validate({"overrides": override}))
    assert [one.size for one in services if one.entry.name == entry.name] == [size]


def test_an_override_of_no_service_is_refused_with_its_key() -> None:
    settings = ServicesSettings.model_validate({"overrides": {"mcp-gatewya": {"minReplicas": 3}}})
    told = (
        r"^services\.overrides\.mcp-gatewya: found no service of this name, expected mcp-gateway, or another"
    )
    with pytest.raises(ValueError, match=told):
        resolve(settings)


def test_an_override_with_min_above_the_shared_max_is_refused_with_its_key() -> None:
    settings = ServicesSettings.model_validate({"overrides": {GATEWAY: {"minReplicas": 11}}})
    told = (
        r"^services\.overrides\.mcp-gateway\.minReplicas: found 11, expected at most services\.maxReplicas, "
    )
    with pytest.raises(ValueError, match=told):
        resolve(settings)


def test_an_override_with_max_below_the_shared_min_is_refused_with_its_key() -> None:
    settings = ServicesSettings.model_validate({"overrides": {GATEWAY: {"maxReplicas": 1}}})
    told = (
        r"^services\.overrides\.mcp-gateway\.maxReplicas: found 1, expected at least services\.minReplicas, "
    )
    with pytest.raises(ValueError, match=told):
        resolve(settings)


def test_all_that_is_wrong_with_overrides_is_told_at_once() -> None:
    overrides = {"mcp-nowhere": {}, GATEWAY: {"minReplicas": 11}, CONFIG: {"maxReplicas": 1}}
    with pytest.raises(ValueError, match="mcp-nowhere") as refused:
        resolve(ServicesSettings.model_validate({"overrides": overrides}))
    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()] == [
        "services.overrides.mcp-nowhere",
        "services.overrides.mcp-gateway.minReplicas",
        "services.overrides.mcp-config.maxReplicas",
    ]


@pytest.mark.parametrize(
    ("port", "why"),
    [(9090, "found 9090, expected another: probes and metrics"), (80, "found 80, expected one from 1024")],
)
def test_a_port_that_is_taken_or_privileged_is_refused_with_the_entry(port: int, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^catalog\.mcp-sixth\.port: {why}"):
        resolve(SETTINGS, catalog=(*CATALOG, dataclasses.replace(SIXTH, port=port)))


def test_an_entry_with_an_image_that_changes_by_itself_is_refused() -> None:
    wrong = dataclasses.replace(SIXTH, image="registry.example.com/sixth:1.0.0")
    with pytest.raises(ValueError, match=r"^catalog\.mcp-sixth\.image: found .* without a digest"):
        resolve(SETTINGS, catalog=(*CATALOG, wrong))


def test_an_override_reaches_its_service_and_no_other() -> None:
    override = {"minReplicas": 3, "cpuMilli": 50, "image": f"registry.example.com:5000/mcp{DIGEST}"}
    services = resolve(ServicesSettings.model_validate({"overrides": {GATEWAY: override}}))
    gateway, other = services[0], services[1]
    assert (gateway.autoscaling.min_replicas, gateway.size.cpu_milli) == (3, 50)
    assert gateway.image == override["image"]
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


def test_requests_in_flight_ask_for_pods_before_the_chain_is_at_its_limit_and_not_at_fifty_a_second() -> None:
    # Of docs/measurements.md: the connections at the limit, and P95 at 50 calls a second.
    at_the_limit, seconds = 32, 0.040
    scaled = {
        one.name: one.trigger.per_pod for one in CATALOG if one.trigger and "inflight" in one.trigger.query
    }
    # Not mcp-config, where long polls are in flight, nor mcp-tracehub, where nothing waits.
    assert scaled.keys() == MILLI_PER_CALL.keys()
    for per_pod in scaled.values():
        assert 50 * seconds < 2 * per_pod * AUTOSCALER_TOLERANCE < at_the_limit
        assert per_pod < Limits().share


def test_spans_ask_for_a_pod_before_cpu_in_the_standard_profile_and_after_it_in_the_small_one() -> None:
    # Of docs/services.md: of 3.6 ms of CPU a call mcp-tracehub takes 3 %, for four spans.
    milli_per_span = 3.6 * 0.03 / 4
    by_profile = {
        profile: next(one for one in resolve(ServicesSettings(profile=profile)) if one.entry.name == TRACEHUB)
        for profile in Profile
    }
    before_cpu = {}
    for profile, one in by_profile.items():
        assert one.entry.trigger
        used = one.entry.trigger.per_pod * milli_per_span * AUTOSCALER_TOLERANCE
        assert used < one.size.cpu_limit_milli / 4
        before_cpu[profile] = used < one.size.cpu_milli * one.autoscaling.cpu_percent / 100
    assert before_cpu == {Profile.SMALL: False, Profile.STANDARD: True}


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


@pytest.mark.parametrize("profile", list(Profile))
def test_a_pod_has_memory_for_what_it_takes_at_rest_and_for_all_bodies_that_it_may_hold(
    profile: Profile,
) -> None:
    # At rest as docs/services.md has it; beside it what tracehub stores and queues, and the orchestrator's
    # finished runs. A body may take more than it is charged with: services/tests/test_room.py.
    at_rest = {GATEWAY: 99, "mcp-policy-proxy": 99, ORCHESTRATOR: 105, CONFIG: 75, TRACEHUB: 57}
    beside = {TRACEHUB: 48 + 16, ORCHESTRATOR: 32}
    for entry in (one for one in CATALOG if not one.example):
        bodies = int(entry.environment.get("BODY_MEMORY_BYTES", MOST_BYTES)) / 2**20 / 0.7
        needed = at_rest[entry.name] + beside.get(entry.name, 0) + bodies
        assert needed <= entry.sizes[profile].memory_limit_mib, entry.name
