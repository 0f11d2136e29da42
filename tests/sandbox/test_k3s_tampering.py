"""What somebody has changed at the K3s of a hardened node: named by the audit, and repaired by `up`."""

import pytest

from tests.sandbox.deployment import DESTROY, UP, Deployment, assert_repaired, audit
from tests.sandbox.snapshot import differences, snapshot
from tests.sandbox.tampering import TAMPER_K3S, TAMPER_K3S_MODES

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("what", TAMPER_K3S_MODES)
def test_another_mode_of_a_file_of_k3s_is_named_by_the_audit_and_repaired_by_up_without_a_restart(
    hardened: Deployment, what: str
) -> None:
    command, concern = TAMPER_K3S_MODES[what]
    assert_repaired(hardened, command, concern)


@pytest.mark.parametrize("what", TAMPER_K3S)
def test_what_was_tampered_with_at_k3s_is_named_by_the_audit_and_repaired_by_up(
    hardened: Deployment, what: str
) -> None:
    command, concern = TAMPER_K3S[what]
    hardened.on_node(command)
    found = [deviation for deviation in audit(hardened) if deviation.concern == concern]
    assert found
    assert all(deviation.since.endswith("Z") for deviation in found)
    hardened.stack.read(*UP)
    assert audit(hardened) == ()
    hardened.stack.read(*UP, "--expect-no-changes")


def test_an_archive_beside_the_images_of_k3s_is_named_by_the_audit_alone(hardened: Deployment) -> None:
    file = "/var/lib/rancher/k3s/agent/images/other.tar"
    hardened.on_node(f"touch {file}")
    try:
        assert {deviation.concern: deviation.found for deviation in audit(hardened)} == {
            "k3s images beside ours": file
        }
        hardened.stack.read(*UP, "--expect-no-changes")
    finally:
        hardened.on_node(f"rm {file}")


def test_destroy_gives_the_host_back_as_it_was_before_anybody_tampered_with_it(
    hardened: Deployment, before: dict[str, str]
) -> None:
    hardened.stack.read(*DESTROY)
    assert differences(before, snapshot(hardened.node)) == []
