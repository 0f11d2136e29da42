"""Argo CD's Applications as a check needs them: how they are, and a look at the repository now."""

import contextlib
from pathlib import Path
from typing import Any

import kr8s
from kr8s.objects import new_class

from a1platform.cli.stack_file import StackFile
from a1platform.delivery.argocd import NAMESPACE
from a1platform.settings.services import Delivery
from tests.smoke.conftest import Outputs, listed
from tests.smoke.rest import Manifest
from tests.smoke.wait import eventually

Application = new_class("Application", "argoproj.io/v1alpha1", asyncio=False, namespaced=True)
AppProject = new_class("AppProject", "argoproj.io/v1alpha1", asyncio=False, namespaced=True)
_REFRESH = "argocd.argoproj.io/refresh"


def delivers(stack_file: Path, outputs: Outputs) -> bool:
    """Tell whether Argo CD is to deliver the services, whatever of it is there.

    Args:
        stack_file: The stack's configuration.
        outputs: What the stack tells.
    """
    return StackFile(stack_file).services().delivery is Delivery.ARGOCD and bool(outputs.services)


def applications(api: kr8s.Api) -> dict[str, Manifest]:
    """Return every Application by name; none where Argo CD is not installed."""
    with contextlib.suppress(kr8s.NotFoundError, kr8s.ServerError, ValueError):
        return {one.name: one.raw for one in listed(Application, api, namespace=NAMESPACE)}
    return {}


def state(application: Manifest) -> tuple[str, str]:
    """Return how an Application stands to its repository, and the health of what it holds."""
    status = application.get("status", {})
    return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")


def look(api: kr8s.Api, *names: str, how: str = "normal") -> dict[str, Manifest]:
    """Have Argo CD compare Applications with their repository now, and return them once that is done.

    Args:
        api: The cluster.
        names: The Applications.
        how: `hard` renders the manifests anew, whatever is cached.
    """
    for name in names:
        one: Any = Application.get(name, namespace=NAMESPACE, api=api)
        one.annotate({_REFRESH: how})

    def seen() -> dict[str, Manifest]:
        return {name: one for name, one in applications(api).items() if name in names}

    done = eventually(seen, 120, wanted=lambda found: not _unseen(found))
    assert _unseen(done) == [], "Argo CD does not look at them"
    return done


def _unseen(found: dict[str, Manifest]) -> list[str]:
    return [name for name, one in found.items() if _REFRESH in one["metadata"].get("annotations", {})]
