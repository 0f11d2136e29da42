"""What this program needs of pulumi-command, asked of the stand-in and of the official one where it is.

`$A1_OFFICIAL_COMMAND_PLUGIN` names a binary of the official plugin where the toolchain has none.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from a1platform.versions import PULUMI_COMMAND
from sandbox.build.go import build
from sandbox.cache import Cache
from sandbox.node import Node
from sandbox.progress import to_terminal
from sandbox.recipes.pulumi_command import STAND_IN
from sandbox.toolchain import Toolchain, ensure
from tests.sandbox.stack import Stack

pytestmark = pytest.mark.sandbox

_BINARY = "pulumi-resource-command"
OTHER_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHWmxmSEXeGiYcoYi4nTbpCwf0KXA3nXqe/sGEVJRwYE"
_SETTINGS = """import pulumi
CONNECTION = {!r}
REMOTE = {{"connection": CONNECTION, "logging": "none"}}
COPY = {{"connection": CONNECTION, "source": pulumi.StringAsset("text")}}
"""
StackOf = Callable[..., Stack]


@pytest.fixture(scope="module")
def toolchain(cache: Cache) -> Toolchain:
    return ensure(cache, to_terminal)


@pytest.fixture(scope="module")
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node("command")


@pytest.fixture(scope="module", params=["stand-in", "official"])
def plugin(request: pytest.FixtureRequest, toolchain: Toolchain, cache: Cache) -> Path:
    if request.param == "stand-in":
        return build(STAND_IN, cache, to_terminal) / _BINARY
    if given := os.environ.get("A1_OFFICIAL_COMMAND_PLUGIN"):
        return Path(given)
    part = next(part for part in toolchain.parts if part.name == "command plugin")
    if part.stand_in:
        pytest.skip(f"the official command plugin {PULUMI_COMMAND} cannot be had here, only {part.origin}")
    return part.folder / _BINARY


@pytest.fixture(scope="module")
def environment(
    plugin: Path, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return an environment in which this plugin is the only one."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "plugins" / f"resource-command-v{PULUMI_COMMAND}"
    folder.mkdir(parents=True)
    shutil.copy2(plugin, folder / _BINARY)
    return replace(toolchain, home=home).environment(tmp_path_factory.mktemp("state"))


@pytest.fixture
def stack_of(environment: dict[str, str], node: Node, tmp_path: Path) -> StackOf:
    """Return a function that makes a stack whose connection may differ from the right one."""

    def make(**connection: object) -> Stack:
        right = {
            "host": node.address,
            "user": node.user,
            "private_key": node.private_key.read_text(),
            "host_key": node.host_key,
            "dial_error_limit": 1,
            "per_dial_timeout": 5,
        }
        given = {key: value for key, value in {**right, **connection}.items() if value is not None}
        settings = _SETTINGS.format(given)
        backend = tmp_path / "backend"
        backend.mkdir()
        own = {**environment, "PULUMI_BACKEND_URL": f"file://{backend}"}
        return Stack.make(tmp_path / "project", own, settings)

    return make


@pytest.fixture
def stack(stack_of: StackOf) -> Stack:
    return stack_of()


@pytest.fixture
def log() -> str:
    """Return the path of a file on the node that does not exist yet."""
    return f"/tmp/a1-{secrets.token_hex(4)}"  # noqa: S108 - on a node that the test has made


def on_node(node: Node, command: str) -> str:
    with node.connect() as client:
        _, stdout, _ = client.exec_command(command)
        return stdout.read().decode()


def logins(node: Node) -> int:
    """Count the logins so far, the one that asks among them."""
    # What sshd has said a moment ago is on its way; the journal is asked to take it in first.
    counted = "sudo journalctl --sync; sudo journalctl -u ssh -o cat | grep -c '^Accepted '"
    return int(on_node(node, counted))


def test_a_command_runs_on_creation_on_change_and_on_deletion_and_never_without_a_change(
    stack: Stack, node: Node, log: str
) -> None:
    stack.program(f"""
        remote.Command("it", create="echo created >>{log}", update="echo updated >>{log}",
                       delete="echo deleted >>{log}", **REMOTE)
    """)
    stack.up()
    stack.up("--expect-no-changes")
    assert on_node(node, f"cat {log}") == "created\n"
    stack.program(f"""
        remote.Command("it", create="echo created >>{log}", update="echo updated anew >>{log}",
                       delete="echo deleted >>{log}", **REMOTE)
    """)
    stack.up()
    assert on_node(node, f"cat {log}") == "created\nupdated anew\n"
    stack.destroy()
    assert on_node(node, f"cat {log}") == "created\nupdated anew\ndeleted\n"


def test_without_an_update_command_a_change_runs_the_create_command_and_the_output_follows(
    stack: Stack,
) -> None:
    for word in ("one", "two"):
        stack.program(f"""
            it = remote.Command("it", create="echo {word}; echo {word}-error >&2", **REMOTE)
            pulumi.export("stdout", it.stdout)
            pulumi.export("stderr", it.stderr)
        """)
        stack.up()
        assert stack.outputs() == {"stdout": word, "stderr": f"{word}-error"}


def test_without_a_delete_command_the_host_is_not_contacted_on_deletion(stack: Stack, node: Node) -> None:
    stack.program('remote.Command("it", create="true", **REMOTE)')
    stack.up()
    before = logins(node)
    stack.destroy()
    assert logins(node) - before == 1


def test_a_changed_trigger_creates_anew_first_and_then_runs_the_old_delete(
    stack: Stack, node: Node, log: str
) -> None:
    for trigger in ("a", "b"):
        stack.program(f"""
            remote.Command("it", create="echo created {trigger} >>{log}", update="echo updated >>{log}",
                           delete="echo deleted {trigger} >>{log}", triggers=["{trigger}"], **REMOTE)
        """)
        stack.up()
    assert on_node(node, f"cat {log}") == "created a\ncreated b\ndeleted a\n"


def test_a_preview_runs_nothing_and_does_not_contact_the_host(stack_of: StackOf) -> None:
    nowhere = stack_of(host="192.0.2.1")
    nowhere.program("""
        it = remote.Command("it", create="true", update="true", **REMOTE)
        local.Command("here", create=it.stdout.apply(lambda text: "touch made; " + text))
        remote.CopyToRemote("copy", **COPY, remote_path="x")
    """)
    done = nowhere.run("preview")
    assert done.status == 0, done.output
    assert not (nowhere.folder / "made").exists()


def test_standard_input_arrives_and_secrets_are_in_no_output_and_not_in_the_plain_state(
    stack: Stack, node: Node, log: str
) -> None:
    secret = secrets.token_hex(16)
    stack.program(f"""
        it = remote.Command("it", create="tee {log}", stdin=pulumi.Output.secret("{secret}"),
                            opts=pulumi.ResourceOptions(additional_secret_outputs=["stdout"]), **REMOTE)
        pulumi.export("stdout", it.stdout)
    """)
    done = stack.up()
    assert on_node(node, f"cat {log}") == secret
    assert stack.outputs() == {"stdout": secret}
    key_line = node.private_key.read_text().splitlines()[2]
    for text in (done.output, stack.state()):
        assert secret not in text
        assert key_line not in text


def test_delete_gets_the_standard_input_of_the_last_run(stack: Stack, node: Node, log: str) -> None:
    stack.program(f"""
        remote.Command("it", create="bash -s apply", delete="bash -s revert",
                       stdin='echo "$1" >>{log}', **REMOTE)
    """)
    stack.up()
    stack.destroy()
    assert on_node(node, f"cat {log}") == "apply\nrevert\n"


def test_a_variable_that_the_host_accepts_is_set_and_one_that_it_refuses_is_an_error_that_names_it(
    stack: Stack,
) -> None:
    program = 'it = remote.Command("it", create="echo $LC_A1", environment={{"{}": "here"}}, **REMOTE)\n'
    stack.program(program.format("LC_A1") + 'pulumi.export("stdout", it.stdout)')
    stack.up()
    assert stack.outputs() == {"stdout": "here"}
    stack.program(program.format("A1_REFUSED"))
    assert "A1_REFUSED" in stack.fail()


def test_another_host_key_is_refused_before_anyone_logs_in_and_no_secret_is_told(
    stack_of: StackOf, node: Node, log: str
) -> None:
    stack = stack_of(host_key=OTHER_HOST_KEY)
    stack.program(f"""
        remote.Command("it", create="touch {log}", stdin=pulumi.Output.secret("do not tell"), **REMOTE)
        remote.CopyToRemote("copy", **COPY, remote_path="{log}")
    """)
    before = logins(node)
    said = stack.fail()
    assert "host key mismatch" in said
    assert "do not tell" not in said
    assert node.private_key.read_text().splitlines()[2] not in said
    assert logins(node) - before == 1
    assert on_node(node, f"ls {log}; true") == ""


def test_a_host_that_refuses_the_port_fails_after_the_allowed_number_of_dials(stack_of: StackOf) -> None:
    stack = stack_of(port=1)
    stack.program('remote.Command("it", create="true", **REMOTE)')
    said = stack.fail()
    assert "connection refused" in said
    assert "failed attempts" in said


def test_a_command_that_fails_is_named_with_what_it_wrote_and_runs_again_in_the_next_run(
    stack: Stack, node: Node, log: str
) -> None:
    stack.program(f"""
        remote.Command("it", create="echo reason >&2; test -e {log}",
                       stdin=pulumi.Output.secret("do not tell"), **REMOTE)
    """)
    said = stack.fail()
    assert "reason" in said
    assert f"test -e {log}" in said
    assert "do not tell" not in said
    on_node(node, f"touch {log}")
    stack.up()


def test_an_operation_opens_one_connection(stack: Stack, node: Node) -> None:
    stack.program("""
        for number in range(3):
            remote.Command(f"it-{number}", create="true", **REMOTE)
        remote.CopyToRemote("copy", **COPY, remote_path="copied")
    """)
    before = logins(node)
    stack.up()
    assert logins(node) - before - 1 == 4


def test_a_key_with_a_passphrase_and_a_proxy_lead_to_the_host(stack_of: StackOf, node: Node) -> None:
    key = serialization.load_ssh_private_key(node.private_key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(b"opens"),
    )
    stack = stack_of(
        host="127.0.0.1",
        private_key=locked.decode(),
        private_key_password="opens",  # noqa: S106 - of the test's own copy
        proxy={
            "host": node.address,
            "user": node.user,
            "private_key": node.private_key.read_text(),
            "host_key": node.host_key,
            "dial_error_limit": 1,
        },
    )
    stack.program('pulumi.export("from", remote.Command("it", create="echo $SSH_CLIENT", **REMOTE).stdout)')
    stack.up()
    assert stack.outputs()["from"].startswith("127.0.0.1 ")


def test_a_file_a_text_and_a_folders_entries_are_copied_and_copied_again_only_when_changed(
    stack: Stack, node: Node, log: str
) -> None:
    stack.program(f"""
        for name, source, path in (
            ("file", pulumi.FileAsset("tree/one"), "{log}/file/one"),
            ("text", pulumi.StringAsset("words"), "{log}/text"),
            ("into", pulumi.FileArchive("tree/"), "{log}/into"),
            ("named", pulumi.FileArchive("tree"), "{log}/named"),
        ):
            remote.CopyToRemote(name, connection=CONNECTION, source=source, remote_path=path)
    """)
    (stack.folder / "tree" / "deep").mkdir(parents=True)
    (stack.folder / "tree" / "one").write_text("1")
    (stack.folder / "tree" / "deep" / "two").write_text("2")
    stack.up()
    listed = on_node(node, f"cd {log}; find . -type f | sort").split()
    assert listed == [
        "./file/one", "./into/deep/two", "./into/one", "./named/tree/deep/two", "./named/tree/one", "./text",
    ]  # fmt: skip
    (stack.folder / "tree" / "deep" / "two").write_text("2 anew")
    before = logins(node)
    stack.up()
    assert logins(node) - before - 1 == 2, "only the two copies of the folder"
    assert on_node(node, f"cat {log}/into/deep/two {log}/text {log}/file/one") == "2 anewwords1"
    stack.destroy()
    assert on_node(node, f"cat {log}/text") == "words"


def test_a_local_command_has_the_same_lifecycle_and_gets_its_last_output(stack: Stack) -> None:
    program = """
        it = local.Command("it", create="echo created; cat; touch made.txt", stdin="given", dir="{folder}",
                           update="echo was $PULUMI_COMMAND_STDOUT$WORD", delete="echo deleted >gone",
                           environment={{"WORD": "{word}"}}, asset_paths=["*.txt"],
                           add_previous_output_in_env={previous})
        pulumi.export("stdout", it.stdout)
        pulumi.export("assets", it.assets.apply(lambda assets: sorted(assets or {{}})))
    """
    for word, previous, said in (("a", "None", "created\ngiven"), ("b", "None", "was created givenb")):
        stack.program(program.format(word=word, previous=previous, folder=stack.folder))
        stack.up()
        assert stack.outputs()["stdout"] == said
    assert stack.outputs()["assets"] == ["made.txt"]
    stack.program(program.format(word="c", previous="False", folder=stack.folder))
    stack.up()
    assert stack.outputs()["stdout"] == "was c"
    stack.destroy()
    assert (stack.folder / "gone").read_text() == "deleted\n"


def test_the_stand_in_says_what_it_is(stack: Stack, plugin: Path, cache: Cache) -> None:
    if not plugin.is_relative_to(cache.root / "programs"):
        pytest.skip("this is the official plugin")
    stack.program('local.Command("it", create="true")')
    assert "stand-in" in stack.up().output
