"""What `a1 init` writes, and what it refuses to write over."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from a1platform.cli import init as init_module
from a1platform.cli.main import app
from a1platform.cli.stack_file import StackFile
from a1platform.node.facts import HostFacts
from a1platform.settings.node import fingerprint
from tests.unit.node.conftest import HOST_KEY, facts

OTHER_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"o" * 32).decode()


class _Place:
    """A clone with a configuration, a home with a key, and hosts that show keys."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "Pulumi.a1.yaml"
        self.shown: dict[str, str] = {}
        self.asked: list[str] = []
        self.memory = "6000"
        self.said = ""

    def host_key(self, host: str, port: int, preferred: str = "ssh-ed25519") -> str:
        assert preferred == "ssh-ed25519"
        self.asked.append(f"{host}:{port}")
        return self.shown.get(host, HOST_KEY)

    def facts(self, *_: object) -> HostFacts:
        return facts(memory_mib=self.memory)

    def init(self, *words: str, answer: str = "") -> int:
        folder = ("--folder", str(self.file.parent))
        done = CliRunner().invoke(app, ["init", *words, *folder], input=answer)
        self.said = done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code

    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self.config()["a1platform:nodes"]
        return nodes

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load(self.file.read_text())["config"]
        return config


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Place:
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True)
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    for name in ("id_ed25519", "id_other"):
        (ssh / name).write_bytes(text)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "Pulumi.yaml").write_text("name: a1platform\n")
    made = _Place(tmp_path)
    monkeypatch.setattr(init_module, "read_host_key", made.host_key)
    monkeypatch.setattr(init_module, "_preflight", made.facts)
    return made


def test_what_is_written_holds_for_whoever_reads_it(place: _Place) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    written = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": "~/.ssh/id_ed25519", "hostKey": HOST_KEY}
    assert place.nodes() == [written]


def test_a_home_that_the_shell_has_expanded_is_written_as_one(place: _Place) -> None:
    assert place.init("192.0.2.10", "--yes", "--key", str(Path.home() / ".ssh" / "id_other")) == 0
    assert place.nodes()[0]["privateKeyFile"] == "~/.ssh/id_other"


@pytest.mark.parametrize("text", ["config:\n", "config:\n  a1platform:nodes:\n", "", "# ours\nconfig: {}\n"])
def test_a_key_without_a_value_is_one_that_is_not_there(place: _Place, text: str) -> None:
    place.file.write_text(text)
    assert place.init("192.0.2.10", "--yes") == 0, place.said
    assert [node["host"] for node in place.nodes()] == ["192.0.2.10"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--key", "~/.ssh/nothing"), "privateKeyFile: found '~/.ssh/nothing' (No such file or directory)"),
        (("--user", "Ops Team"), "user: found 'Ops Team'"),
        (("--port", "0"), "port: found 0"),
        (("--role", "worker"), "role: found 'worker', expected 'server' or 'agent'"),
        (("--role", "agent"), "found 0 nodes with role 'server'"),
        (("--name", "A_1"), "name: found 'A_1'"),
    ],
)
def test_options_are_checked_before_any_host_is_asked(
    place: _Place, words: tuple[str, ...], line: str
) -> None:
    assert place.init("192.0.2.10", "--yes", *words) == 1
    assert line in place.said
    assert place.asked == []
    assert not place.file.exists()


def test_a_folder_that_make_up_does_not_read_gets_no_configuration(place: _Place) -> None:
    (place.file.parent / "Pulumi.yaml").unlink()
    assert place.init("192.0.2.10", "--yes") == 1
    assert f"found no Pulumi.yaml in {place.file.parent}, expected the clone, as" in place.said.replace(
        "\n", ""
    )
    assert place.asked == []
    assert not place.file.exists()


def test_what_provisions_another_stack_is_named(place: _Place) -> None:
    assert place.init("192.0.2.7", "--yes", "--stack", "other") == 0
    assert "`pulumi up --stack other`" in " ".join(place.said.split())


