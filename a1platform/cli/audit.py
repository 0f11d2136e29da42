"""`a1 audit`: has a host drifted from what the program declares?"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.cluster.k3s import GROUP as K3S
from a1platform.cluster.k3s import k3s, system_images
from a1platform.naming import PRODUCTION
from a1platform.node.connection import HostUnreachableError, connected, run_script
from a1platform.node.drift import Finding, parse
from a1platform.node.hardening import GROUP, changes
from a1platform.node.host_change import render_script
from a1platform.node.upload import Upload
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import HardeningSettings, NodeSettings
from a1platform.settings.peers import peers


@dataclass(frozen=True)
class Declaration:
    """What a stack declares of its hosts.

    Attributes:
        nodes: The hosts.
        hardening: How they are hardened.
        k3s: What K3s runs with.
        binary: Digest of the K3s binary, where a bundle brings it.
        images: Image archives that K3s starts with, where a bundle brings them.
    """

    nodes: tuple[NodeSettings, ...]
    hardening: HardeningSettings
    k3s: K3sSettings
    binary: str | None = None
    images: tuple[Upload, ...] = ()


@dataclass(frozen=True)
class Deviation:
    """Something on a host that is not as declared.

    Attributes:
        node: Name of the node.
        concern: The concern and the thing, such as `sysctl net.ipv4.tcp_syncookies`.
        expected: What was declared.
        found: What is there.
        since: When it became so, empty where nobody knows.
    """

    node: str
    concern: str
    expected: str
    found: str
    since: str = ""


def declared(file: StackFile) -> Declaration:
    """Return what a stack's file declares; raises StackFileError where it cannot be used."""
    file.check(connects=True)
    bundle = file.bundle()
    binary = bundle.k3s.sha256 if bundle and bundle.k3s else None
    images = system_images(bundle)
    return Declaration(file.nodes(), file.hardening(), file.k3s(), binary, images)


def audit_node(node: NodeSettings, wanted: Declaration) -> tuple[Deviation, ...]:
    """Compare one host with its declaration, over one SSH connection, changing nothing.

    A host that cannot be asked is a deviation as well: silence is not compliance.
    """
    hardening = changes(wanted.hardening, node.user, peers(node, wanted.nodes), wanted.k3s.inside)
    scripts = (
        render_script(hardening, GROUP),
        render_script([k3s(wanted.k3s, node, wanted.nodes, wanted.binary, wanted.images)], K3S),
    )
    found: list[Finding] = []
    try:
        with connected(node) as client:
            for script in scripts:
                answer = run_script(client, node, script, "verify")
                rows = parse(answer.stdout)
                if answer.status != 0 and not rows:
                    reason = f"{answer.status}: {answer.stderr.strip()}"
                    rows = (Finding("verification", "exit status 0", reason),)
                found += rows
    except HostUnreachableError as error:
        found = [Finding("connection", "an answer", str(error))]
    return tuple(Deviation(node.name, **asdict(finding)) for finding in found)


def audit(
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = PRODUCTION,
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project.")] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare every node that is not gone with what the program declares; exit with 1 if one has drifted."""
    errors = Console(stderr=True)
    try:
        file = StackFile(folder / f"Pulumi.{stack}.yaml")
        wanted = declared(file)
    except StackFileError as error:
        errors.print("[red]error:[/]", escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    nodes = tuple(node for node in wanted.nodes if not node.is_gone)
    if not nodes:
        errors.print(
            f"[red]error:[/] {file.path}: found no nodes, expected one (`a1 init HOST`)", soft_wrap=True
        )
        raise typer.Exit(2)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [row for rows in pool.map(lambda node: audit_node(node, wanted), nodes) for row in rows]
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
    for column in ("node", "concern", "expected", "found", "since"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*(escape(text) for text in astuple(row)))
    console.print(table)
