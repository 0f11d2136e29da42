"""What `make up` does: the toolchain, a node where none is configured, the bundle, then Pulumi."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from a1platform.bundle import BundleError, load
from a1platform.platform.recovery import on_server
from a1platform.services.failure import APPLICATION, explanation
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.node import NodeSettings
from a1platform.versions import K3S
from sandbox import chosen
from sandbox.build.compiler import ensure_compiler
from sandbox.bundle import PartsError, bundle_folder
from sandbox.bundle_list import add_k3s
from sandbox.bundle_plugins import add_plugins
from sandbox.cache import Cache, state_folder
from sandbox.capacity import require_capacity
from sandbox.delivery import Delivery, commit_files, deliver, delivers_from_git
from sandbox.delivery import end as end_delivery
from sandbox.engine import Engine, engine_with_nodes, ensure_engine, stop_engine
from sandbox.git_repository import ensure_git
from sandbox.k3s_source import k3s_source
from sandbox.leftovers import remove_leftovers
from sandbox.node import KERNEL, Node, nodes, start, stop
from sandbox.node.network import bridge_address
from sandbox.prepare import require_fit
from sandbox.progress import Progress, step
from sandbox.pulumi import PulumiError, Stack
from sandbox.reach import out_of_reach
from sandbox.side_by_side import both
from sandbox.stack_outputs import kubeconfig_file, write_kubeconfig, write_outputs
from sandbox.stack_settings import node_entry
from sandbox.stages import install_in_stages
from sandbox.syncing import await_synced
from sandbox.toolchain import ensure


class SmokeError(RuntimeError):
    """What is deployed does not do what it should."""


# Most of what is declared waits for pods, and by default Pulumi waits for four things per processor.
_UP = ("up", "--yes", "--skip-preview", "--suppress-outputs", "--parallel", "32")
_DOWN = ("destroy", "--yes", "--skip-preview", "--suppress-outputs")


def up(cache: Cache, progress: Progress, parts: Sequence[str] | None = None) -> None:
    """Bring the configured machines, or the sandbox node, to the platform; a second run changes nothing.

    Args:
        cache: Where what is built is kept.
        progress: Takes a line per step.
        parts: Names of the parts that the sandbox gets; all by default.

    Raises:
        PulumiError: Pulumi failed; its lines on the terminal say why.
        BundleError: A part of the sandbox's bundle is unknown or cannot be made, or parts are chosen where
            machines are configured.
        RuntimeError: A step before failed; the text says which.
    """
    if chosen.is_configured(connects=True):
        if parts:
            raise BundleError(
                f"found PARTS={','.join(parts)}, which choose what a sandbox gets; on machines of your own "
                "`platform.<part>.enabled` in Pulumi.a1.yaml does, and A1_SANDBOX=1 takes the sandbox"
            )
        stack = _stack(cache, progress, configured=True)
        _tell_of_other(progress, configured=True)
        _apply(stack, progress)
        _tell(stack, progress)
    else:
        _sandbox(cache, progress, parts)


def _stack(cache: Cache, progress: Progress, *, configured: bool, destroys: bool = False) -> Stack:
    bundle = chosen.bundle(destroys=destroys)
    # Test equipment may act on a sandbox; for machines of one's own the official plugin is waited for.
    environment = ensure(cache, progress, bundle=bundle, patient=configured).environment(state_folder())
    return chosen.production(environment) if configured else chosen.sandbox(environment)


def _sandbox(cache: Cache, progress: Progress, parts: Sequence[str] | None) -> None:
    _tell_of_sandbox(progress)
    progress(KERNEL)
    ready, missing = require_fit(cache, parts)
    require_capacity(parts)
    if delivers_from_git([*ready, *missing]):
        ensure_git(progress)
    if missing:
        ensure_compiler(progress)
    tools = partial(ensure, cache, bundle=chosen.bundle())
    toolchain, k3s = both(progress, tools, partial(k3s_source, cache))
    stack = chosen.sandbox(toolchain.environment(state_folder()))
    _tell_of_other(progress, configured=False)
    engine = ensure_engine(cache, progress)
    running = chosen.installed() if _agree(stack, engine, progress) else set[str]()
    node = start(engine, cache, chosen.NODE, progress)
    folder = bundle_folder(cache)
    add_k3s(folder, K3S, k3s.path, k3s.origin)
    add_plugins(folder, toolchain)
    progress(f"K3s: {k3s.origin}")

    def install(there: Sequence[str]) -> None:
        delivery = deliver(there, bridge_address(engine), bundle=load(folder))
        if delivery.first and kubeconfig_file(stack.name).exists():
            _follow(stack, node, delivery, commit_files(delivery.first), progress)
        chosen.configure(node, folder, there, delivery.settings)
        _apply(stack, progress)
        if delivery.files:
            write_kubeconfig(stack.name, stack.outputs())
            # Not before: its images and kinds are there only now.
            _follow(stack, node, delivery, commit_files(delivery.files), progress)
        installed[:] = there

    installed: list[str] = []
    try:
        install_in_stages(cache, progress, parts, running, install)
    except PartsError:
        # The others are there.
        if installed:
            _tell(stack, progress, folder)
        raise
    remove_leftovers(cache, progress)
    _tell(stack, progress, folder)


def _agree(stack: Stack, engine: Engine, progress: Progress) -> bool:
    """Bring the state and the node together, as neither is any good alone; tell whether both are there."""
    # By name: a node that somebody has started beside it belongs to no state.
    there = any(node.name == chosen.NODE for node in nodes(engine))
    if stack.exists():
        if not there:
            _forget(stack, progress)
            # Else the new node's installation would begin by asking the old one.
            kubeconfig_file(stack.name).unlink(missing_ok=True)
        return there
    # As after a `make down` while the engine did not run, or with the state folder gone.
    if there:
        with step(progress, f"removing node {chosen.NODE}, which no state knows of"):
            stop(engine, chosen.NODE)
    return False


def _tell_of_sandbox(progress: Progress) -> None:
    why = "A1_SANDBOX is set" if chosen.is_asked_for() else "no machine is configured in Pulumi.a1.yaml"
    progress(f"{why}: a sandbox node on this machine stands in")
    if unused := chosen.idle():
        progress(unused)


def _tell_of_other(progress: Progress, *, configured: bool) -> None:
    if line := chosen.left_alone(configured=configured):
        progress(line)


def _follow(stack: Stack, node: Node, delivery: Delivery, commit: str, progress: Progress) -> None:
    run = on_server(NodeSettings.model_validate(node_entry(node)))
    explain = partial(explanation, run, NAMESPACE, APPLICATION, {})
    await_synced(kubeconfig_file(stack.name), commit, delivery.applications, explain, progress)


def _apply(stack: Stack, progress: Progress) -> None:
    stack.create()
    stack.recover()
    with step(progress, f"pulumi up, stack {stack.name}"):
        stack.run(*_UP)


def _tell(stack: Stack, progress: Progress, bundle: Path | None = None) -> None:
    """Say in one line each what was installed and from what, and how to reach it."""
    outputs = stack.outputs()
    parts = outputs["parts"]
    told = dict(parts) if isinstance(parts, dict) else {}
    if bundle:
        # To the program it belongs to K3s.
        told["system"] = load(bundle).part("system").origin
    for name, origin in sorted(told.items()):
        first, *more = origin.splitlines()
        progress(f"{name}: {first}{' ...' if more else ''}")
    progress(f"cluster: export KUBECONFIG={write_kubeconfig(stack.name, outputs)}")


def down(cache: Cache, progress: Progress) -> None:
    """Destroy the stack and, where it was the sandbox, leave nothing of it on this machine.

    Raises:
        PulumiError: Pulumi failed; the node is left as it is, but for a sandbox's that does not answer.
    """
    configured = chosen.is_configured(destroys=True)
    # Without a state nothing is asked of Pulumi, which an interrupted first `up` may not have brought yet.
    if configured or chosen.has_state(chosen.SANDBOX):
        stack = _stack(cache, progress, configured=configured, destroys=True)
        if stack.exists():
            stack.recover()
            if stack.node_is_gone():
                _forget(stack, progress)
            elif configured:
                stack.retain_nodes(chosen.lost())
                _destroy(stack, progress)
            else:
                _destroy_sandbox(stack, cache, progress)
            stack.remove()
        _tell_of_other(progress, configured=configured)
    kubeconfig_file(chosen.stack_name(configured=configured)).unlink(missing_ok=True)
    if not configured:
        chosen.forget()
        end_delivery()
        _stop_sandbox(cache, progress)


def _destroy_sandbox(stack: Stack, cache: Cache, progress: Progress) -> None:
    """Take everything back from the sandbox's node, or forget it where that cannot be asked: it goes next."""
    why = out_of_reach(cache)
    if not why:
        try:
            _destroy(stack, progress)
        except PulumiError:
            # It may have fallen silent in the middle.
            why = out_of_reach(cache)
            if not why:
                raise
        else:
            return
    _forget(stack, progress, why)