@pytest.mark.parametrize("stack", ["", "../other", ".hidden", "a b"])
def test_a_name_that_no_stack_has_is_refused_before_any_host_is_asked(place: _Place, stack: str) -> None:
    assert place.init("192.0.2.7", "--yes", "--stack", stack) == 1
    assert "--stack: found" in place.said
    assert place.asked == []


def test_a_damaged_key_is_told_before_any_host_is_asked(place: _Place) -> None:
    damaged = Path.home() / ".ssh" / "id_other"
    damaged.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    assert place.init("192.0.2.10", "--yes", "--key", "~/.ssh/id_other") == 1
    assert "privateKeyFile: found '~/.ssh/id_other', which is damaged" in place.said
    assert place.asked == []


@pytest.mark.parametrize("words", [("192.0.2.20",), ("192.0.2.10", "--port", "2222")])
def test_another_machine_takes_a_known_name_only_when_that_is_asked_for(
    place: _Place, words: tuple[str, ...]
) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    before = place.file.read_text()
    assert place.init(*words, "--yes") == 1
    assert "a1: found 192.0.2.10 port 22" in place.said
    assert "--replace" in place.said
    assert place.file.read_text() == before
    assert place.init(*words, "--yes", "--replace") == 0
    assert [node["host"] for node in place.nodes()] == [words[0]]


def test_nothing_of_the_replaced_machine_is_kept(place: _Place) -> None:
    own = {"address": "192.0.2.10", "user": "ops", "hostKey": OTHER_KEY, "privateKeyFile": "~/.ssh/id_other"}
    _write(place, [{"name": "a1", "host": "192.0.2.10", **own}])
    assert place.init("192.0.2.20", "--yes", "--replace") == 0
    written = {"name": "a1", "host": "192.0.2.20", "privateKeyFile": "~/.ssh/id_ed25519", "hostKey": HOST_KEY}
    assert place.nodes() == [{**written, "user": "root"}]


def _write(place: _Place, nodes: list[dict[str, Any]]) -> None:
    place.file.write_text(yaml.safe_dump({"config": {"a1platform:nodes": nodes}}))


def test_what_was_written_by_hand_stays_unless_an_option_says_otherwise(place: _Place) -> None:
    own = {"address": "10.0.0.10", "user": "ops", "port": 22, "role": "server"}
    by_hand = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": "~/.ssh/id_other", "hostKey": HOST_KEY}
    _write(place, [{**by_hand, **own}])
    place.file.write_text(f"# ours\n{place.file.read_text()}")
    assert place.init("192.0.2.10") == 0, place.said
    assert place.nodes() == [{**by_hand, **own}]
    assert place.file.read_text().startswith("# ours")
    assert place.init("192.0.2.10", "--user", "root") == 0
    assert place.nodes() == [{**by_hand, **own, "user": "root"}]


def test_a_host_that_shows_its_pinned_key_is_not_asked_about(place: _Place) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    assert place.init("192.0.2.10") == 0
    assert "shows its pinned key" in place.said


def _changed(place: _Place) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    place.shown["192.0.2.10"] = OTHER_KEY


def test_another_key_of_a_known_host_is_never_taken_unseen(place: _Place) -> None:
    _changed(place)
    assert place.init("192.0.2.10", "--yes") == 1
    assert fingerprint(HOST_KEY) in place.said
    assert fingerprint(OTHER_KEY) in place.said
    assert "--yes does not accept another key than the pinned one" in place.said
    assert place.init("192.0.2.10", "--yes", "--replace") == 1
    assert place.nodes()[0]["hostKey"] == HOST_KEY


