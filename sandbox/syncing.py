"""Wait until Argo CD has brought a commit of the sandbox's repository into the cluster."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import kr8s
from httpx import TransportError
from kr8s.objects import new_class

from a1platform.delivery import argocd
from sandbox.progress import Progress, step

_WITHIN_SECONDS = 900
_LOOKS_EVERY_SECONDS = 2
_TELLS_EVERY_SECONDS = 15
_REFRESH = "argocd.argoproj.io/refresh"
_Application = new_class("Application", "argoproj.io/v1alpha1", asyncio=False)


class SyncError(RuntimeError):
    """Argo CD did not get there; the text names each Application that did not, and what it says."""


def await_synced(
    kubeconfig: Path, commit: str, names: Sequence[str], explain: Callable[[], str], progress: Progress
) -> None:
    """Wait until these Applications have the commit, every object as it says, and all of them healthy.

    Args:
        kubeconfig: The cluster's.
        commit: What is on the branch that they follow.
        names: The Applications; each is there once the root Application has made it.
        explain: Says what the cluster knows of the pods that are not ready.
        progress: Takes a line when there is something to wait for, and one now and then.

    Raises:
        SyncError: They are not, after 15 minutes.
    """
    if not _look(kubeconfig, commit, names):
        return
    with step(progress, f"Argo CD is syncing commit {commit[:12]}"):
        deadline, told = time.monotonic() + _WITHIN_SECONDS, time.monotonic()
        while missing := _look(kubeconfig, commit, names):
            if time.monotonic() > deadline:
                raise SyncError("\n".join(("Argo CD did not get there:", *missing, explain())))
            if time.monotonic() > told + _TELLS_EVERY_SECONDS:
                told = time.monotonic()
                progress(f"Argo CD: {missing[0]}" + (f", and {len(missing) - 1} more" if missing[1:] else ""))
            time.sleep(_LOOKS_EVERY_SECONDS)


def missing_to(commit: str, names: Sequence[str], applications: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say, one line an Application, what keeps it from having a commit, synced and healthy.

    Args:
        commit: The commit.
        names: The Applications.
        applications: Those that there are, by name.
    """
    said = {name: _state(commit, applications.get(name)) for name in names}
    return [f"{name}: {state}" for name, state in said.items() if state]


def _state(commit: str, application: Mapping[str, Any] | None) -> str:
    if application is None:
        return "not there yet"
    status = application.get("status", {})
    sync, health = status.get("sync", {}), status.get("health", {})
    revision = sync.get("revision", "")
    found = (sync.get("status", "Unknown"), health.get("status", "Unknown"))
    if found == ("Synced", "Healthy") and revision == commit:
        return ""
    words = [" and ".join(found), f"at {revision[:12] or 'no commit'}"]
    words += [condition["message"] for condition in status.get("conditions", [])]
    words += [
        f"{one['kind']} {one['name']} {one['health'].get('message') or one['health']['status']}"
        for one in status.get("resources", [])
        if one.get("health", {}).get("status", "Healthy") != "Healthy"
    ]
    if status.get("operationState", {}).get("phase") in {"Failed", "Error"}:
        words.append(status["operationState"].get("message", ""))
    return "; ".join(words)


def _look(kubeconfig: Path, commit: str, names: Sequence[str]) -> list[str]:
    """Return what is missing; what stands at an older commit is told to look at the repository at once."""
    try:
        # The same object each time; the first one asks the API server for its version.
        api: kr8s.Api = kr8s.api(kubeconfig=str(kubeconfig))
        # kr8s types its items as objects or plain dictionaries.
        found: list[Any] = list(_Application.list(api=api, namespace=argocd.NAMESPACE))
    except (kr8s.ServerError, kr8s.APITimeoutError, kr8s.ConnectionClosedError, TransportError) as error:
        return [f"the API server does not answer: {error}"]
    for one in found:
        behind = one.raw.get("status", {}).get("sync", {}).get("revision") != commit
        if one.name in names and behind and _REFRESH not in one.annotations:
            one.annotate({_REFRESH: "normal"})
    return missing_to(commit, names, {one.name: one.raw for one in found})
