"""What is done when the cluster refuses a resource for a reason that passes, or that we can take away.

Two of them stop a run that would otherwise succeed: an earlier run was killed in the middle of a Helm
release, whose record then says "pending" for ever; and a webhook whose pod has just become ready cannot be
reached yet.
"""

import asyncio
import shlex
from collections.abc import Callable, Sequence
from enum import Enum

import pulumi

from a1platform.node.connection import connected, run_script
from a1platform.settings.node import NodeSettings

RELEASE = "kubernetes:helm.sh/v3:Release"

_TRIES = 12
_SECONDS = 5
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
    # Else kubectl keeps what it has discovered in root's home.
    return f"KUBECACHEDIR=/run/k3s/kubectl /usr/local/bin/k3s kubectl {' '.join(map(shlex.quote, words))}\n"


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
    """Return the hook that applies a remedy and has the resource tried again.

    Args:
        run: See `RunOnServer`.
    """

    async def recover(args: pulumi.ErrorHookArgs) -> bool:
        found = remedy(args.type, args.failed_operation, args.errors)
        if found is Remedy.TIME:
            await asyncio.sleep(_SECONDS)
        elif found is not Remedy.NOTHING:
            inputs = args.new_inputs or {}
            pulumi.log.warn(f"{args.name} was interrupted in an earlier run: {found.value} and begin again")
            script = forget_script(
                inputs["namespace"], inputs["name"], pending_only=found is Remedy.FORGET_PENDING
            )
            await asyncio.to_thread(run, script)
        return found is not Remedy.NOTHING

    return pulumi.ErrorHook("a1-recovery", recover)


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
