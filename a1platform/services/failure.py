"""What is told when a service does not become ready: its pods, their events and their last lines.

Pulumi waits for a Deployment, and for the root Application, but says of a failure only that the time is over.
The reason stands in the cluster, and whoever runs `up` need not have kubectl. The pods of the version before
are not touched by a rolling update whose new pods do not get ready, so they go on serving meanwhile.
"""

import asyncio
import shlex
from collections.abc import Mapping
from typing import Any

import pulumi

from a1platform import naming
from a1platform.platform.recovery import RunOnServer, warnings_script

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
APPLICATION = "kubernetes:argoproj.io/v1alpha1:Application"
EXPLAINED = (DEPLOYMENT, APPLICATION)
"""Types of the resources that are waited for until pods are ready."""

_PODS, _EVENTS, _LINES, _CHARACTERS = 3, 8, 20, 400
"""At most so many pods, of each so many events and lines, each so long: the reason, not the whole log."""


def selector(kind: str, inputs: Mapping[str, Any]) -> str:
    """Return the label selector of the pods that a failed resource was waiting for.

    Args:
        kind: Its type.
        inputs: Its inputs; an Application waits for all pods of ours.
    """
    if kind == DEPLOYMENT:
        labels = naming.selector(inputs["metadata"]["name"])
    else:
        labels = {"app.kubernetes.io/part-of": naming.PART_OF}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def look_script(namespace: str, pods: str) -> str:
    """Return the script that prints pods, of those that are not ready events and last lines, and warnings.

    The warnings are those of the whole namespace: that a pod cannot even be made, for want of quota or as a
    policy refuses it, stands at its ReplicaSet.

    Args:
        namespace: Where the pods are.
        pods: Their label selector.
    """
    return f"""\
export KUBECACHEDIR=/run/k3s/kubectl
ask() {{
  timeout 20 /usr/local/bin/k3s kubectl --namespace {shlex.quote(namespace)} "$@" </dev/null || true
}}
ask get pods --selector {shlex.quote(pods)} --output wide 2>&1
columns='NAME:.metadata.name,READY:.status.containerStatuses[*].ready'
ask get pods --selector {shlex.quote(pods)} --no-headers --output "custom-columns=$columns" |
  awk '$2 != "true" {{ print $1 }}' | head -n {_PODS} |
  while read -r pod; do
    echo "events of $pod:"
    ask events --for "pod/$pod" --no-headers 2>&1 | tail -n {_EVENTS}
    echo "last lines of $pod:"
    ask logs "$pod" --previous --tail {_LINES} 2>/dev/null
    ask logs "$pod" --tail {_LINES} 2>&1
  done | cut -c 1-{_CHARACTERS}
echo {shlex.quote(f"newest warnings in {namespace}:")}
timeout 20 bash -c {shlex.quote(warnings_script(namespace))} </dev/null 2>&1 | cut -c 1-{_CHARACTERS}
"""


def explanation(run: RunOnServer, namespace: str, kind: str, inputs: Mapping[str, Any]) -> str:
    """Return what the cluster says of the pods that a failed resource was waiting for.

    Args:
        run: Runs a script on a server.
        namespace: Where the pods are.
        kind: The resource's type.
        inputs: Its inputs.
    """
    try:
        return run(look_script(namespace, selector(kind, inputs))).rstrip()
    except Exception as error:  # noqa: BLE001 - nothing that goes wrong here may hide the failure itself
        return f"what the cluster says of the pods could not be read: {error}"


def failure_hook(run: RunOnServer, namespace: str) -> pulumi.ErrorHook:
    """Return the hook that tells why a service is not ready; the failure stays one.

    Args:
        run: Runs a script on a server.
        namespace: Where the services' pods are.
    """

    async def explain(args: pulumi.ErrorHookArgs) -> bool:
        inputs = args.new_inputs
        if inputs is not None:
            told = await asyncio.to_thread(explanation, run, namespace, args.type, inputs)
            pulumi.log.error(f"{args.name} did not become ready\n{told}")
        return False

    return pulumi.ErrorHook("a1-failure", explain)
