"""Every part is one Helm release: its name, its pin, where it comes from, how it is awaited."""

from typing import Any

import pulumi
from pulumi.runtime import mocks

from a1platform.platform.chart import OFFICIAL
from a1platform.platform.component import PlatformArgs
from a1platform.platform.selection import OPTIONAL
from tests.components.conftest import Declared, Echo
from tests.components.platform.program import RELEASE, RELEASES, Declare, of_type, program, settings_of


def test_every_part_is_one_release_under_the_name_that_others_know(online: dict[str, Declared]) -> None:
    found = of_type(online, RELEASE)
    assert {name: (one.inputs["name"], one.inputs["namespace"]) for name, one in found.items()} == RELEASES


def test_each_release_is_at_its_pin_from_its_official_place(online: dict[str, Declared]) -> None:
    found = {(one.inputs["chart"], one.inputs["version"]) for one in of_type(online, RELEASE).values()}
    assert found == {
        (chart.source, chart.version) for name, chart in OFFICIAL.items() if name not in OPTIONAL
    }
    assert all(
        one.inputs["repositoryOpts"]["repo"].startswith("https://")
        for one in of_type(online, RELEASE).values()
    )


def test_a_release_is_awaited_for_a_limited_time_and_taken_back_when_it_fails(
    online: dict[str, Declared],
) -> None:
    for one in of_type(online, RELEASE).values():
        assert one.inputs["atomic"] is True
        assert one.inputs["skipAwait"] is False
        assert 0 < one.inputs["timeout"] <= 900
        assert one.inputs["createNamespace"] is False


def test_a_part_may_take_as_long_as_its_settings_say(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(settings_of(keda={"timeout": 90}))))
    seconds = {name: one.inputs["timeout"] for name, one in of_type(declared, RELEASE).items()}
    assert seconds == dict.fromkeys(RELEASES, 600) | {"platform-keda-release": 90}


def test_a_mirror_takes_the_place_of_the_official_repository(declare: Declare) -> None:
    settings = settings_of(keda={"repository": "https://charts.example.com"})
    declared = declare(program(PlatformArgs(settings)))
    assert declared["platform-keda-release"].inputs["repositoryOpts"] == {
        "repo": "https://charts.example.com"
    }


def test_a_registry_takes_the_place_of_the_official_repository_by_the_charts_whole_name(
    declare: Declare,
) -> None:
    # With a repository beside it the provider looks for an index, which no registry has.
    settings = settings_of(keda={"repository": "oci://registry.example.com/charts/"})
    declared = declare(program(PlatformArgs(settings)))
    keda = declared["platform-keda-release"].inputs
    assert keda["chart"] == "oci://registry.example.com/charts/keda"
    assert "repositoryOpts" not in keda
    assert keda["version"] == OFFICIAL["keda"].version


def test_a_preview_shows_every_release(declare: Declare) -> None:
    assert set(of_type(declare(program(PlatformArgs()), preview=True), RELEASE)) == set(RELEASES)


class NotThere(Echo):
    """A stack that is not there yet: in its preview nothing has an identity."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        """Answer a registration."""
        return "", super().new_resource(args)[1]


def test_a_preview_of_what_is_not_there_leaves_no_release_known_whole_and_so_downloads_no_chart(
    declare: Declare,
) -> None:
    # The provider fetches the chart of each release of which it knows every input.
    declared = declare(program(PlatformArgs()), preview=True, answers=NotThere())
    told = {name: one.inputs["description"] for name, one in of_type(declared, RELEASE).items()}
    assert set(told) == set(RELEASES)
    assert all(isinstance(text, pulumi.output.Unknown) for text in told.values())
    later = of_type(declare(program(PlatformArgs()), preview=True), RELEASE)
    assert all(one.inputs["description"].startswith("a1platform: chart ") for one in later.values())


def test_a_null_among_the_values_takes_the_charts_own_key_away(online: dict[str, Declared]) -> None:
    # Else the provider leaves nulls out, and Helm sees none.
    assert all(one.inputs["allowNullValues"] is True for one in of_type(online, RELEASE).values())


def test_everything_goes_with_the_cluster_and_through_its_provider(online: dict[str, Declared]) -> None:
    # The engine hands `deletedWith` down from a component to its children.
    assert online["platform"].deleted_with == "k3s"
    for one in online.values():
        if one.type.startswith("kubernetes:"):
            assert "::cluster::" in one.provider
            ancestor = one
            while ancestor.name != "platform":
                ancestor = online[ancestor.parent]
