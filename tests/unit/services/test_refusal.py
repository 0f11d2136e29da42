"""What the configuration cannot mean is refused before a machine is touched, with its key."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from a1platform.naming import PROJECT
from a1platform.services.capacity import Room, Taken
from a1platform.services.catalog import CATALOG
from a1platform.services.model import SecretFile
from a1platform.services.refusal import service_problems
from a1platform.settings.load import SettingsError, parse
from a1platform.settings.model import A1Settings
from a1platform.settings.node import NodeSettings
from a1platform.settings.together import Right
from sandbox.stack_settings import stack_settings

HEAD = "the configuration is refused:\n  a1platform:services."


def _refused(values: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(values, service_problems)
    assert str(caught.value).startswith(HEAD)
    return str(caught.value).removeprefix(HEAD)


@pytest.mark.parametrize("profile", ["small", "standard"])
def test_the_defaults_fit_the_machine_that_the_preflight_asks_for(profile: str) -> None:
    parse({"services": {"profile": profile}}, service_problems)


def test_a_sandbox_on_two_cores_has_room_for_the_services() -> None:
    config = stack_settings([])["config"]
    config[f"{PROJECT}:preflight"] |= {"vcpus": 2, "memoryMib": 7000}
    parse({key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}, service_problems)


@pytest.mark.parametrize(
    ("services", "line"),
    [
        (
            {"overrides": {"mcp-gateway": {"cpuMilli": 9000}}},
            "overrides.mcp-gateway.cpuMilli: found 9000, expected at most 8000, a node by preflight.vcpus",
        ),
        (
            {"overrides": {"mcp-gateway": {"memoryMib": 20000}}},
            "overrides.mcp-gateway.memoryMib: found 20000, expected at most 15000, a node by preflight.m",
        ),
        (
            {"minReplicas": 9},
            "minReplicas: found pods 55 for the fewest pods of all services and one in a rolling up",
        ),
        (
            {"overrides": {"mcp-config": {"cpuMilli": 5000}}},
            "minReplicas: found cpuMilli 15820 for the fewest pods of all services and one in a rolling up",
        ),
        (
            {"overrides": {"mcp-confg": {}}},
            "overrides.mcp-confg: found no service of this name, expected mcp-config, or another of ",
        ),
        (
            {"auth": {"jwksUrl": "https://id.example.org/certs"}},
            "auth.jwksUrl: found https://id.example.org/certs, expected services.overrides.mcp-gateway.egr",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_key_what_was_found_and_what_is_expected(
    services: dict[str, Any], line: str
) -> None:
    assert _refused({"services": services}).startswith(line)


def test_what_the_parts_and_k3s_take_is_no_room_for_the_services() -> None:
    two_cores: dict[str, Any] = {"preflight": {"vcpus": 2}}
    parse(two_cores, service_problems)
    services: dict[str, Any] = {"overrides": {"mcp-gateway": {"cpuMilli": 300}}}
    assert _refused({**two_cores, "services": services}) == (
        "minReplicas: found cpuMilli 1620 for the fewest pods of all services and one in a rolling update, "
        "expected at most 1310: preflight.vcpus of 1 node, less 690 for the parts and K3s"
    )
    few: dict[str, Any] = {
        part: {"enabled": False} for part in ("argoCd", "gatekeeper", "keda", "monitoring")
    }
    parse({**two_cores, "platform": few, "services": services}, service_problems)


def test_a_service_that_fits_but_could_not_be_changed_any_more_is_refused() -> None:
    services: dict[str, Any] = {"overrides": {"mcp-gateway": {"cpuMilli": 280}}}
    told = _refused({"preflight": {"vcpus": 2}, "services": services})
    assert told.startswith("minReplicas: found cpuMilli 1560 for the fewest pods")


def test_a_catalog_that_contradicts_itself_is_told_and_nothing_is_reckoned_from_it() -> None:
    wrong = dataclasses.replace(CATALOG[3], name="mcp-sixth", port=9090, calls=("mcp-nobody",))
    settings = A1Settings.model_validate({"services": {"overrides": {"mcp-confg": {}}}})
    told = service_problems(Right(settings), (*CATALOG, wrong))
    assert [line.split(":")[0] for line in told] == ["catalog.mcp-sixth.port", "catalog.mcp-sixth.calls"]


def test_a_machine_that_is_lost_has_no_room() -> None:
    said: list[dict[str, Any]] = [{"is_gone": True}, {"is_gone": False}]
    nodes = [NodeSettings.model_construct(**one) for one in said]
    assert Room.of(A1Settings().model_copy(update={"nodes": nodes}), Taken()).nodes == 1


def test_a_profile_too_large_for_a_node_is_told_with_the_service() -> None:
    told = _refused({"services": {"profile": "standard"}, "preflight": {"memoryMib": 512, "vcpus": 1}})
    assert "services.minReplicas: found memoryMib" in f"services.{told}"


def test_a_registry_that_the_store_has_nothing_for_is_refused_with_the_missing_key() -> None:
    told = _refused({"services": {"pullSecret": "mcp-registry"}})
    assert told.startswith(
        "pullSecret: found mcp-registry, expected platform.externalSecrets.secrets.mcp-reg"
    )
    held: dict[str, Any] = {"externalSecrets": {"secrets": {"mcp-registry": {"dockerconfigjson": "{}"}}}}
    parse({"services": {"pullSecret": "mcp-registry"}, "platform": held}, service_problems)
    own: dict[str, Any] = {"externalSecrets": {"provider": {"vault": {}}}}
    parse({"services": {"pullSecret": "mcp-registry"}, "platform": own}, service_problems)


def _sixth_problems(**store: object) -> list[str]:
    token = SecretFile("mcp-sixth", "token", "/etc/mcp/sixth")
    entry = dataclasses.replace(CATALOG[3], name="mcp-sixth", secrets=(token,))
    settings = A1Settings.model_validate({"platform": {"externalSecrets": store}})
    return service_problems(Right(settings), (*CATALOG, entry))


def test_a_secret_that_a_new_entry_mounts_and_nobody_gives_is_refused_with_the_missing_key() -> None:
    lacks = (
        "platform.externalSecrets.secrets.mcp-sixth.token: found nothing, expected a value, as "
        "catalog.mcp-sixth mounts it, or another store"
    )
    assert _sixth_problems() == [lacks]
    assert _sixth_problems(secrets={"mcp-sixth": {"other": "x"}}) == [lacks]
    assert _sixth_problems(secrets={"mcp-sixth": {"token": "x"}}) == []
    assert _sixth_problems(provider={"vault": {}}) == []
    assert _sixth_problems(enabled=False) == []


ARGO_CD: dict[str, Any] = {"delivery": "argocd", "gitops": {"repoUrl": "https://git.example.com/a1.git"}}
OFF: dict[str, Any] = {"argoCd": {"enabled": False}}


def _bundle(folder: Path, *parts: str, **left_out: str) -> dict[str, Any]:
    chart = {"path": "charts/one", "version": "1.0.0", "sha256": "0" * 64}
    listed = {name: {"origin": "a test", "images": [], "chart": chart} for name in parts}
    content = {"schema": 1, "parts": listed, "leftOut": left_out}
    (folder / "bundle.json").write_text(json.dumps(content))
    return {"bundle": str(folder), "k3s": {"releaseUrl": "https://mirror.example.com"}}


def test_delivery_by_an_argo_cd_that_is_switched_off_is_refused_with_the_key() -> None:
    parse({"services": ARGO_CD}, service_problems)
    told = _refused({"services": ARGO_CD, "platform": OFF})
    assert (
        told
        == "delivery: found argocd, expected pulumi, as argo-cd is left out: switched off in the settings"
    )


def test_delivery_by_an_argo_cd_that_the_bundle_lacks_is_refused_with_the_reason(tmp_path: Path) -> None:
    lacks = _bundle(tmp_path, "external-secrets", "mcp-services", **{"argo-cd": "it could not be built"})
    told = _refused({"services": ARGO_CD, **lacks})
    assert told == "delivery: found argocd, expected pulumi, as argo-cd is left out: it could not be built"
    holds = _bundle(tmp_path, "external-secrets", "mcp-services", "argo-cd")
    parse({"services": ARGO_CD, **holds}, service_problems)


def test_services_that_are_left_out_are_delivered_by_nobody(tmp_path: Path) -> None:
    parse({"services": {**ARGO_CD, "enabled": False}, "platform": OFF}, service_problems)
    parse({"services": ARGO_CD, **_bundle(tmp_path, "external-secrets")}, service_problems)


@pytest.mark.parametrize(
    "wrong",
    [{"platform": {"argoCd": {"enabled": "x"}}}, {"bundle": "nowhere"}, {"services": {"delivery": "x"}}],
)
def test_argo_cd_is_not_asked_for_by_a_key_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"services": ARGO_CD, "platform": OFF, **wrong}, service_problems)
    assert "as argo-cd is left out" not in str(caught.value)


def test_services_that_are_left_out_need_no_room() -> None:
    parse(
        {"services": {"minReplicas": 9}, "platform": {"externalSecrets": {"enabled": False}}},
        service_problems,
    )
    parse({"services": {"minReplicas": 9, "enabled": False}}, service_problems)


def test_everything_that_cannot_be_is_told_at_once() -> None:
    overrides = {"mcp-gateway": {"cpuMilli": 9000}, "mcp-config": {"memoryMib": 20000}}
    told = _refused({"services": {"overrides": overrides}})
    assert len(told.splitlines()) == 2


@pytest.mark.parametrize("wrong", [{"k3s": {"sha256": "x"}}, {"nodeIsGone": 1}, {"platform": {"keda": 1}}])
def test_it_is_told_together_with_what_is_wrong_elsewhere(wrong: dict[str, Any]) -> None:
    services: Any = {"overrides": {"mcp-gateway": {"cpuMilli": 9000}}}
    with pytest.raises(SettingsError) as caught:
        parse({**wrong, "services": services}, service_problems)
    assert len(str(caught.value).splitlines()) == 3
    assert "services.overrides.mcp-gateway.cpuMilli: found 9000, expected at most 8000" in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"preflight": {"vcpus": "x"}}, {"k3s": {"maxPods": "x"}}, {"services": {"profile": "x"}}]
)
def test_room_is_not_reckoned_with_a_number_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"services": {"minReplicas": 9}, **wrong}, service_problems)
    assert len(str(caught.value).splitlines()) == 2
