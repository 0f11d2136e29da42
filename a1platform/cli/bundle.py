"""`a1 bundle build|list|verify`: make a bundle, tell what it holds, and whether every file is as listed."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a1platform.bundle import Bundle, BundleError, load

app = typer.Typer(help="What a bundle holds (docs/bundle.md).", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The bundle's folder.")]


@app.command()
def build(
    parts: Annotated[str, typer.Option(help="Comma-separated; everything by default.")] = "",
    chart: Annotated[
        tuple[str, Path, str] | None,
        typer.Option(metavar="PART FOLDER ORIGIN", help="Put another chart into a part, and make nothing."),
    ] = None,
) -> None:
    """Make what is missing of this machine's bundle, official or built, and print its folder."""
    if importlib.util.find_spec("sandbox") is None:
        _refused("bundles are made by sandbox/, which is in the repository and not in this installation")
    given = ["--parts", parts] if parts else []
    if chart is not None:
        part, folder, origin = chart
        given += ["--chart", part, str(folder), origin]
    # In place of this process, so that a signal reaches the one that has compilers to end.
    command = [sys.executable, "-m", "sandbox.build_bundle", *given]
    os.execv(sys.executable, command)  # noqa: S606 - this very Python


@app.command("list")
def list_contents(folder: Folder) -> None:
    """Print each part with its version, its size and what it was made from, and what was left out."""
    bundle = _done(lambda: load(folder))
    table = Table("part", "version", "images", "MiB", "made from")
    if bundle.k3s:
        table.add_row("k3s", bundle.k3s.version, "", _mib([bundle.k3s.path]), escape(bundle.k3s.origin))
    for plugin in bundle.plugins:
        table.add_row(plugin.name, plugin.version, "", _mib([plugin.path]), escape(plugin.origin))
    for name, part in sorted(bundle.parts.items()):
        version = part.chart.version if part.chart else ""
        size = _mib([image.path for image in part.images])
        table.add_row(name, version, str(len(part.images)), size, escape(part.origin))
    console = Console()
    console.print(table)
    for name, why in sorted(bundle.left_out.items()):
        console.print(f"left out: {name} ({escape(why)})", highlight=False)


@app.command()
def verify(
    folder: Folder,
    partial: Annotated[  # noqa: FBT002 - an option of the command line
        bool, typer.Option("--partial", help="Also take one without K3s or the images that it asks for.")
    ] = False,
) -> None:
    """Read every file and compare it with its digest; exit with 1 where one is missing or another."""

    def check() -> Bundle:
        bundle = load(folder)
        bundle.verify(thorough=True)
        return bundle

    bundle = _done(check)
    for name, why in sorted(bundle.left_out.items()):
        typer.echo(f"left out: {name} ({why})")
    if (lacking := _lacking(bundle)) and not partial:
        _refused(f"{bundle.folder} has no {' and no '.join(lacking)}, and no node is installed without")
    typer.echo(f"{bundle.folder}: {len(bundle.parts)} parts, every file as listed")


def _lacking(bundle: Bundle) -> list[str]:
    """Return what of that which every node needs is not in a bundle."""
    there = {"k3s": bundle.k3s is not None, "part system": "system" in bundle.parts}
    return [name for name, held in there.items() if not held]


def _done(act: Callable[[], Bundle]) -> Bundle:
    try:
        return act()
    except BundleError as error:
        _refused(str(error))


def _refused(why: str) -> NoReturn:
    Console(stderr=True, highlight=False).print("[red]error:[/]", escape(why), soft_wrap=True)
    raise typer.Exit(1) from None


def _mib(files: list[Path]) -> str:
    return str(round(sum(file.stat().st_size for file in files if file.is_file()) / 2**20))
