"""`a1 init HOST...`: pin each host's key, see whether the host is fit, and write the configuration."""

import re
import socket
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from a1platform.cli.profile import fitting
from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.naming import PRODUCTION
from a1platform.node.connection import (
    HostUnreachableError,
    connected,
    read_host_key,
    run_script,
    user_key,
)
from a1platform.node.facts import HostFacts, parse_facts
from a1platform.node.preflight import render_preflight
from a1platform.settings import problems
from a1platform.settings.node import READ_KEYS, NodeSettings, fingerprint
from a1platform.settings.services import Profile

_console = Console(highlight=False)
_PORT = 22
_STACK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_UNKNOWN_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}"
"""Stands for the key of a host that was not asked yet."""


def init(  # noqa: PLR0913 - one option each
    hosts: Annotated[
        list[str], typer.Argument(help="Names or addresses of the machines.", metavar="HOST...")
    ],
    *,
    user: Annotated[
        str | None,
        typer.Option(help="Login user: root (the default), or one with sudo without a password."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="SSH port, 22 by default.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="Private key of the user, ~/.ssh/id_ed25519 by default.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the node in Kubernetes; several count up from it: a1, a2, a3.")
    ] = "a1",
    role: Annotated[str | None, typer.Option(help="server (the default) or agent.")] = None,
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = PRODUCTION,
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project.")] = Path(),
    expected: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="Accept the host key with this one only; one for each machine."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept the keys that are shown, of hosts without a pinned one.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give the name of a configured machine to another one.")
    ] = False,
) -> None:
    """Read each machine's host key, ask to confirm it, run the preflight and write the configuration.

    Machines that only go together, such as three servers, are given in one call. What stands in the file
    about a machine stays, unless an option says otherwise. The parts' sizes follow from the first machines.
    """
    _check_fingerprints(expected, hosts)
    _check_place(folder, stack)
    names = _names(name, len(hosts))
    given = {"port": port, "user": user, "privateKeyFile": _portable(key), "role": role}
    try:
        file = StackFile(folder / f"Pulumi.{stack}.yaml")
        file.check()
        is_first = not file.nodes()
        planned = [
            _planned(file, one, host, given, together=len(hosts) > 1, replace=replace)
            for one, host in zip(names, hosts, strict=True)
        ]
        file.stage(planned)
        nodes = [
            _pinned(node, expected[index] if expected else "", yes=yes) for index, node in enumerate(planned)
        ]
        facts = [_preflight(node, file) for node in nodes]
        if is_first:
            _choose_profile(file, facts)
        file.put_nodes(nodes)
    except ValidationError as error:
        _stop("\n".join(problems.lines(error, NodeSettings)))
    except (HostUnreachableError, StackFileError) as error:
        _stop(str(error))
    _console.print(f"wrote {', '.join(names)} to {file.path}: {_provisioning(stack)} provisions what is new")


def _check_fingerprints(expected: Sequence[str] | None, hosts: Sequence[str]) -> None:
    if expected and len(expected) != len(hosts):
        _stop(f"--fingerprint: found {len(expected)}, expected one for each of {len(hosts)} machines")


def _check_place(folder: Path, stack: str) -> None:
    if not (folder / "Pulumi.yaml").is_file():
        _stop(f"--folder: found no Pulumi.yaml in {folder.resolve()}, expected the clone, as `make up` does")
    if not _STACK.fullmatch(stack):
        _stop(f"--stack: found {stack!r}, expected letters, digits, '-', '_' and '.'")


def _provisioning(stack: str) -> str:
    by_hand = f"`pulumi up --stack {stack}` (docs/runbook-a1.md, Pulumi by hand)"
    return "`make up`" if stack == PRODUCTION else by_hand


def _names(first: str, count: int) -> list[str]:
    """Return names that count up from the first, whose number is where they start."""
    if count == 1:
        return [first]
    stem = first.rstrip("0123456789")
    start = int(first[len(stem) :] or 1)
    return [f"{stem}{number}" for number in range(start, start + count)]


def _portable(key: Path | None) -> Path | None:
    """Return a path that holds for others too: the shell has made one person's home of `~`."""
    if key is not None and key.is_relative_to(Path.home()):
        return "~" / key.relative_to(Path.home())
    return key


