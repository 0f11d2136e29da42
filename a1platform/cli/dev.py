"""`a1 dev SERVICE`: a service on this machine in the place of the deployed one, for one developer's calls."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from a1platform.services.catalog import CONFIG, ORCHESTRATOR
from a1platform.services.local import Cluster, ClusterError, LocalPlan, ServicePort, plan, servers_inside
from a1platform.services.model import HTTP_PORT
from a1platform.services.resolve import NAMESPACE

SOURCES = Path(__file__).parents[2] / "services"
_MOUNTED = Path("/etc/mcp")
_KUBECONFIG = Path("~/.kube/config")
_SERVERS, _PART = "servers.yaml", "part.json"


def dev(
    service: Annotated[str, typer.Argument(help="The service that is worked on, such as mcp-gateway.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(help="Starts it, after `--`; without one, services/ does, anew on each change."),
    ] = None,
    kubeconfig: Annotated[
        Path, typer.Option(envvar="KUBECONFIG", help="The cluster's kubeconfig.")
    ] = _KUBECONFIG,
    base_port: Annotated[int, typer.Option(help="The gateway's port here; others count up from it.")] = 8080,
) -> None:
    """Run SERVICE here in the place of the deployed one; what it calls is reached by port-forward."""
    try:
        wanted = plan(service)
        from a1platform.cli.deployed import DeployedCluster  # noqa: PLC0415 - see there

        with prepared(wanted, DeployedCluster(kubeconfig.expanduser()), command or ()) as folder:
            status = _run(supervisor(folder, base_port))
    except (ValueError, ClusterError) as error:
        Console(stderr=True, highlight=False).print("[red]error:[/]", escape(str(error)), soft_wrap=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)


@contextmanager
def prepared(wanted: LocalPlan, cluster: Cluster, command: Sequence[str] = ()) -> Iterator[Path]:
    """Give the folder from which `mcp_services.dev` runs what a plan has here, the cluster's ports forwarded.

    The cluster's secrets are in it, so it is this user's alone and goes at the end.

    Args:
        wanted: What runs where.
        cluster: Gives secrets, documents and forwarded ports.
        command: Starts the service that is worked on.

    Raises:
        ClusterError: The cluster lacks something.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="a1-dev-")))
        _write_secrets(wanted, cluster, folder)
        documents = cluster.documents()
        if any(entry.name == CONFIG for entry in wanted.here):
            _write(folder, {f"documents/{name}": text.encode() for name, text in documents.items()})
        part = {
            "roles": [entry.role for entry in wanted.here],
            "elsewhere": {entry.role: _url(stack, cluster, entry.name) for entry in wanted.there},
            "connectTo": _servers(stack, wanted, cluster, documents.get(_SERVERS, "")),
            "commands": {wanted.service.role: list(command)} if command else {},
        }
        _write(folder, {_PART: json.dumps(part).encode()})
        yield folder


def supervisor(folder: Path, base_port: int) -> list[str]:
    """Return the command that runs a prepared folder; it needs `services/` in `PYTHONPATH`."""
    command = [sys.executable, "-m", "mcp_services.dev", "--reload", "--folder", str(folder)]
    return [*command, "--base-port", str(base_port), "--part", str(folder / _PART)]


def _run(command: Sequence[str]) -> int:
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCES)}) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:
            # The terminal has told it as well.
            return running.wait()


def _write_secrets(wanted: LocalPlan, cluster: Cluster, folder: Path) -> None:
    for entry in wanted.here:
        held = cluster.secret(entry.name) if entry.secrets else {}
        for file in entry.secrets:
            if file.key not in held:
                raise ClusterError(
                    f"found no {file.key} in Secret {entry.name}, expected one (External Secrets)"
                )
            place = Path(file.folder).relative_to(_MOUNTED) / file.key
            _write(folder, {str(place): held[file.key]})


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)


def _url(stack: ExitStack, cluster: Cluster, name: str) -> str:
    port = ServicePort(NAMESPACE, name, HTTP_PORT)
    return f"http://{stack.enter_context(cluster.forwarded(port))}"


def _servers(stack: ExitStack, wanted: LocalPlan, cluster: Cluster, document: str) -> dict[str, str]:
    """Where the MCP servers inside the cluster are reached: a role that is here, or a forwarded port."""
    if all(entry.name != ORCHESTRATOR for entry in wanted.here):
        return {}
    roles = {name: entry.role for entry in wanted.here for name in (entry.name, f"{entry.name}-pods")}
    found = {}
    for place, port in servers_inside(document, NAMESPACE).items():
        try:
            found[place] = roles.get(port.name) or stack.enter_context(cluster.forwarded(port))
        except ClusterError as error:
            # As in the cluster: its tools answer an error, and the rest works.
            typer.echo(f"not reached: {error}", err=True)
    return found
