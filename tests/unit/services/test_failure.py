"""What is told of a service that does not become ready."""

import os
import subprocess
from pathlib import Path

import pulumi
import pytest

from a1platform.platform.recovery import RecoveryError, recovering
from a1platform.services.failure import EXPLAINED, explanation, look_script, selector
from tests.shell import shellcheck

DEPLOYMENT, APPLICATION = EXPLAINED
INPUTS = {"metadata": {"name": "mcp-gateway"}}
SCRIPT = look_script("a1-orchestrator", selector(DEPLOYMENT, INPUTS))
KUBECTL = """\
#!/bin/bash
echo "$*" >> "$0.asked"
case "$*" in
*"get events"*) echo 'gateway-7d FailedCreate exceeded quota: services' ;;
*custom-columns*) printf 'gateway-new   false\\ngateway-old   true\\ngateway-waits <none>\\n' ;;
*events*) echo 'Warning BackOff pod/gateway-new Back-off restarting failed container' ;;
*"logs gateway-new --previous"*) echo 'no such document' ;;
*--previous*) exit 1 ;;
*"logs gateway-waits"*) echo 'error: container is waiting to start' >&2; exit 1 ;;
*logs*) head -c 900 /dev/zero | tr '\\0' x ;;
*) echo 'NAME READY STATUS' ;;
esac
"""


def _run(script: str, folder: Path) -> str:
    program = folder / "k3s"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    return subprocess.run(
        ["bash", "-s"],
        input=script.replace("/usr/local/bin/k3s", str(program)),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_failed_service_is_told_with_its_pods_events_and_last_lines(tmp_path: Path) -> None:
    told = explanation(lambda script: _run(script, tmp_path), "a1-orchestrator", DEPLOYMENT, INPUTS)
    assert "NAME READY STATUS" in told
    assert "events of gateway-new:\nWarning BackOff pod/gateway-new Back-off restarting" in told
    assert "last lines of gateway-new:\nno such document\nxxx" in told
    assert "container is waiting to start" in told
    assert "gateway-old" not in told
    assert max(map(len, told.splitlines())) <= 400


def test_a_pod_that_could_not_even_be_made_is_told_by_the_warnings_of_the_namespace(tmp_path: Path) -> None:
    told = explanation(lambda script: _run(script, tmp_path), "a1-orchestrator", DEPLOYMENT, INPUTS)
    last = "newest warnings in a1-orchestrator:\ngateway-7d FailedCreate exceeded quota: services"
    assert told.endswith(last)


def test_only_the_pods_of_the_failed_service_are_looked_at(tmp_path: Path) -> None:
    _run(SCRIPT, tmp_path)
    asked = (tmp_path / "k3s.asked").read_text().splitlines()
    assert all(line.startswith("kubectl --namespace a1-orchestrator ") for line in asked)
    gets = [line for line in asked if " get pods " in line]
    assert len(gets) == 2
    assert all(
        "app.kubernetes.io/name=mcp-gateway,app.kubernetes.io/part-of=a1platform" in one for one in gets
    )


def test_what_argo_cd_delivers_is_looked_at_as_a_whole() -> None:
    assert selector(APPLICATION, {"metadata": {"name": "a1-root"}}) == "app.kubernetes.io/part-of=a1platform"


def test_a_server_that_does_not_answer_hides_no_failure() -> None:
    def away(_: str) -> str:
        raise RecoveryError("no route to host")

    assert explanation(away, "a1-orchestrator", DEPLOYMENT, INPUTS).endswith("no route to host")


def test_the_script_passes_shellcheck() -> None:
    assert shellcheck(SCRIPT) == ""


@pytest.mark.parametrize(
    ("kind", "explained"),
    [
        (DEPLOYMENT, True),
        (APPLICATION, True),
        ("kubernetes:core/v1:Service", False),
        ("a1platform:x:Y", False),
    ],
)
def test_what_has_pods_is_explained_and_nothing_else(kind: str, explained: bool) -> None:  # noqa: FBT001
    attach = recovering(object.__new__(pulumi.ErrorHook), EXPLAINED)
    resource, opts = object.__new__(pulumi.CustomResource), pulumi.ResourceOptions()
    result = attach(pulumi.ResourceTransformationArgs(resource, kind, "name", {}, opts))
    assert (result is not None) == explained
