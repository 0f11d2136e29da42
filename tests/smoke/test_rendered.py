"""What `a1 render` writes is what the cluster takes: dry runs, which go through admission only."""

import pytest
import yaml

from a1platform.services.model import Capabilities
from a1platform.services.render import manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import GitopsSettings, ServicesSettings
from tests.smoke.conftest import Outputs
from tests.smoke.rest import Manifest, Rest

pytestmark = [pytest.mark.smoke, pytest.mark.part("mcp-services")]

_LEFT_OUT = "left out"
_KUSTOMIZATION = "kustomization.yaml"
_ROOT = "root"


def _is_there(outputs: Outputs, part: str) -> bool:
    return not outputs.parts.get(part, _LEFT_OUT).startswith(_LEFT_OUT)


def _objects(outputs: Outputs) -> dict[str, Manifest]:
    """Return what is rendered for the parts that are installed, by path."""
    offered = Capabilities(keda=_is_there(outputs, "keda"), monitoring=_is_there(outputs, "monitoring"))
    files = manifest_files(resolve(ServicesSettings(), offered), GitopsSettings())
    return {
        path: yaml.safe_load(text)
        for path, text in files.items()
        if not path.endswith(_KUSTOMIZATION)
        and (_is_there(outputs, "argo-cd") or not path.startswith(f"{_ROOT}/"))
    }


def test_the_cluster_accepts_every_rendered_object(rest: Rest, outputs: Outputs) -> None:
    objects = _objects(outputs)
    assert len(objects) > len(outputs.services)
    answers = {path: rest.dry_run(one) for path, one in objects.items()}
    assert {path: one.message for path, one in answers.items() if not one.admitted} == {}
