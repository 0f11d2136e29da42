"""What helps when the cluster refuses a resource."""

import asyncio
import shlex
from collections.abc import Sequence

import pulumi
import pytest

from a1platform.node.connection import HostUnreachableError
from a1platform.platform.recovery import (
    RELEASE,
    Remedy,
    RunOnServer,
    forget_script,
    recovered,
    recovering,
    remedy,
    warnings_script,
)

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


def _failed(kind: str = RELEASE, *, errors: Sequence[str] = ("timed out",)) -> pulumi.ErrorHookArgs:
    inputs = {"namespace": "keda", "name": "keda"}
    return pulumi.ErrorHookArgs("urn", "id", "keda-release", kind, inputs, None, None, "update", list(errors))


def _recovered(run: RunOnServer, args: pulumi.ErrorHookArgs) -> bool:
    # A loop of its own: Pulumi's tests find theirs as they have left it.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(recovered(run, args))
    finally:
        loop.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    return told


def test_why_a_release_has_failed_is_told_from_what_its_pods_have_left(said: list[str]) -> None:
    asked: list[str] = []

    def run(script: str) -> str:
        asked.append(script)
        return "keda-operator-1 Failed  Failed to pull image\nkeda-operator-1 BackOff Back-off\n"

    assert _recovered(run, _failed()) is False
    words = shlex.split(asked[0])
    assert words[3:6] == ["--namespace", "keda", "get"]
    assert "type=Warning" in words
    (told,) = said
    assert told.splitlines() == [
        "keda-release: the newest warnings in namespace keda:",
        "  keda-operator-1 Failed  Failed to pull image",
        "  keda-operator-1 BackOff Back-off",
    ]


def test_a_server_that_does_not_answer_is_no_second_failure(said: list[str]) -> None:
    def run(_script: str) -> str:
        raise HostUnreachableError("gone")

    assert _recovered(run, _failed()) is False
    assert said == []


def test_an_interrupted_release_is_forgotten_and_begun_again(said: list[str]) -> None:
    asked: list[str] = []

    def run(script: str) -> str:
        asked.append(script)
        return ""

    assert _recovered(run, _failed(errors=[PENDING])) is True
    assert asked == [forget_script("keda", "keda", pending_only=True)]
    assert "keda-release was interrupted in an earlier run" in said[0]


def test_nobody_is_asked_why_anything_else_has_failed(said: list[str]) -> None:
    def run(_script: str) -> str:
        raise AssertionError

    assert _recovered(run, _failed(CRD)) is False
    assert said == []


def test_the_newest_warnings_of_a_namespace_are_few_enough_to_be_read() -> None:
    assert warnings_script("keda").rstrip().endswith("| tail -n 10")


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
