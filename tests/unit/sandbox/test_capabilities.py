"""A machine that withholds a capability runs nodes all the same, where it is one that can be done without."""

from pathlib import Path

import pytest

from sandbox.capabilities import missing_capabilities, missing_to_daemon, require_capabilities
from sandbox.engine import Engine
from sandbox.fitness import UnfitError
from sandbox.node import container

_OURS = Engine("docker", "unix:///run/ours.sock", "our own", ours=True)
_THERE = Engine("docker", "", "already here", ours=False)


@pytest.mark.parametrize(
    ("bounding", "missing"),
    [
        ("000001ffffffffff", ()),
        ("000001fffeffffff", ("SYS_RESOURCE",)),
        ("000001fffefffffe", ("CHOWN", "SYS_RESOURCE")),
    ],
)
def test_missing_capabilities_are_named_from_the_bounding_set(
    tmp_path: Path, bounding: str, missing: tuple[str, ...]
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapBnd:\t{bounding}\nCapAmb:\t0\n")
    assert missing_capabilities(status) == missing


def test_an_engine_that_was_there_before_is_asked_for_what_it_can_give(tmp_path: Path) -> None:
    for number, (name, bounding) in enumerate(
        (("bash", "0000000000000000"), ("dockerd", "000001fffeffffff")), start=1
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{name}\n")
        (tmp_path / str(number) / "status").write_text(f"CapBnd:\t{bounding}\n")
    assert missing_to_daemon(tmp_path) == ("SYS_RESOURCE",)
    (tmp_path / "2" / "comm").write_text("sshd\n")
    assert missing_to_daemon(tmp_path) == (), "it runs elsewhere, where we cannot see what is withheld"


def test_a_machine_without_what_no_node_runs_without_is_unfit() -> None:
    require_capabilities(("SYS_RESOURCE", "SYS_TIME"))
    with pytest.raises(UnfitError, match="withholds the capabilities NET_ADMIN and SYS_ADMIN"):
        require_capabilities(("SYS_ADMIN", "SYS_TIME", "NET_ADMIN"))


@pytest.mark.parametrize("engine", [_OURS, _THERE])
def test_a_node_is_privileged_only_where_the_engine_has_every_capability(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def withheld(names: tuple[str, ...]) -> None:
        monkeypatch.setattr(container, "missing_capabilities", lambda: names if engine.ours else ())
        monkeypatch.setattr(container, "missing_to_daemon", lambda: () if engine.ours else names)

    withheld(())
    assert container._privileges(engine) == ("--privileged",)
    withheld(("SYS_RESOURCE",))
    given = container._privileges(engine)
    assert given[:2] == ("--cap-add=ALL", "--cap-drop=SYS_RESOURCE")
    assert "--privileged" not in given
    withheld(("SYS_ADMIN",))
    with pytest.raises(UnfitError, match="SYS_ADMIN"):
        container._privileges(engine)
