"""A machine that no sandbox can be made on is told apart from a sandbox that fails to be made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a1platform.bundle import BundleError
from sandbox import prepare as module
from sandbox.apt import AptError
from sandbox.cache import Cache
from sandbox.engine import EngineError
from sandbox.fitness import UnfitError, require_debian
from sandbox.k3s_source import K3sSource
from sandbox.prepare import prepare, require_fit
from tests.sandbox.conftest import pytest_runtest_setup

_DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
_FEDORA = 'PRETTY_NAME="Fedora Linux 40"\nID=fedora\nVERSION_ID=40\n'
_TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n'


@pytest.mark.parametrize(
    ("release", "found"),
    [(_FEDORA, "Fedora Linux 40"), (_TRIXIE, r"13 \(trixie\)"), ("", "no /etc/os-release")],
)
def test_another_distribution_is_told_by_name(tmp_path: Path, release: str, found: str) -> None:
    file = tmp_path / "os-release"
    if release:
        file.write_text(release)
    with pytest.raises(UnfitError, match=rf"found .*{found}, expected Debian 12"):
        require_debian(file)


def test_debian_12_is_fit(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(_DEBIAN)
    require_debian(tmp_path / "os-release")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What `prepare` makes, on a machine that is fit and where nothing is there yet."""
    done: list[str] = []

    def notes(what: str, given: object = None) -> Callable[..., object]:
        def note(*_: object) -> object:
            done.append(what)
            return given

        return note

    for name, given in (
        ("ensure", None),
        ("build", None),
        ("ensure_compiler", None),
        ("ensure_git", None),
        ("ensure_root", None),
        ("k3s_source", K3sSource(tmp_path, "built")),
        ("make_bundle", tmp_path),
        ("add_k3s", None),
    ):
        monkeypatch.setattr(module, name, notes(name, given))
    monkeypatch.setattr(module, "ready_parts", lambda *_: ([], ["system"]))
    monkeypatch.setattr(module, "held_k3s", lambda _: None)
    monkeypatch.setattr(module, "require_debian", lambda: None)
    monkeypatch.setattr(module, "require_engine", lambda _: None)
    monkeypatch.setattr(module, "require_image", lambda _: None)
    monkeypatch.setattr(module, "remove_leftovers", lambda *_: None)
    return done


def _raises(error: Exception) -> Callable[..., object]:
    def fails(*_: object) -> object:
        raise error

    return fails


@pytest.mark.parametrize("lacking", ["require_debian", "require_engine", "require_image"])
def test_tests_that_need_no_sandbox_run_where_none_can_be_made(
    lacking: str, made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, lacking, _raises(UnfitError("found Fedora Linux 40")))
    said: list[str] = []
    prepare(Cache(tmp_path), said.append)
    assert made == ["ensure", "build", "build"]
    assert said == ["no sandbox can be made here, and tests that need one are skipped: found Fedora Linux 40"]


@pytest.mark.parametrize(
    "name", ["ensure_git", "ensure_compiler", "ensure_root", "k3s_source", "make_bundle"]
)
@pytest.mark.parametrize("error", [AptError("no such package"), EngineError("it broke"), RuntimeError("bug")])
@pytest.mark.usefixtures("made")
def test_what_breaks_where_it_can_be_made_keeps_the_tests_from_beginning(
    name: str, error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, name, _raises(error))
    with pytest.raises(type(error), match=str(error)):
        prepare(Cache(tmp_path), lambda _: None)


def test_what_is_there_already_is_taken_on_any_distribution(
    made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ready_parts", lambda *_: (["system"], []))
    monkeypatch.setattr(module, "held_k3s", lambda _: K3sSource(tmp_path, "built"))
    monkeypatch.setattr(module, "require_debian", _raises(UnfitError("found Fedora Linux 40")))
    prepare(Cache(tmp_path), lambda _: None)
    of_nodes = ["ensure_git", "k3s_source", "make_bundle", "add_k3s"]
    assert made == ["ensure", "build", "build", *of_nodes, "make_bundle"]


@pytest.mark.usefixtures("made")
def test_nothing_has_to_be_made_for_parts_that_nobody_wants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ready(_: Cache, parts: list[str] | None = None) -> tuple[list[str], list[str]]:
        return ["keda"], [] if parts == ["keda"] else ["system"]

    monkeypatch.setattr(module, "ready_parts", ready)
    monkeypatch.setattr(module, "held_k3s", lambda _: K3sSource(tmp_path, "built"))
    monkeypatch.setattr(module, "require_debian", _raises(UnfitError("found Fedora Linux 40")))
    assert require_fit(Cache(tmp_path), ["keda"]) == (["keda"], [])
    with pytest.raises(UnfitError, match="found Fedora Linux 40"):
        require_fit(Cache(tmp_path))


@pytest.mark.usefixtures("made")
def test_another_distribution_is_told_before_a_lack_of_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ready_parts", _raises(BundleError("about 7.0 GiB of disk are needed")))
    monkeypatch.setattr(module, "require_debian", _raises(UnfitError("found Fedora Linux 40")))
    with pytest.raises(UnfitError, match="found Fedora Linux 40"):
        require_fit(Cache(tmp_path))


def test_a_test_is_skipped_with_the_reason_on_an_unfit_machine_only() -> None:
    setup = pytest_runtest_setup()
    next(setup)
    with pytest.raises(pytest.skip.Exception, match="found Fedora Linux 40"):
        setup.throw(UnfitError("found Fedora Linux 40"))
    setup = pytest_runtest_setup()
    next(setup)
    with pytest.raises(EngineError, match="docker start failed"):
        setup.throw(EngineError("docker start failed"))
