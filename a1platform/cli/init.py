"""`a1 init HOST...`: pin each host's key, see whether the host is fit, and write the configuration."""

import socket
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
    hosts: Annotated[
        list[str], typer.Argument(help="Names or addresses of the machines.", metavar="HOST...")
    ],
    *,
    user: Annotated[
        str, typer.Option(help="Login user: root, or one with sudo without a password.")
    ] = "root",
    port: Annotated[int, typer.Option(help="SSH port.")] = 22,
    key: Annotated[Path, typer.Option(help="Private key of the user.")] = Path("~/.ssh/id_ed25519"),
    name: Annotated[
        str, typer.Option(help="Name of the node in Kubernetes; several count up from it: a1, a2, a3.")
    ] = "a1",
    role: Annotated[str, typer.Option(help="server or agent.")] = "server",
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "a1",
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project.")] = Path(),
    expected: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="Accept the host key with this one only; one for each machine."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the host keys that are shown.")] = False,
) -> None:
    """Read each machine's host key, ask to confirm it, run the preflight and write the configuration.

    Machines that only go together, such as three servers, are given in one call.
    """
    if expected and len(expected) != len(hosts):
        _stop(f"--fingerprint: found {len(expected)}, expected one for each of {len(hosts)} machines")
    names = _names(name, len(hosts))
    common = {"port": port, "user": user, "privateKeyFile": key, "role": role}
    try:
        file = StackFile(folder / f"Pulumi.{stack}.yaml")
        nodes = []
        for index, host in enumerate(hosts):
            host_key = read_host_key(host, port)
            _confirm(host, host_key, expected[index] if expected else "", yes=yes)
            own = {"name": names[index], "host": host, "hostKey": host_key}
            together = len(hosts) > 1 or any(node.name != names[0] for node in file.nodes())
            address = {"address": _address(host, port)} if together else {}
            nodes.append(NodeSettings.model_validate({**common, **own, **address}))
        for node in nodes:
            _preflight(node, file)
        file.put_nodes(nodes)
    except ValidationError as error:
        _stop("\n".join(problems.lines(error, NodeSettings)))
    except (HostUnreachableError, StackFileError) as error:
        _stop(str(error))
    _console.print(f"wrote {', '.join(names)} to {file.path}: `make up` provisions what is new")


def _names(first: str, count: int) -> list[str]:
    """Return names that count up from the first, whose number is where they start."""
    if count == 1:
        return [first]
    stem = first.rstrip("0123456789")
    start = int(first[len(stem) :] or 1)
    return [f"{stem}{number}" for number in range(start, start + count)]


def _address(host: str, port: int) -> str:
    """Return the address by which the other nodes reach a machine."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


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
        f"{node.name}: {facts.distribution} on {facts.architecture}, {facts.vcpus} vCPUs, "
        f"{facts.memory_mib} MiB memory, {facts.disk_mib} MiB free"
    )


def _stop(text: str) -> None:
    Console(stderr=True, highlight=False).print("[red]error:[/]", escape(text), soft_wrap=True)
    raise typer.Exit(1)