def _planned(  # noqa: PLR0913 - what is given on the command line
    file: StackFile, name: str, host: str, given: Mapping[str, Any], *, together: bool, replace: bool
) -> NodeSettings:
    """Return a node as it will be, its host key the pinned or an unknown one, checked in everything else."""
    known = file.entry(name)
    port = given["port"] or _PORT
    if known.get("host") == host and given["port"] is None:
        port = known.get("port", _PORT)
    if known and (known["host"], known.get("port", _PORT)) != (host, port):
        if not replace:
            _stop(_taken(name, known, file))
        known = {}
    own = {key: value for key, value in given.items() if value is not None} | {"name": name, "host": host}
    defaults = {"privateKeyFile": "~/.ssh/id_ed25519", "hostKey": _UNKNOWN_KEY}
    others = any(node.name != name for node in file.nodes())
    node = NodeSettings.model_validate({**defaults, **known, **own}, context=READ_KEYS)
    try:
        user_key(node.private_key_file)
    except ValueError as error:
        _stop(f"privateKeyFile: {error}")
    if node.address is None and (together or others):
        return node.model_copy(update={"address": _address(host, node.port)})
    return node


def _taken(name: str, known: Mapping[str, Any], file: StackFile) -> str:
    return (
        f"{name}: found {known['host']} port {known.get('port', _PORT)} under this name in {file.path}, "
        "expected another --name. To give the name to the new machine: `make down`, which gives the old one "
        "back, then --replace; without `make down` what runs there goes on"
    )


def _address(host: str, port: int) -> str:
    """Return the address by which the other nodes reach a machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostUnreachableError(f"{host}: {error}") from error
    # The settings take IPv4 alone, and tell what to do where there is none.
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


def _pinned(node: NodeSettings, expected: str, *, yes: bool) -> NodeSettings:
    """Return a node with the key that its host shows, once that is confirmed."""
    pinned = "" if node.host_key == _UNKNOWN_KEY else node.host_key
    # A host has several keys: the one of the pinned kind tells whether it is still the same.
    host_key = read_host_key(node.host, node.port, *pinned.split()[:1])
    shown = fingerprint(host_key)
    _console.print(f"{node.host} shows {host_key.split(maxsplit=1)[0]} {shown}")
    if expected and expected != shown:
        _stop(f"host key: found {shown}, expected {expected}; nothing was sent to the host")
    if pinned == host_key:
        _console.print(f"{node.host} shows its pinned key")
        return node
    question = "Is this the machine's own fingerprint?"
    if pinned:
        _console.print(f"pinned until now: {pinned.split(maxsplit=1)[0]} {fingerprint(pinned)}")
        question = "Was the machine installed anew, and is this its own fingerprint?"
        if yes and not expected:
            _stop(
                f"host key: found {shown}, expected {fingerprint(pinned)}; --yes does not accept another key "
                "than the pinned one: compare it on the machine itself, then give it as --fingerprint"
            )
    if not expected and not yes and not typer.confirm(question):
        _stop("host key not confirmed; nothing was written")
    return node.model_copy(update={"host_key": host_key})


def _preflight(node: NodeSettings, file: StackFile) -> HostFacts:
    with connected(node) as client:
        script = render_preflight(file.preflight(), node, firewall=file.hardening().firewall.enabled)
        answer = run_script(client, node, script)
    if answer.status != 0:
        _stop(answer.stderr.strip() or f"preflight: exit status {answer.status}")
    facts = parse_facts(answer.stdout)
    _console.print(
        f"{node.name}: {facts.distribution} on {facts.architecture}, {facts.vcpus} vCPUs, "
        f"{facts.memory_mib} MiB memory, {facts.disk_mib} MiB free"
    )
    return facts


def _choose_profile(file: StackFile, machines: Sequence[HostFacts]) -> None:
    """Say the larger sizes of the parts where the machines have room for them and nobody has said any."""
    try:
        platform, services = file.platform(), file.services()
    except StackFileError:
        # Encrypted, as everything else was checked: what Pulumi alone can read is left as it is.
        return
    if "profile" in platform.model_fields_set:
        return
    profile, why = fitting(machines, platform, services)
    if profile is Profile.STANDARD and (refused := _refused(file, profile)):
        profile, why = Profile.SMALL, f"with {profile} it would be refused: {refused}"
    if profile is Profile.STANDARD:
        file.choose(profile)
    _console.print(f"platform.profile: {profile} ({escape(why)})")


def _refused(file: StackFile, profile: Profile) -> str:
    """Return what `up` would refuse, as it reckons with what the preflight asks of machines; or nothing."""
    trial = deepcopy(file)
    trial.choose(profile)
    try:
        trial.check()
    except StackFileError as error:
        return "; ".join(str(error).splitlines()[1:])
    return ""


def _stop(text: str) -> NoReturn:
    Console(stderr=True, highlight=False).print("[red]error:[/]", escape(text), soft_wrap=True)
    raise typer.Exit(1)
