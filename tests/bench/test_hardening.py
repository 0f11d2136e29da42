"""What hardening a bare node costs, and what it is worth by Lynis."""

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from a1platform.naming import PROJECT
from a1platform.node.connection import connected, run_script
from a1platform.node.hardening import GROUP, changes
from a1platform.node.host_change import render_script
from a1platform.settings.node import HardeningSettings, NodeSettings
from sandbox.engine import Engine
from sandbox.node import Node
from sandbox.stack_settings import stack_settings
from tests.bench.conftest import Figures, seconds

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

_APPLY_SECONDS = 10
_LYNIS_INDEX = 80


@pytest.fixture(scope="module")
def bare(start_node: Callable[[str], Node]) -> tuple[Node, NodeSettings, str]:
    """A bare node, its settings and the script that hardens it."""
    node = start_node("hardened")
    config: dict[str, Any] = stack_settings([node])["config"]
    hardening = config[f"{PROJECT}:hardening"]
    del hardening["updates"]
    settings = NodeSettings.model_validate(config[f"{PROJECT}:nodes"][0])
    declared = changes(HardeningSettings.model_validate(hardening), settings.user)
    return node, settings, render_script(declared, GROUP)


@pytest.fixture(scope="module")
def lynis(
    engine: Engine, group: str, bare: tuple[Node, NodeSettings, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], int] | None:
    """A function that runs Lynis, brought from its Debian package, and returns its index; none without it."""
    folder = tmp_path_factory.mktemp("lynis")
    folder.chmod(0o755)
    if not shutil.which("apt-get"):
        return None
    got = subprocess.run(["apt-get", "download", "--quiet=2", "lynis"], cwd=folder, check=False)
    packages = list(folder.glob("lynis_*.deb"))
    if got.returncode or not packages:
        return None
    subprocess.run(["dpkg-deb", "--extract", str(packages[0]), str(folder / "root")], check=True)
    # Not its units, as /lib is a link on the node.
    wanted = ["usr/sbin/lynis", "usr/share/lynis", "etc/lynis"]
    packed = subprocess.run(
        ["tar", "-C", str(folder / "root"), "-cf", "-", *wanted], capture_output=True, check=True
    )
    engine.run("cp", "-", f"a1-sandbox-{group}.{bare[0].name}:/", given=packed.stdout)

    def index() -> int:
        with bare[0].connect() as client:
            command = "sudo -n /usr/sbin/lynis audit system --quick --no-colors"
            _, output, _ = client.exec_command(command, timeout=600)
            found = re.search(r"Hardening index : (\d+)", output.read().decode(errors="replace"))
            assert found
            return int(found[1])

    return index


def test_hardening_is_quick_and_worth_it(
    bare: tuple[Node, NodeSettings, str], lynis: Callable[[], int] | None, figures: Figures
) -> None:
    _, settings, script = bare
    before = lynis() if lynis else None
    answers = []
    with connected(settings) as client:
        taken = seconds(lambda: answers.append(run_script(client, settings, script, "apply")))
        again = seconds(lambda: answers.append(run_script(client, settings, script, "apply")))
    assert [answer.status for answer in answers] == [0, 0]
    assert "changed\t" not in answers[1].stdout
    with connected(settings) as client:
        assert run_script(client, settings, script, "confirm").status == 0
        answer = run_script(client, settings, script, "verify")
    assert (answer.status, answer.stdout) == (0, "")
    figures.amount("hardening when nothing changes", round(again, 1), "s")
    within = figures.amount("hardening a bare node", round(taken, 1), "s", _APPLY_SECONDS)
    assert within
    if lynis is None or before is None:
        pytest.skip("hardened in time, but the Debian package lynis cannot be had")
    after = lynis()
    figures.amount("Lynis index of the bare node", before, "")
    figures.amount("Lynis index of the hardened node", after, "")
    assert after >= _LYNIS_INDEX
