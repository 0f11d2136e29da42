"""`a1 init HOST`: pin a host's key, see whether the host is fit, and write the configuration."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.node.connection import HostUnreachableError, connected, read_host_key, run_script
from a1platform.node.facts import parse_facts
from a1platform.node.preflight import render_preflight
from a1platform.settings import problems
from a1platform.settings.node import NodeSettings, fingerprint

_console = Console(highlight=False)


def init(  # noqa: PLR0913 - one option each
    host: Annotated[str, typer.Argument(help="Name or address of the machine.")],
    *,
    user: Annotated[
        str, typer.Option(help="Login user: root, or one with sudo without a password.")
    ] = "root",
    port: Annotated[int, typer.Option(help="SSH port.")] = 22,
    key: Annotated[Path, typer.Option(help="Private key of the user.")] = Path("~/.ssh/id_ed25519"),
    name: Annotated[str, typer.Option(help="Name of the node in Kubernetes.")] = "a1",
    role: Annotated[str, typer.Option(help="server or agent.")] = "server",
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "a1",
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project.")] = Path(),
    expected: Annotated[
        str, typer.Option("--fingerprint", help="Accept the host key with this one only.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Accept the host key that is shown.")] = False,
) -> None:
    """Read the machine's host key, ask to confirm it, run the preflight and write the configuration."""
    try:
        file = StackFile(folder / f"Pulumi.{stack}.yaml")
        host_key = read_host_key(host, port)
        _confirm(host, host_key, expected, yes=yes)
        node = NodeSettings.model_validate(
            {
                "name": name,
                "host": host,
                "port": port,
                "user": user,
                "privateKeyFile": key,
                "hostKey": host_key,
                "role": role,
            }
        )
        _preflight(node, file)
        file.put_node(node)
    except ValidationError as error:
        _stop("\n".join(problems.lines(error, NodeSettings)))
    except (HostUnreachableError, StackFileError) as error:
        _stop(str(error))
    _console.print(f"wrote node {name} to {file.path}: `make up` provisions it")


def _confirm(host: str, host_key: str, expected: str, *, yes: bool) -> None:
    shown = fingerprint(host_key)
    _console.print(f"{host} shows {host_key.split(maxsplit=1)[0]} {shown}")
    if expected and expected != shown:
        _stop(f"host key: found {shown}, expected {expected}; nothing was sent to the host")
    if not expected and not yes and not typer.confirm("Is this the machine's own fingerprint?"):
        _stop("host key not confirmed; nothing was written")


def _preflight(node: NodeSettings, file: StackFile) -> None:
    with connected(node) as client:
        answer = run_script(client, node, render_preflight(file.preflight(), node))
    if answer.status != 0:
        _stop(answer.stderr.strip() or f"preflight: exit status {answer.status}")
    facts = parse_facts(answer.stdout)
    _console.print(
        f"{facts.distribution} on {facts.architecture}: {facts.vcpus} vCPUs, {facts.memory_mib} MiB memory, "
        f"{facts.disk_mib} MiB free"
    )


def _stop(text: str) -> None:
    Console(stderr=True, highlight=False).print("[red]error:[/]", escape(text), soft_wrap=True)
    raise typer.Exit(1)