@pytest.mark.parametrize(
    ("words", "answer", "status"),
    [
        ((), "y\n", 0),
        ((), "n\n", 1),
        (("--fingerprint", fingerprint(OTHER_KEY)), "", 0),
        (("--yes", "--fingerprint", fingerprint(OTHER_KEY)), "", 0),
        (("--fingerprint", fingerprint(HOST_KEY)), "", 1),
    ],
)
def test_another_key_of_a_known_host_is_pinned_by_a_person_or_a_fingerprint(
    place: _Place, words: tuple[str, ...], answer: str, status: int
) -> None:
    _changed(place)
    assert place.init("192.0.2.10", *words, answer=answer) == status
    assert place.nodes()[0]["hostKey"] == (HOST_KEY if status else OTHER_KEY)


def test_several_machines_are_written_with_addresses_and_keep_those_that_were_given(place: _Place) -> None:
    hosts = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    assert place.init(*hosts, "--yes") == 0, place.said
    assert [node["address"] for node in place.nodes()] == hosts
    _write(place, [{**node, "address": f"10.0.0.{index}"} for index, node in enumerate(place.nodes())])
    assert place.init(*hosts) == 0, place.said
    assert [node["address"] for node in place.nodes()] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_a_file_with_a_mistake_is_told_before_any_host_is_asked(place: _Place) -> None:
    place.file.write_text("config: {'a1platform:k3s': {maxPods: many}}")
    assert place.init("192.0.2.10", "--yes") == 1
    assert "a1platform:k3s.maxPods: found 'many'" in place.said
    assert place.asked == []


def test_a_first_machine_with_room_for_them_gets_the_larger_sizes_and_the_reason_is_told(
    place: _Place,
) -> None:
    place.memory = "15900"
    assert place.init("192.0.2.10", "--yes") == 0
    assert place.config()["a1platform:platform"] == {"profile": "standard"}
    assert "platform.profile: standard (memory in MiB: 15900, standard asks for" in _line(place)
    StackFile(place.file).check()


def test_a_first_machine_without_room_for_them_keeps_the_small_ones_and_the_reason_is_told(
    place: _Place,
) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    assert "a1platform:platform" not in place.config()
    assert "platform.profile: small (memory in MiB: 6000, standard asks for" in _line(place)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("{profile: small}", {"profile": "small"}),
        ("{profile: {secure: x}}", {"profile": {"secure": "x"}}),
        ("{keda: {enabled: false}} # ours", {"keda": {"enabled": False}, "profile": "standard"}),
        ('\'{"keda": {"replicas": 2}}\'', {"keda": {"replicas": 2}, "profile": "standard"}),
        ("", {"profile": "standard"}),
    ],
)
def test_sizes_that_somebody_has_said_stay_and_so_does_all_else(
    place: _Place, said: str, written: dict[str, Any]
) -> None:
    place.memory = "15900"
    place.file.write_text(f"config:\n  a1platform:platform: {said}\n")
    assert place.init("192.0.2.10", "--yes") == 0, place.said
    assert place.config()["a1platform:platform"] == written


def test_sizes_that_up_would_refuse_by_what_the_preflight_asks_for_are_not_written(place: _Place) -> None:
    place.memory = "64000"
    place.file.write_text("config: {'a1platform:preflight': {memoryMib: 8000}}\n")
    assert place.init("192.0.2.10", "--yes") == 0, place.said
    assert "a1platform:platform" not in place.config()
    why = "with standard it would be refused: a1platform:services.minReplicas: found memoryMib"
    assert f"platform.profile: small ({why}" in _line(place)


def test_a_further_machine_changes_no_sizes(place: _Place) -> None:
    assert place.init("192.0.2.10", "--yes") == 0
    place.memory = "64000"
    assert place.init("192.0.2.11", "--yes", "--name", "a2", "--role", "agent") == 0, place.said
    assert "a1platform:platform" not in place.config()
    assert "platform.profile" not in place.said


def _line(place: _Place) -> str:
    """Return what was said as one line, which the terminal's width has broken."""
    return " ".join(place.said.split())
