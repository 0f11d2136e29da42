"""Faults that a run must survive: a clear message, nothing lost, and `up` succeeds once the fault is gone.

The tests stand in the order of an installation and share one node, so each begins where the last has ended.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from a1platform.bundle import load
from a1platform.naming import PROJECT
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node, reboot
from sandbox.node.keys import key_pair
from sandbox.node.network import bridge_address
from sandbox.progress import to_terminal
from tests.sandbox.deployment import DESTROY, UP, Deployment, deployment, traces
from tests.sandbox.faults import K3S_BEGINS, Lab, Releases, copy_of, cut_power, random_moments

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(1200)]
_KILLS = int(os.environ.get("A1_KILLS", "2"))
_TRIES = 4
# The shortest from the start of K3s to the end of its installation.
_INSTALLING_SECONDS = 6.0
_NO_SUCH_FLAG = "no-such-flag"


@pytest.fixture(scope="module")
def lab(cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A configured stack and a node that nothing has touched yet."""
    return Lab(deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, str]:
    return traces(lab.deployment)


@pytest.fixture(scope="module")
def without_k3s(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The deployment with a bundle that holds the images alone, so that the node downloads K3s."""
    folder = copy_of(
        lab.deployment.bundle, tmp_path_factory.mktemp("images"), lambda listed: listed.pop("k3s")
    )
    return dataclasses.replace(lab.deployment, bundle=folder)


def test_a_key_that_the_host_does_not_know_is_refused_with_what_to_do(
    lab: Lab, before: dict[str, str], tmp_path: Path
) -> None:
    node = dataclasses.replace(lab.deployment.node, private_key=key_pair(tmp_path / "other").path)
    dataclasses.replace(lab.deployment, node=node).configure()
    said = lab.refused()
    assert "unable to authenticate" in said
    assert "a1-preflight: the host refuses the key" in said
    assert traces(lab.deployment) == before


def test_a_host_that_cannot_be_reached_is_named_with_what_to_do(lab: Lab) -> None:
    nobody = lab.deployment.node.address.rpartition(".")[0] + ".254"
    node = dataclasses.replace(lab.deployment.node, address=nobody)
    dataclasses.replace(lab.deployment, node=node).configure()
    said = lab.refused()
    assert "a1-preflight: the host does not answer" in said
    assert "Traceback" not in said


def test_a_bundle_with_a_changed_file_is_refused_before_the_host_is_touched(
    lab: Lab, before: dict[str, str], tmp_path: Path
) -> None:
    changed = copy_of(lab.deployment.bundle, tmp_path / "bundle", lambda _: None)
    (changed / "k3s" / "k3s").unlink()
    (changed / "k3s" / "k3s").write_text("another program")
    dataclasses.replace(lab.deployment, bundle=changed).configure()
    said = lab.refused()
    assert "k3s/k3s is not the file that bundle.json describes; make the bundle again" in said
    assert traces(lab.deployment) == before


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("missing file", "could not download k3s: curl: (22) The requested URL returned error: 404"),
        ("cut connection", "could not download k3s: curl: (18)"),
        pytest.param("silence", "could not download k3s: curl: (28)", marks=pytest.mark.long),
        ("wrong digest", f"expected {'0' * 64}. Nothing was changed"),
    ],
)
def test_a_release_that_is_not_what_it_should_be_is_refused_before_k3s_is_touched(
    lab: Lab, without_k3s: Deployment, engine: Engine, fault: str, sentence: str
) -> None:
    releases = Releases(lab.deployment.bundle / "k3s" / "k3s", fault)
    with releases.served(bridge_address(engine)) as url:
        without_k3s.configure(lambda config: config[f"{PROJECT}:k3s"].update(releaseUrl=url))
        said = lab.refused()
    assert sentence in said
    touched = "/etc/rancher /etc/systemd/system/k3s.service /usr/local/bin/k3s"
    began = "/var/lib/a1/host-changes/k3s/download"
    assert lab.deployment.on_node(f"ls -d {touched} {began} 2>/dev/null") == ""


def _names_the_full_disk(lab: Lab, folder: str) -> bool:
    """Tell whether `up` says that a folder's disk is full, and leaves no part of a file behind."""
    lab.deployment.configure()
    lab.deployment.on_node(f"mkdir -p {folder} && mount -t tmpfs -o size=1m,mode=777 none {folder}")
    try:
        assert "its disk is full or read-only. Free space there" in lab.refused()
        return lab.deployment.on_node("find /var/lib/rancher /usr/local/bin -name *.a1-new") == ""
    finally:
        lab.deployment.on_node(f"umount {folder}; rmdir --ignore-fail-on-non-empty {folder}")


@pytest.mark.parametrize("folder", ["/home/a1/.a1-upload", "/usr/local/bin"])
def test_a_full_disk_is_named_as_such_and_leaves_no_part_of_a_file(lab: Lab, folder: str) -> None:
    assert _names_the_full_disk(lab, folder)


def test_up_succeeds_on_what_failed_runs_have_left(lab: Lab) -> None:
    lab.deployment.configure()
    lab.succeeds()
    assert lab.converged()


def test_destroy_undoes_what_failed_runs_and_the_one_that_succeeded_have_left(
    lab: Lab, before: dict[str, str]
) -> None:
    lab.succeeds(*DESTROY)
    assert traces(lab.deployment) == before


def test_destroy_undoes_what_a_run_that_failed_in_the_middle_has_left(
    lab: Lab, before: dict[str, str]
) -> None:
    assert _names_the_full_disk(lab, "/var/lib/rancher/k3s/agent/images")
    lab.succeeds(*DESTROY)
    assert traces(lab.deployment) == before


def test_a_first_configuration_that_k3s_refuses_shows_why(lab: Lab) -> None:
    def break_it(config: dict[str, Any]) -> None:
        config[f"{PROJECT}:k3s"]["extraConfig"]["kube-apiserver-arg"] = [f"{_NO_SUCH_FLAG}=1"]

    lab.deployment.configure(break_it)
    said = lab.refused()
    assert _NO_SUCH_FLAG in said
    assert "it has never been ready on this node. Correct the settings, then run up again" in said
    lab.deployment.configure()


def test_up_succeeds_after_the_connection_was_cut_during_the_install(
    lab: Lab, without_k3s: Deployment, engine: Engine
) -> None:
    with Releases(lab.deployment.bundle / "k3s" / "k3s").served(bridge_address(engine)) as url:
        without_k3s.configure(lambda config: config[f"{PROJECT}:k3s"].update(releaseUrl=url))
        said = lab.refused_while(K3S_BEGINS, lab.cut_connections)
        assert "cluster-a1-k3s: the connection was cut in the middle" in said
        lab.succeeds()
        assert lab.converged()


@pytest.mark.parametrize("source", [pytest.param("release", marks=pytest.mark.long), "bundle"])
def test_up_succeeds_after_power_was_cut_during_the_install(
    lab: Lab, without_k3s: Deployment, engine: Engine, group: str, source: str
) -> None:
    def restart() -> None:
        time.sleep(random_moments(1)[0] * _INSTALLING_SECONDS)
        cut_power(engine, lab.deployment.node, group)
        reboot(engine, "a1", group)

    lab.succeeds(*DESTROY)
    with Releases(lab.deployment.bundle / "k3s" / "k3s").served(bridge_address(engine)) as url:
        if source == "release":
            without_k3s.configure(lambda config: config[f"{PROJECT}:k3s"].update(releaseUrl=url))
        else:
            lab.deployment.configure()
        said = lab.refused_while(K3S_BEGINS, restart)
        assert "cluster-a1-k3s: the connection was cut in the middle" in said
        # At boot, where nobody has asked yet whether it gets ready.
        lab.wait_until("systemctl is-active --quiet k3s")
        lab.succeeds()
        assert lab.converged()


@pytest.mark.long
def test_a_configuration_that_k3s_refuses_goes_also_when_the_connection_was_cut_meanwhile(lab: Lab) -> None:
    def break_it(config: dict[str, Any]) -> None:
        config[f"{PROJECT}:k3s"]["extraConfig"]["kube-apiserver-arg"] = [f"{_NO_SUCH_FLAG}=1"]

    lab.deployment.configure()
    lab.succeeds()
    lab.deployment.configure(break_it)
    said = lab.refused_while(K3S_BEGINS, lab.cut_connections)
    lab.deployment.configure()
    assert "cluster-a1-k3s: the connection was cut in the middle" in said
    # By what the node goes on with alone.
    gone = f"! grep -q {_NO_SUCH_FLAG} /etc/rancher/k3s/config.yaml"
    lab.wait_until(f"{gone} && systemctl is-active --quiet k3s")
    lab.succeeds()
    assert lab.converged()


@pytest.mark.long
def test_what_came_with_a_configuration_that_k3s_refuses_goes_and_the_previous_state_goes_on(
    lab: Lab,
) -> None:
    added = "/etc/rancher/k3s/added.yaml"

    def break_it(config: dict[str, Any]) -> None:
        file = {"path": added, "content": "one: 1\n", "mode": "0600"}
        config[f"{PROJECT}:k3s"]["extraFiles"].append(file)
        config[f"{PROJECT}:k3s"]["extraConfig"]["kube-apiserver-arg"] = [f"{_NO_SUCH_FLAG}=1"]

    lab.deployment.configure()
    lab.succeeds()
    lab.deployment.configure(break_it)
    said = lab.refused()
    lab.deployment.configure()
    assert _NO_SUCH_FLAG in said
    assert "K3s runs with its previous configuration again" in said
    assert lab.deployment.on_node(f"test -e {added} || systemctl is-active k3s") == "active"
    lab.succeeds()
    assert lab.converged()


def test_a_k3s_that_is_not_ours_is_refused_and_nothing_of_it_is_touched(
    lab: Lab, before: dict[str, str]
) -> None:
    lab.succeeds(*DESTROY)
    lab.deployment.on_node(
        "mkdir -p /var/lib/rancher/k3s/server && echo theirs >/var/lib/rancher/k3s/server/token"
    )
    try:
        assert "data of another K3s: found /var/lib/rancher, expected none" in lab.refused()
        lab.succeeds(*DESTROY)
        assert lab.deployment.on_node("cat /var/lib/rancher/k3s/server/token") == "theirs"
    finally:
        lab.deployment.on_node("rm -rf /var/lib/rancher/k3s")
    assert traces(lab.deployment) == before


@pytest.mark.timeout(1200 + 300 * _KILLS)
def test_up_converges_after_pulumi_was_killed_at_a_random_moment(lab: Lab) -> None:
    if _KILLS > 2:
        lab.deployment.configure(partial(_add_gatekeeper, lab.deployment.bundle))
    up = _seconds(lab.succeeds)
    destroy = _seconds(partial(lab.succeeds, *DESTROY))
    for index, moment in enumerate(random_moments(_KILLS)):
        to_terminal(f"kill {index + 1} of {_KILLS}")
        # One that has come too late is tried again, earlier.
        moments = [moment / 2**times for times in range(_TRIES)]
        if index % 3 != 2:
            # Even where there are few kills, one is in the middle of what is hardest to do again.
            after: Sequence[float | str] = [up * one for one in moments] if index else [K3S_BEGINS]
            assert _is_killed(lab, DESTROY, UP, after)
        else:
            assert _is_killed(lab, UP, DESTROY, [destroy * one for one in moments])
        lab.succeeds()
        assert lab.converged(), f"kill {index + 1} of {_KILLS}"


def _add_gatekeeper(bundle: Path, config: dict[str, Any]) -> None:
    """Have a run bring images and a Helm release too, where the bundle has them."""
    config[f"{PROJECT}:platform"].update(gatekeeper={"enabled": "gatekeeper" in load(bundle).parts})
    # Objects without images, which would only make each run longer.
    config[f"{PROJECT}:policies"] = {"enabled": False}


def _seconds(run: Callable[[], object]) -> float:
    start = time.monotonic()
    run()
    return time.monotonic() - start


def _is_killed(
    lab: Lab, before: Sequence[str], command: Sequence[str], moments: Sequence[float | str]
) -> bool:
    """Run one command to its end and kill another, at the first of the moments at which it still runs."""
    for moment in moments:
        lab.succeeds(*before)
        if lab.kill(*command, after=moment):
            return True
    return False


def test_up_puts_back_what_a_destroy_that_was_killed_has_taken(lab: Lab) -> None:
    # The plugin outlives a killed `pulumi` and ends what it had begun; the state does not hold that any more.
    before = lab.deployment.on_node("ls /var/lib/rancher/k3s/agent/images")
    lab.deployment.on_node("rm /var/lib/rancher/k3s/agent/images/*")
    lab.succeeds()
    assert "k3s images: found absent" in lab.said[-1]
    assert lab.deployment.on_node("ls /var/lib/rancher/k3s/agent/images") == before
    assert lab.converged()


def test_no_secret_is_in_anything_that_was_said_or_is_kept(lab: Lab) -> None:
    secrets = _secrets(lab.deployment)
    backend = Path(lab.deployment.stack.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    kept = {str(path): path.read_text(errors="replace") for path in backend.rglob("*") if path.is_file()}
    assert len(kept) > 3
    # Without the binary that is kept there.
    kept_there = "grep --recursive --binary-files=without-match --no-filename . /var/lib/a1"
    journal = lab.deployment.on_node(f"journalctl --no-pager --output cat; {kept_there}")
    for name, secret in secrets.items():
        for said in lab.said:
            assert secret not in said, f"{name} in the output of a run"
        for path, text in kept.items():
            assert secret not in text, f"{name} in {path}"
        assert secret not in journal, f"{name} in what the node keeps"


def _secrets(deployment: Deployment) -> dict[str, str]:
    outputs = deployment.stack.outputs()
    kubeconfig = str(outputs["kubeconfig"])
    found = {
        "the SSH key": deployment.node.private_key.read_text().splitlines()[2],
        "the token": deployment.on_node("cat /var/lib/rancher/k3s/server/token").rsplit(":", 1)[-1],
        "the client's key": next(
            line.split()[-1] for line in kubeconfig.splitlines() if "client-key-data" in line
        ),
        "the API key": str(outputs["apiKey"]),
        "the passphrase": Path(deployment.stack.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text(),
    }
    assert all(len(secret) > 12 for secret in found.values())
    return found


def test_a_node_that_is_gone_for_good_is_forgotten_by_a_switch(lab: Lab, engine: Engine, group: str) -> None:
    cut_power(engine, lab.deployment.node, group)
    said = lab.refused(*DESTROY)
    assert "set a1platform:nodeIsGone to true and run `make down`" in said
    lab.deployment.configure(lambda config: config.update({f"{PROJECT}:nodeIsGone": True}))
    assert lab.deployment.stack.node_is_gone()
    lab.deployment.stack.retain_everything()
    lab.succeeds(*DESTROY)
    lab.deployment.stack.remove()
