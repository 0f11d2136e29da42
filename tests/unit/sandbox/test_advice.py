"""What a person is told to do about an error of a plugin."""

import pytest

from sandbox.advice import advice

_OUTPUT = """\
 +  command:remote:Command a1-preflight **creating failed** error: connection refused
Diagnostics:
  command:remote:Command (a1-preflight):
    error: after 4 failed attempts: {error}

  pulumi:pulumi:Stack (a1platform-test):
    error: update failed
"""


@pytest.mark.parametrize(
    ("error", "help_"),
    [
        ("ssh: handshake failed: ssh: host key mismatch", "another key than the pinned one"),
        ("ssh: unable to authenticate, attempted methods [none publickey]", "refuses the key"),
        ("dial tcp 192.0.2.1:22: connect: connection refused", "does not answer"),
        ("dial tcp 192.0.2.1:22: connect: no route to host", "nodeIsGone"),
        ("wait: remote command exited without exit status or exit signal", "run the command again"),
        ('failed to write remote file x: sftp: "Failure" (SSH_FX_FAILURE)', "disk is full"),
        ("install: error writing x: No space left on device", "disk is full"),
        ("ctr: failed to copy: write /var/lib/rancher/x: no space left on device", "disk is full"),
        (
            'persistentvolumeclaims "jaeger" is forbidden: only dynamically provisioned pvc can be resized',
            "docs/platform.md",
        ),
        ("spec.resources.requests.storage: Forbidden: field can not be less than status.capacity", "smaller"),
    ],
)
def test_an_error_of_a_plugin_comes_with_what_to_do(error: str, help_: str) -> None:
    (line,) = advice(_OUTPUT.format(error=error))
    assert line.startswith("a1-preflight: ")
    assert help_ in line


@pytest.mark.parametrize(
    ("alone", "way", "other"),
    [
        (True, "set a1platform:nodeIsGone to true and run `make down`", "isGone: true"),
        (False, "let its entry in a1platform:nodes say isGone: true and run the command again", "nodeIsGone"),
    ],
)
def test_a_machine_that_is_gone_takes_others_along_only_where_there_are_none(
    way: str, other: str, *, alone: bool
) -> None:
    error = "dial tcp 192.0.2.1:22: connect: no route to host"
    (line,) = advice(_OUTPUT.format(error=error), alone=alone)
    assert way in line
    assert other not in line


def test_a_program_that_does_not_run_on_the_host_is_no_host_that_does_not_answer() -> None:
    error = "ctr: dial unix /run/k3s/containerd/containerd.sock: connect: connection refused"
    assert advice(_OUTPUT.format(error=error)) == []


def test_a_probe_that_a_pod_refuses_is_no_host_that_does_not_answer() -> None:
    error = "mcp-gateway did not become ready\n    probe failed: dial tcp 10.42.0.24:9090: connection refused"
    assert advice(_OUTPUT.format(error=error)) == []


def test_our_own_errors_say_it_themselves() -> None:
    assert advice(_OUTPUT.format(error="vCPUs: found 2, expected at least 8")) == []


def test_only_the_diagnostics_count() -> None:
    assert advice(_OUTPUT.partition("Diagnostics:")[0]) == []
