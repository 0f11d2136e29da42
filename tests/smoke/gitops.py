"""Argo CD's Applications as a check needs them: how they are, a look at the repository now, and a pause."""

import contextlib
from collections.abc import Iterator
from typing import Any

import kr8s
from kr8s.objects import new_class

from a1platform.delivery.argocd import NAMESPACE
from tests.smoke.conftest import listed
from tests.smoke.rest import Manifest
from tests.smoke.wait import eventually

Application = new_class("Application", "argoproj.io/v1alpha1", asyncio=False, namespaced=True)
AppProject = new_class("AppProject", "argoproj.io/v1alpha1", asyncio=False, namespaced=True)
_REFRESH = "argocd.argoproj.io/refresh"
_PAUSE = "argocd.argoproj.io/skip-reconcile"


def applications(api: kr8s.Api) -> dict[str, Manifest]:
    """Return every Application by name; none where Argo CD is not installed."""
    with contextlib.suppress(kr8s.NotFoundError, kr8s.ServerError, ValueError):
        return {one.name: one.raw for one in listed(Application, api, namespace=NAMESPACE)}
    return {}


def state(application: Manifest) -> tuple[str, str]:
    """Return how an Application stands to its repository, and the health of what it holds."""
    status = application.get("status", {})
    return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")


def look(api: kr8s.Api, name: str, how: str = "normal") -> Manifest:
    """Have Argo CD compare an Application with its repository now, and return it once that is done.

    Args:
        api: The cluster.
        name: The Application.
        how: `hard` renders the manifests anew, whatever is cached.
    """
    one: Any = Application.get(name, namespace=NAMESPACE, api=api)
    one.annotate({_REFRESH: how})

    def seen() -> Manifest:
        one.refresh()
        found: Manifest = one.raw
        return found

    done = eventually(seen, 60, wanted=lambda raw: _REFRESH not in raw["metadata"].get("annotations", {}))
    assert _REFRESH not in done["metadata"].get("annotations", {}), f"Argo CD does not look at {name}"
    return done


@contextlib.contextmanager
def paused(api: kr8s.Api, name: str) -> Iterator[None]:
    """Have Argo CD leave alone for a while what an Application holds; nothing where it does not deliver.

    Args:
        api: The cluster.
        name: The Application: a service, or `shared`.
    """
    if name not in applications(api):
        yield
        return
    one: Any = Application.get(name, namespace=NAMESPACE, api=api)
    one.annotate({_PAUSE: "true"})
    try:
        yield
    finally:
        one.patch({"metadata": {"annotations": {_PAUSE: None, _REFRESH: "normal"}}})
