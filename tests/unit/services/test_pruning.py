"""What leaves the configuration leaves the cluster, and nothing else does."""

import os
import subprocess
from pathlib import Path

import pytest

from a1platform.services.builders import KINDS, service_objects
from a1platform.services.pruning import AUTOSCALERS, DECLARED, handover_script, inventory, prune_script
from a1platform.services.resolve import NAMESPACE, resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import ServicesSettings
from tests.shell import shellcheck

SERVICES = resolve(ServicesSettings())
OBJECTS = [*shared_objects(SERVICES), *(one for args in SERVICES for one in service_objects(args))]
LISTED = inventory(OBJECTS, NAMESPACE)["metadata"]["annotations"][DECLARED]
PRUNE, HANDOVER = prune_script(NAMESPACE, LISTED), handover_script(NAMESPACE, "mcp-gateway")
KUBECTL = """\
#!/bin/bash
echo "$*" >> "$0.asked"
case "$*" in
*" delete "*) echo "deleted $5" ;;
*servicemonitor*) echo "error: the server doesn't have a resource type \\"servicemonitor\\"" >&2; exit 1 ;;
*"get deployment.apps"*) printf 'mcp-gateway  <none>\\nmcp-gone  <none>\\nmcp-owned  Other\\n' ;;
*"get resourcequota"*) printf 'services   <none>\\nold-quota   <none>\\n' ;;
*"get role.rbac"*) echo 'Warning: this kind is old' >&2 ;;
*"get customresourcedefinition"*) exit "${CRD:-0}" ;;
esac
"""


def _run(script: str, folder: Path, kubectl: str = KUBECTL, **environment: str) -> tuple[int, list[str]]:
    program = folder / "k3s"
    program.write_text(kubectl)
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-s"],
        input=script.replace("/usr/local/bin/k3s", str(program)),
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (folder / "k3s.asked").read_text().splitlines()


def _deleted(asked: list[str]) -> list[str]:
    head = f"kubectl --namespace {NAMESPACE} delete "
    return [line.removeprefix(head) for line in asked if line.startswith(head)]


def test_what_is_declared_or_owned_by_another_stays_and_all_else_of_ours_goes(tmp_path: Path) -> None:
    status, asked = _run(PRUNE, tmp_path)
    assert status == 0
    assert _deleted(asked) == [
        "resourcequota old-quota --ignore-not-found",
        "deployment.apps mcp-gone --ignore-not-found",
    ]


def test_only_objects_with_our_labels_of_our_kinds_are_looked_at_and_autoscalers_are_left_to_pulumi(
    tmp_path: Path,
) -> None:
    _, asked = _run(PRUNE, tmp_path)
    gets = [line.split() for line in asked if " get " in line]
    assert all(
        "app.kubernetes.io/managed-by=a1platform,app.kubernetes.io/part-of=a1platform" in one for one in gets
    )
    kinds = {one[one.index("get") + 1] for one in gets}
    assert len(kinds) == len(KINDS) - len(AUTOSCALERS)
    assert not [one for one in kinds if "scale" in one]


def test_an_answer_that_does_not_come_fails_the_run_so_that_the_next_one_tries_again(tmp_path: Path) -> None:
    status, asked = _run(PRUNE, tmp_path, "#!/bin/bash\necho $* >> $0.asked\necho refused >&2\nexit 1\n")
    assert (status, _deleted(asked)) == (1, [])


def test_the_inventory_lists_every_object_once_as_kubectl_names_it() -> None:
    lines = LISTED.splitlines()
    assert len(set(lines)) == len(lines) == len(OBJECTS)
    assert {"service/mcp-gateway-pods", "deployment.apps/mcp-gateway", "resourcequota/services"} <= set(lines)
    assert "horizontalpodautoscaler.autoscaling/mcp-config" in lines


def test_the_inventory_is_no_object_that_it_could_delete() -> None:
    assert inventory(OBJECTS, NAMESPACE)["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "pulumi"


def test_kedas_object_goes_with_the_autoscaler_that_it_owns_before_a_plain_one_comes(tmp_path: Path) -> None:
    status, asked = _run(HANDOVER, tmp_path)
    assert status == 0
    wanted = "scaledobject.keda.sh mcp-gateway --ignore-not-found --cascade=foreground --timeout=60s"
    assert _deleted(asked) == [wanted]


def test_on_a_cluster_that_never_had_keda_nothing_is_handed_over(tmp_path: Path) -> None:
    status, asked = _run(HANDOVER, tmp_path, CRD="1")
    assert (status, _deleted(asked)) == (0, [])


@pytest.mark.parametrize("script", [PRUNE, HANDOVER])
def test_the_scripts_pass_shellcheck(script: str) -> None:
    assert shellcheck(script) == ""
