"""What helps when the cluster refuses a resource."""

import shlex

import pulumi
import pytest

from a1platform.platform.recovery import RELEASE, Remedy, forget_script, recovering, remedy

CRD = "kubernetes:external-secrets.io/v1:ClusterSecretStore"
IN_USE = "cannot re-use a name that is still in use"
PENDING = "another operation (install/upgrade/rollback) is in progress"
WEBHOOK = 'Internal error occurred: failed calling webhook "validate": connect: connection refused'


@pytest.mark.parametrize(
    ("kind", "operation", "errors", "helps"),
    [
        (RELEASE, "create", [IN_USE], Remedy.FORGET_RELEASE),
        (RELEASE, "update", [PENDING], Remedy.FORGET_PENDING),
        (RELEASE, "create", [IN_USE, IN_USE], Remedy.NOTHING),
        (RELEASE, "update", [PENDING, "other"], Remedy.NOTHING),
        (RELEASE, "update", [IN_USE], Remedy.NOTHING),
        (RELEASE, "create", ["timed out waiting for the condition"], Remedy.NOTHING),
        (CRD, "create", [IN_USE], Remedy.NOTHING),
        (CRD, "create", [WEBHOOK], Remedy.TIME),
        (CRD, "update", [WEBHOOK] * 12, Remedy.TIME),
        (CRD, "update", [WEBHOOK] * 13, Remedy.NOTHING),
        (CRD, "create", ["admission webhook denied the request"], Remedy.NOTHING),
        (CRD, "create", [], Remedy.NOTHING),
    ],
)
def test_only_a_failure_that_can_pass_is_tried_again(
    kind: str, operation: str, errors: list[str], helps: Remedy
) -> None:
    assert remedy(kind, operation, errors) is helps


def test_an_interrupted_upgrade_keeps_the_revisions_that_were_finished() -> None:
    words = shlex.split(forget_script("keda", "keda", pending_only=True))
    assert words[-1] == "owner=helm,name=keda,status in (pending-install,pending-upgrade,pending-rollback)"
    assert words[3:7] == ["--namespace", "keda", "delete", "secrets"]


def test_what_an_installation_had_made_is_left_for_the_next_one_to_take_over() -> None:
    words = shlex.split(forget_script("prometheus", "kps", pending_only=False))
    assert words[6:] == ["secrets", "--selector", "owner=helm,name=kps"]


def test_every_resource_of_the_cluster_is_tried_again_and_nothing_else() -> None:
    # The engine takes a hook by its name; no hook is registered here.
    hook = object.__new__(pulumi.ErrorHook)
    attach = recovering(hook)
    opts = pulumi.ResourceOptions(protect=True)
    resource = object.__new__(pulumi.CustomResource)

    def attached(kind: str) -> pulumi.ResourceTransformationResult | None:
        return attach(pulumi.ResourceTransformationArgs(resource, kind, "name", {}, opts))

    result = attached(RELEASE)
    assert result is not None
    assert result.opts.protect is True
    assert result.opts.hooks is not None
    assert result.opts.hooks.on_error == [hook]
    assert attached("command:local:Command") is None
    assert attached("a1platform:platform:Keda") is None
