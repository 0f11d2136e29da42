"""Every service with its fewest pods, and no autoscaler that adds some while a test runs.

The fewest pods are the hardest case, and a small node has no room for the pods that a load would add.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import kr8s
from kr8s.objects import Deployment, HorizontalPodAutoscaler, new_class

from a1platform.delivery.argocd import NAMESPACE as ARGO_CD
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import listed
from tests.smoke.gitops import Application, applications
from tests.smoke.wait import eventually

ScaledObject = new_class("ScaledObject", "keda.sh/v1alpha1", asyncio=False, namespaced=True)
_SKIP = "argocd.argoproj.io/skip-reconcile"
_WITHIN_SECONDS = 300


@contextlib.contextmanager
def left_alone(api: kr8s.Api, *names: str) -> Iterator[None]:
    """Keep Argo CD, where it delivers these, from putting back what a test changes."""
    there = [name for name in names if name in applications(api)]
    _skip(api, there, "true")
    try:
        yield
    finally:
        _skip(api, there, None)


def _skip(api: kr8s.Api, names: list[str], value: str | None) -> None:
    for name in names:
        one: Any = Application.get(name, namespace=ARGO_CD, api=api)
        one.patch({"metadata": {"annotations": {_SKIP: value}}})


@contextlib.contextmanager
def held_at_the_least(api: kr8s.Api, *names: str) -> Iterator[None]:
    """Have the fewest pods of these services, and no more, for a while."""
    with left_alone(api, *names):
        before = [(one, *_bounds(one)) for one in _autoscalers(api) if one.name in names]
        try:
            for one, key, least, _ in before:
                one.patch({"spec": {key: least}})
            await_the_least(api, *names, seconds=_WITHIN_SECONDS)
            yield
        finally:
            for one, key, _, most in before:
                one.patch({"spec": {key: most}})


def await_the_least(api: kr8s.Api, *names: str, seconds: float) -> None:
    """Wait until these services have their fewest pods, all of them available.

    Args:
        api: The cluster.
        names: The services.
        seconds: How long; an autoscaler gives the pods of an earlier load back within twenty minutes.
    """
    bounds = {one.name: _bounds(one)[1] for one in _autoscalers(api)}
    wanted = {name: bounds[name] for name in names if name in bounds}
    others = eventually(lambda: _more_or_fewer(api, wanted), seconds, wanted=lambda seen: not seen, every=2)
    assert others == {}, f"not at their fewest pods: {others}"


def _autoscalers(api: kr8s.Api) -> list[Any]:
    """Return what says how many pods there may be: KEDA's objects, and autoscalers made from none of them."""
    plain = [
        one
        for one in listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
        if not one.raw["metadata"].get("ownerReferences")
    ]
    with contextlib.suppress(kr8s.NotFoundError, kr8s.ServerError, ValueError):
        return [*listed(ScaledObject, api, namespace=NAMESPACE), *plain]
    return plain


def _bounds(autoscaler: Any) -> tuple[str, int, int]:  # noqa: ANN401 - kr8s has no common base
    """Return the key of the most pods, the fewest, and the most."""
    spec = autoscaler.raw["spec"]
    if "maxReplicaCount" in spec:
        return "maxReplicaCount", spec["minReplicaCount"], spec["maxReplicaCount"]
    return "maxReplicas", spec["minReplicas"], spec["maxReplicas"]


def _more_or_fewer(api: kr8s.Api, wanted: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return the services that have not exactly these pods: asked for, and available."""
    found = {}
    for one in listed(Deployment, api, namespace=NAMESPACE):
        if one.name in wanted:
            seen = (one.raw["spec"]["replicas"], one.raw["status"].get("availableReplicas", 0))
            if seen != (wanted[one.name],) * 2:
                found[one.name] = seen
    return found
