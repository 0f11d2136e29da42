"""The `a1` program: one typer application, one module per command."""

import typer

from a1platform.cli import bundle
from a1platform.cli.audit import audit
from a1platform.cli.dev import dev
from a1platform.cli.init import init
from a1platform.cli.render import render

app = typer.Typer(help="What Pulumi itself cannot do for an A1 platform.", no_args_is_help=True)
app.command("init")(init)
app.command("audit")(audit)
app.command("render")(render)
app.command("dev")(dev)
app.add_typer(bundle.app, name="bundle")
