"""What is no longer declared and would stay in the cluster: objects kept for Argo CD, and KEDA's.

Objects of the services are kept when their declaration goes, since it also goes when the delivery moves to
Argo CD. While Pulumi goes on delivering, an inventory of what is declared tells what has left it.
"""

import asyncio
import shlex
from collections.abc import Sequence

import pulumi

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.platform.recovery import RunOnServer
from a1platform.services.builders import KINDS
from a1platform.services.builders.metadata import MANAGER

AUTOSCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})
"""Kinds that are deleted with their declaration, as no pod hangs on them."""
INVENTORY = "a1-inventory"
DECLARED = "a1platform/declared"
"""The inventory's annotation with what is declared: other data would replace a ConfigMap, not update it."""
_SELECTOR = f"app.kubernetes.io/managed-by={MANAGER},app.kubernetes.io/part-of={naming.PART_OF}"
_ASK = """\
export KUBECACHEDIR=/run/k3s/kubectl
ask() {{
  /usr/local/bin/k3s kubectl --namespace {namespace} "$@" </dev/null
}}
"""


def inventory(objects: Sequence[Manifest], namespace: str) -> Manifest:
    """Return the ConfigMap that lists what is declared; Pulumi's alone, it goes when the delivery moves.

    Args:
        objects: Everything that is declared.
        namespace: Where the objects are.
    """
    labels = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": "pulumi"}
    listed = "".join(f"{one}\n" for one in sorted(map(_identity, objects)))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": INVENTORY,
            "namespace": namespace,
            "labels": labels,
            "annotations": {DECLARED: listed},
        },
    }


def prune_script(namespace: str, listed: str) -> str:
    """Return the script that deletes every object of the services that is not in the inventory.

    Left alone is what does not bear our labels, and what another object owns: KEDA's and Kubernetes's own
    objects take the labels over. A kind that the cluster does not know has no object.

    Args:
        namespace: Where the objects are.
        listed: The inventory's lines.
    """
    kinds = " ".join(_kind(group, kind) for group, kind in KINDS if kind not in AUTOSCALERS)
    return f"""\
{_ASK.format(namespace=shlex.quote(namespace))}\
declared={shlex.quote(listed)}
ours={_SELECTOR}
columns='NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].kind'
for kind in {kinds}; do
  if ! found=$(ask get "$kind" --selector "$ours" --no-headers --output "custom-columns=$columns" 2>&1); then
    case $found in *"have a resource type"*) continue ;; esac
    echo "$found" >&2
    exit 1
  fi
  while read -r name owner; do
    if [ "$owner" = '<none>' ] && ! grep -qxF "$kind/$name" <<<"$declared"; then
      ask delete "$kind" "$name" --ignore-not-found || exit 1
    fi
  done <<<"$found"
done
"""


def handover_script(namespace: str, name: str) -> str:
    """Return the script that removes KEDA's object of a service, and with it the autoscaler that KEDA made.

    That one has the name of the plain autoscaler: applied onto it, this one would go with KEDA's object.

    Args:
        namespace: Where the service is.
        name: The service's.
    """
    kind = "scaledobject.keda.sh"
    return f"""\
{_ASK.format(namespace=shlex.quote(namespace))}\
ask get customresourcedefinition scaledobjects.keda.sh >/dev/null 2>&1 || exit 0
ask delete {kind} {shlex.quote(name)} --ignore-not-found --cascade=foreground --timeout=60s
"""


def pruning(run: RunOnServer) -> pulumi.ResourceHookBinding:
    """Return what deletes objects that have left the inventory, once all that is declared is applied.

    Never at the creation of the inventory: Pulumi then begins to deliver, and what it finds is Argo CD's.

    Args:
        run: Runs a script on a server.
    """

    async def prune(args: pulumi.ResourceHookArgs) -> None:
        about = (args.new_inputs or {})["metadata"]
        script = prune_script(about["namespace"], about["annotations"][DECLARED])
        if told := (await asyncio.to_thread(run, script)).strip():
            pulumi.log.info(f"no longer declared:\n{told}")

    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook("a1-prune", prune)])


def handing_over(run: RunOnServer) -> pulumi.ResourceHookBinding:
    """Return what makes room for a plain autoscaler where KEDA's was before.

    Args:
        run: Runs a script on a server.
    """

    async def hand_over(args: pulumi.ResourceHookArgs) -> None:
        about = (args.new_inputs or {})["metadata"]
        await asyncio.to_thread(run, handover_script(about["namespace"], about["name"]))

    return pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook("a1-handover", hand_over)])


def _identity(manifest: Manifest) -> str:
    group = manifest["apiVersion"].rpartition("/")[0]
    return f"{_kind(group, manifest['kind'])}/{manifest['metadata']['name']}"


def _kind(group: str, kind: str) -> str:
    """Return a kind as kubectl takes and names it."""
    return f"{kind.lower()}.{group}" if group else kind.lower()
