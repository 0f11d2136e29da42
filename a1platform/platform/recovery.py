"""What is done when the cluster refuses a resource: a remedy for what passes, else the reason in words.

Two failures stop a run that would otherwise succeed: an earlier run was killed in the middle of a Helm
release, whose record then says "pending" for ever; and a webhook whose pod has just become ready cannot be
reached yet.
"""

import asyncio
import shlex
from collections.abc import Callable, Sequence
from enum import Enum

import pulumi

from a1platform.node.connection import HostUnreachableError, connected, run_script
from a1platform.settings.node import NodeSettings

RELEASE = "kubernetes:helm.sh/v3:Release"

_TRIES = 12
_SECONDS = 5
_WARNINGS = 10
_UNRECORDED = "cannot re-use a name that is still in use"
_PENDING = "another operation (install/upgrade/rollback) is in progress"
_NOT_YET = ("failed calling webhook", "no endpoints available for service")
_PENDING_STATES = "pending-install,pending-upgrade,pending-rollback"

RunOnServer = Callable[[str], str]
"""Runs a bash script as root on a server of the cluster and returns what it prints; raises where it fails."""


class RecoveryError(RuntimeError):
    """What was to be taken away could not be."""


class Remedy(Enum):
    """What helps."""

    NOTHING = "nothing"
    TIME = "time"
    FORGET_PENDING = "forget what is pending"
    FORGET_RELEASE = "forget the release"


def remedy(kind: str, operation: str, errors: Sequence[str]) -> Remedy:
    """Return what helps against a resource's failure.

    Args:
        kind: The resource's type.
        operation: `create`, `update` or `delete`.
        errors: What went wrong in this run so far, newest first.
    """
    newest = errors[0] if errors else ""
    if kind == RELEASE and len(errors) == 1:
        if operation == "create" and _UNRECORDED in newest:
            return Remedy.FORGET_RELEASE
        if operation == "update" and _PENDING in newest:
            return Remedy.FORGET_PENDING
    if len(errors) <= _TRIES and any(text in newest for text in _NOT_YET):
        return Remedy.TIME
    return Remedy.NOTHING


def forget_script(namespace: str, name: str, *, pending_only: bool) -> str:
    """Return the script that removes Helm's record of a release, and nothing of what the release made.

    The next installation takes over what is there, since it carries the release's name; an upgrade goes on
    from the last revision that was finished.

    Args:
        namespace: Where the release is.
        name: Its name.
        pending_only: Whether revisions that were finished stay.
    """
    selector = f"owner=helm,name={name}"
    if pending_only:
        selector += f",status in ({_PENDING_STATES})"
    words = ["--namespace", namespace, "delete", "secrets", "--selector", selector]
    return f"{kubectl(words)}\n"


def warnings_script(namespace: str) -> str:
    """Return the script that prints the newest warnings of a namespace, one a line.

    They outlive the pods that Helm takes back, and say what Helm's "timed out" does not: an image that cannot
    be had, a probe that fails, a node without room.

    Args:
        namespace: Where the release is.
    """
    columns = "custom-columns=OBJECT:.involvedObject.name,REASON:.reason,MESSAGE:.message"
    words = ["--namespace", namespace, "get", "events", "--field-selector", "type=Warning", "--no-headers"]
    words += ["--sort-by", ".metadata.creationTimestamp", "--output", columns]
    return f"{kubectl(words)} | tail -n {_WARNINGS}\n"


def kubectl(words: Sequence[str]) -> str:
    """Return the command line of kubectl on a server, as root.

    Args:
        words: Its arguments.
    """
    # Else kubectl keeps what it has discovered in root's home.
    return f"KUBECACHEDIR=/run/k3s/kubectl /usr/local/bin/k3s kubectl {' '.join(map(shlex.quote, words))}"


def on_server(node: NodeSettings) -> RunOnServer:
    """Return what runs a script on a server of the cluster.

    Args:
        node: The server.
    """

    def run(script: str) -> str:
        with connected(node) as client:
            answer = run_script(client, node, script)
        if answer.status:
            raise RecoveryError(answer.stderr.strip() or f"exit status {answer.status}")
        return answer.stdout

    return run


def recovery_hook(run: RunOnServer) -> pulumi.ErrorHook:
    """Return the hook that applies a remedy and has the resource tried again, or says why nothing helps.

    Args:
        run: See `RunOnServer`.
    """

    async def recover(args: pulumi.ErrorHookArgs) -> bool:
        return await recovered(run, args)

    return pulumi.ErrorHook("a1-recovery", recover)


async def recovered(run: RunOnServer, args: pulumi.ErrorHookArgs) -> bool:
    """Apply a remedy and tell whether the resource is to be tried again.

    Args:
        run: See `RunOnServer`.
        args: What has failed.

    Raises:
        RecoveryError: What was to be taken away could not be.
    """
    found, inputs = remedy(args.type, args.failed_operation, args.errors), args.new_inputs or {}
    if found is Remedy.TIME:
        await asyncio.sleep(_SECONDS)
    elif found is not Remedy.NOTHING:
        pulumi.log.warn(f"{args.name} was interrupted in an earlier run: {found.value} and begin again")
        script = forget_script(
            inputs["namespace"], inputs["name"], pending_only=found is Remedy.FORGET_PENDING
        )
        await asyncio.to_thread(run, script)
    elif args.type == RELEASE and inputs:
        await _tell_why(run, args.name, inputs["namespace"])
    return found is not Remedy.NOTHING


async def _tell_why(run: RunOnServer, name: str, namespace: str) -> None:
    try:
        told = await asyncio.to_thread(run, warnings_script(namespace))
    # What has failed is told in any case; a server that does not answer is no second failure.
    except (RecoveryError, HostUnreachableError, OSError):
        return
    if told.strip():
        lines = "\n".join(f"  {line.rstrip()}" for line in told.strip().splitlines())
        pulumi.log.warn(f"{name}: the newest warnings in namespace {namespace}:\n{lines}")


def recovering(
    hook: pulumi.ErrorHook, kinds: tuple[str, ...] = ("kubernetes:",)
) -> pulumi.ResourceTransformation:
    """Return the transformation that gives a hook to the Kubernetes resources below a component.

    Args:
        hook: From `recovery_hook`, or another that is called when a resource has failed.
        kinds: How the types of these resources begin; all of them by default.
    """
    binding = pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook]))

    def attach(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith(kinds):
            return None
        return pulumi.ResourceTransformationResult(
            args.props, pulumi.ResourceOptions.merge(args.opts, binding)
        )

    return attach
