"""What a site keeps encrypted in the platform's settings, where it reaches a resource."""

import pytest

from a1platform.platform.chart_schema import ChartValuesError
from a1platform.platform.component import PlatformArgs
from tests.components.platform.program import RELEASE, Declare, bundle_of, of_type, program, settings_of

_STORE = "a1-cluster-store-clustersecretstore"
_PASSWORD = "of-the-mail-server"  # noqa: S105 - of a test
_SETTINGS = settings_of(
    monitoring={"values": {"grafana": {"smtp": {"password": _PASSWORD}}}},
    externalSecrets={"provider": {"webhook": {"url": "https://store.example.com", "token": _PASSWORD}}},
)


def test_a_sites_own_values_and_its_store_are_secret_where_the_settings_hold_a_secret(
    declare: Declare,
) -> None:
    declared = declare(program(PlatformArgs(_SETTINGS, secret=True)))
    releases = of_type(declared, RELEASE)
    assert all("values" in one.secrets for name, one in releases.items() if one.inputs["values"])
    values = releases["platform-monitoring-release"].inputs["values"]
    assert values["grafana"]["smtp"]["password"] == _PASSWORD
    assert values["fullnameOverride"] == "kps"
    store = declared[_STORE]
    assert store.inputs["spec"]["provider"]["webhook"]["token"] == _PASSWORD
    assert "spec" in store.secrets
    held = {name for name, one in declared.items() if _PASSWORD in str(one.inputs)}
    assert held == {"platform-monitoring-release", _STORE}


def test_settings_without_a_secret_are_shown_as_they_are(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(_SETTINGS)))
    assert not [name for name, one in of_type(declared, RELEASE).items() if "values" in one.secrets]
    assert "spec" not in declared[_STORE].secrets


def test_secret_values_that_a_bundled_chart_refuses_stop_a_preview_as_any_others(
    declare: Declare, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    bundle = bundle_of(folder, "keda")
    chart = folder / "charts" / "keda"
    chart.mkdir(parents=True)
    (chart / "values.schema.json").write_text('{"properties": {"replicaCount": {"type": "integer"}}}')
    settings = settings_of(keda={"values": {"replicaCount": _PASSWORD}})
    with pytest.raises(ChartValuesError) as refused:
        declare(program(PlatformArgs(settings, secret=True, bundle=bundle)), preview=True)
    assert _PASSWORD not in str(refused.value)
