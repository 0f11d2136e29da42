"""`a1 audit`: has a host drifted from what the program declares?"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.node.connection import HostUnreachableError, connected, run_script
from a1platform.node.hardening import GROUP, changes
from a1platform.node.host_change import render_script
from a1platform.settings.node import HardeningSettings, NodeSettings, peer_addresses


@dataclass(frozen=True)
class Deviation:
    """Something on a host that is not as declared.

    Attributes:
        node: Name of the node.
        concern: The concern and the thing, such as `sysctl net.ipv4.tcp_syncookies`.
        expected: What was declared.
        found: What is there.
    """

    node: str
    concern: str
    expected: str
    found: str


def audit_node(
    node: NodeSettings, hardening: HardeningSettings, nodes: tuple[NodeSettings, ...]
) -> tuple[Deviation, ...]:
    """Compare one host with its declaration, over one SSH connection, changing nothing.

    A host that cannot be asked is a deviation as well: silence is not compliance.
    """
    script = render_script(changes(hardening, node.user, peer_addresses(node, nodes)), GROUP)
    try:
        with connected(node) as client:
            answer = run_script(client, node, script, "verify")
    except HostUnreachableError as error:
        return (Deviation(node.name, "connection", "an answer", str(error)),)
    rows = [line.split("\t") for line in answer.stdout.splitlines()]
    if answer.status != 0 and not rows:
        rows = [["verification", "exit status 0", f"{answer.status}: {answer.stderr.strip()}"]]
    return tuple(Deviation(node.name, *row) for row in rows)


def audit(
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "a1",
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project.")] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare every node with what the program declares; exit with 1 if one has drifted."""
    errors = Console(stderr=True)
    try:
        file = StackFile(folder / f"Pulumi.{stack}.yaml")
        nodes, hardening = file.nodes(), file.hardening()
    except StackFileError as error:
        errors.print("[red]error:[/]", escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if not nodes:
        errors.print(
            f"[red]error:[/] {file.path}: found no nodes, expected one (`a1 init HOST`)", soft_wrap=True
        )
        raise typer.Exit(2)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [
            row for rows in pool.map(lambda node: audit_node(node, hardening, nodes), nodes) for row in rows
        ]
    _show(found, nodes, as_json=as_json)
    if found:
        raise typer.Exit(1)


def _show(found: Sequence[Deviation], nodes: Sequence[NodeSettings], *, as_json: bool) -> None:
    if as_json:
        answer = {"nodes": [node.name for node in nodes], "deviations": [asdict(row) for row in found]}
        typer.echo(json.dumps(answer, indent=2))
        return
    console = Console()
    if not found:
        console.print(f"{', '.join(node.name for node in nodes)}: as declared", highlight=False)
        return
    table = Table()
    for column in ("node", "concern", "expected", "found"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*(escape(text) for text in (row.node, row.concern, row.expected, row.found)))
    console.print(table)
