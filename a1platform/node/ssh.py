"""The one wrapper round pulumi-command: how every script and file of this program reaches a host.

Its rules, each from a way in which the plugin goes wrong: the host key is required; nothing is streamed to
the log; output is secret and is not sent back to the host; the script travels on standard input, so that
neither an error nor a process list shows it; a changed script updates in place, never through `triggers`
(which would run the old `delete` after the new `create`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_command.remote import Command, ConnectionArgs, CopyToRemote, Logging

from a1platform.node.give_back import COPIES
from a1platform.node.known_asset import Source, known_asset
from a1platform.node.shell import guarded, runner
from a1platform.node.upload import Upload, render_install
from a1platform.settings.node import NodeSettings, private_key

_DIAL_TRIES = 3
_DIAL_SECONDS = 10
_SHORT = 16
_INPUTS = ("connection", "create", "update", "delete", "stdin", "logging", "addPreviousOutputInEnv")
"""Everything that a command is given here."""


def connection(node: NodeSettings) -> ConnectionArgs:
    """Return the plugin's connection to a node, its key secret and its host key pinned."""
    return ConnectionArgs(
        host=node.host,
        port=node.port,
        user=node.user,
        private_key=pulumi.Output.secret(_private_key(node)),
        host_key=node.host_key,
        dial_error_limit=_DIAL_TRIES,
        per_dial_timeout=_DIAL_SECONDS,
    )


def _private_key(node: NodeSettings) -> str:
    try:
        return private_key(node.private_key_file)
    except ValueError:
        # It connects to nothing, and whoever reviews a change has no key of the operator's.
        if pulumi.runtime.is_dry_run():
            return ""
        raise


def remote_script(  # noqa: PLR0913 - each is a choice of the caller
    name: str,
    node: NodeSettings,
    script: pulumi.Input[str],
    *,
    arguments: str = "",
    delete_arguments: str | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> Command:
    """Run an idempotent bash script as root on a node, now and whenever it changes.

    The plugin hands the script in its state to `delete` as well, so destroying runs the script that was last
    applied, with other arguments; no second script has to be kept anywhere.

    Args:
        name: Logical name.
        node: Where to run.
        script: Bash text; may hold secrets, as it is secret in state and never part of a command line.
        arguments: Words for the script, without secrets.
        delete_arguments: Words for the script when the resource is deleted; None leaves the host alone then.
        opts: Options of the resource.

    Returns:
        The command; `stdout` and `stderr` are secret.
    """
    text = pulumi.Output.from_input(script)
    return _command(
        name,
        node,
        _secret(text.apply(guarded)),
        create=text.apply(lambda value: f"{_call(node, arguments)} # {_short(value)}"),
        delete=None if delete_arguments is None else _call(node, delete_arguments),
        opts=opts,
    )


def _command(  # noqa: PLR0913 - what a command is made of
    name: str,
    node: NodeSettings,
    stdin: pulumi.Input[str],
    *,
    create: pulumi.Input[str] | None = None,
    delete: str | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> Command:
    """Declare a command; for a machine that is gone one that connects for nothing.

    What the state knows of that machine keeps its inputs, as any other would run it; what the state does not
    know has nothing to run. Deleting it forgets it.
    """
    own = pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
    if node.is_gone:
        forgotten = pulumi.ResourceOptions(ignore_changes=[*_INPUTS], retain_on_delete=True)
        own = pulumi.ResourceOptions.merge(own, forgotten)
    return Command(
        name,
        connection=connection(node),
        create=None if node.is_gone else create,
        update=None if node.is_gone else create,
        delete=None if node.is_gone else delete,
        stdin=None if node.is_gone else stdin,
        logging=Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, own),
    )


def on_delete(
    name: str, node: NodeSettings, script: str, *, opts: pulumi.ResourceOptions | None = None
) -> Command:
    """Run a bash script as root on a node when the resource is deleted; until then the node is left alone.

    Args:
        name: Logical name.
        node: Where to run.
        script: Bash text.
        opts: Options of the resource.
    """
    stdin = pulumi.Output.secret(guarded(script))
    return _command(name, node, stdin, delete=_call(node, ""), opts=opts)


def _secret(text: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.all(text, pulumi.Output.secret("")).apply("".join)


def _call(node: NodeSettings, arguments: str) -> str:
    return f"{runner(node.user)} {arguments}".rstrip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _short(text: str) -> str:
    return _digest(text)[:_SHORT]


def remote_files(  # noqa: PLR0913 - each is a choice of the caller
    name: str,
    node: NodeSettings,
    source: Path,
    uploads: Sequence[Upload],
    *,
    mark: pulumi.Input[str] = "",
    opts: pulumi.ResourceOptions | None = None,
) -> Command:
    """Copy a local file, or a folder's files, to a node and put them in place once their digests are right.

    Two SSH connections, however many files. The copy goes to the login user's home first, as SFTP has no
    sudo; it is gone once the files are in place.

    Args:
        name: Logical name.
        node: Where to copy to.
        source: An existing file or folder on this machine; everything in a folder is sent.
        uploads: What goes where; removed again on delete.
        mark: Another one copies and puts in place again; empty where nobody watches.
        opts: Options of both resources.

    Returns:
        The command that puts the files in place; depend on it.

    Raises:
        ValueError: The source does not exist, which the plugin would only find in the middle of a run.
    """
    if not source.exists():
        raise ValueError(f"upload {name}: found no '{source}', expected a file or folder")
    content = _digest(repr(sorted((u.source, u.sha256) for u in uploads)))
    marked = pulumi.Output.from_input(mark)
    staged = marked.apply(lambda value: f"{COPIES}/{name}-{_short(content + value)}")
    path = staged if source.is_dir() else pulumi.Output.concat(staged, "/", source.name)
    copies = _copies(name, node, known_asset(source, content), path, opts)
    return remote_script(
        name,
        node,
        pulumi.Output.all(staged, marked).apply(
            lambda found: render_install(name, found[0], uploads, node.user, mark=found[1])
        ),
        arguments="apply",
        delete_arguments="revert",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=copies)),
    )


