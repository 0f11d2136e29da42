"""`python -m a1platform` is `a1`."""

from a1platform.cli.main import app

app(prog_name="a1")