def _forget(stack: Stack, progress: Progress, why: str = "the machine is gone") -> None:
    """Empty the state of what was on machines that are gone; another machine of that name has none of it."""
    progress(f"{why}: what was on it is forgotten")
    stack.recover()
    stack.retain_everything()
    _destroy(stack, progress)


def _destroy(stack: Stack, progress: Progress) -> None:
    with step(progress, f"pulumi destroy, stack {stack.name}"):
        stack.run(*_DOWN)


def preview(cache: Cache, progress: Progress) -> None:
    """Show what `up` would change: of the configured machines, of the sandbox, or of nothing at all.

    Raises:
        PulumiError: The program or its configuration is refused.
    """
    stack = _stack(cache, progress, configured=chosen.is_configured())
    if not stack.exists():
        # Nothing is written where nothing is deployed: a backend that is gone afterwards.
        with tempfile.TemporaryDirectory() as backend:
            there = {**stack.environment, "PULUMI_BACKEND_URL": f"file://{backend}"}
            config = chosen.copy_configuration(stack, Path(backend))
            alone = replace(stack, environment=there, config=config)
            alone.create()
            alone.run("preview")
        return
    stack.run("preview", "--diff")


def smoke(cache: Cache, progress: Progress) -> None:
    """Run the smoke suite against what is deployed.

    Raises:
        PulumiError: Nothing is deployed.
        SmokeError: A check failed.
    """
    configured = chosen.is_configured()
    name = chosen.stack_name(configured=configured)
    # Before anything is asked of Pulumi, which may have to be built for that.
    if not chosen.has_state(name):
        raise PulumiError(f"found no stack {name}, expected one: run `make up` first")
    stack = _stack(cache, progress, configured=configured)
    outputs = stack.outputs()
    progress(f"cluster: {write_kubeconfig(stack.name, outputs)}")
    command = [sys.executable, "-m", "pytest", "-m", "smoke", "tests/smoke", "-v"]
    with tempfile.TemporaryDirectory() as folder:
        about = {
            "KUBECONFIG": str(kubeconfig_file(stack.name)),
            "A1_OUTPUTS": str(write_outputs(outputs, Path(folder))),
            "A1_STACK_FILE": str(stack.config or stack.folder / f"Pulumi.{stack.name}.yaml"),
        }
        done = subprocess.run(command, cwd=stack.folder, env={**stack.environment, **about}, check=False)
    if done.returncode:
        raise SmokeError("the smoke suite failed; the lines above say what")


def _stop_sandbox(cache: Cache, progress: Progress) -> None:
    engine = engine_with_nodes(cache, progress)
    if engine:
        for node in nodes(engine):
            with step(progress, f"removing node {node.name}"):
                stop(engine, node.name)
    # Also of an engine that does not answer: it was killed, and its containers go on.
    stop_engine(cache, progress)