def remote_copies(
    name: str,
    node: NodeSettings,
    files: Mapping[str, Path],
    *,
    opts: pulumi.ResourceOptions | None = None,
) -> list[CopyToRemote]:
    """Copy local files to the login user's home, each to a folder of its own; see `copied`.

    A connection for each file that the state does not know yet. They are opened one after the other: the
    plugin opens one per copy, and sshd turns away some of those that come at once.

    Args:
        name: Logical name; the folders begin with it.
        node: Where to copy to.
        files: Existing files on this machine, by their SHA-256.
        opts: Options of all resources.

    Returns:
        The copy that is there when all of them are; nothing for a machine that is gone.

    Raises:
        ValueError: A file does not exist, which the plugin would only find in the middle of a run.
    """
    last: list[CopyToRemote] = []
    for digest, file in files.items():
        if not file.is_file():
            raise ValueError(f"upload {name}: found no file '{file}', expected one")
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=last))
        path = copied(f"{COPIES}/{name}", digest, file)
        last = _copies(f"{name}-{digest[:_SHORT]}", node, known_asset(file, digest), path, after)
    return last


def copies_begin(name: str, node: NodeSettings) -> str:
    """Return what the absolute paths of the copies' folders begin with, as bash text; see `copied`.

    Args:
        name: Logical name of the copies.
        node: Where they are.
    """
    return f"$(getent passwd {node.user} | cut -d: -f6)/{COPIES}/{name}"


def copied(begin: str, digest: str, file: Path) -> str:
    """Return where the copy of a file is: in a folder of its own, so that it outlives a change of the others.

    Args:
        begin: What the folders' paths begin with.
        digest: The file's SHA-256.
        file: The file on this machine.
    """
    return f"{begin}-{digest[:_SHORT]}/{file.name}"


def _copies(
    name: str,
    node: NodeSettings,
    source: Source,
    path: pulumi.Input[str],
    opts: pulumi.ResourceOptions | None,
) -> list[CopyToRemote]:
    """Declare the copy of a file or folder; none for a machine that is gone, as making one connects.

    Nothing connects where a copy that the state knows goes: the plugin leaves it on the host.
    """
    if node.is_gone:
        return []
    return [
        CopyToRemote(f"{name}-copy", connection=connection(node), source=source, remote_path=path, opts=opts)
    ]
