"""The API server by plain requests: dry runs, and objects that are there for the length of a check."""

import contextlib
import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx2
import kr8s

Manifest = dict[str, Any]
MANAGER = "a1-smoke"


@dataclass(frozen=True)
class Answer:
    """What the API server said to an object, and what it made of it."""

    status: int
    message: str
    warnings: tuple[str, ...]
    made: Manifest

    @property
    def admitted(self) -> bool:
        """Whether it took the object."""
        return self.status < 300


class Rest:
    """Requests to the API server as the user of the kubeconfig."""

    def __init__(self, client: httpx2.Client) -> None:
        """Send by `client`."""
        self._client = client

    @classmethod
    @contextlib.contextmanager
    def of(cls, api: kr8s.Api) -> Iterator[Self]:
        """Connect as another client does."""
        context = ssl.create_default_context(cafile=str(api.auth.server_ca_file))
        context.load_cert_chain(str(api.auth.client_cert_file), str(api.auth.client_key_file))
        with httpx2.Client(base_url=str(api.auth.server), verify=context, timeout=30) as client:
            yield cls(client)

    def dry_run(self, manifest: Manifest) -> Answer:
        """Apply an object as far as admission goes, and keep nothing of it."""
        return self._apply(manifest, {"dryRun": "All"})

    def apply(self, manifest: Manifest, manager: str = MANAGER) -> None:
        """Make an object what the manifest says.

        Args:
            manifest: The object, with every field that the manager owns.
            manager: In whose name; a change of somebody's object is made in theirs, or they could not change
                that field any more.
        """
        answer = self._apply(manifest, {"fieldManager": manager})
        assert answer.admitted, f"{manifest['kind']} {manifest['metadata']['name']}: {answer.message}"

    def merge(self, manifest: Manifest, change: Manifest) -> None:
        """Change some values of an object that nobody applied them to."""
        kind = "application/merge-patch+json"
        answer = self._patch(_path(manifest), change, kind, {"fieldManager": MANAGER})
        assert answer.admitted, f"{manifest['kind']} {manifest['metadata']['name']}: {answer.message}"

    def get(self, manifest: Manifest) -> Manifest | None:
        """Return an object as it is, or None where there is none."""
        answer = self._client.get(_path(manifest))
        if answer.status_code == 404:
            return None
        found: Manifest = answer.raise_for_status().json()
        return found

    def allowed(
        self, user: str, groups: Sequence[str], right: tuple[str, str, str], *, namespace: str
    ) -> bool:
        """Return whether somebody may do something.

        Args:
            user: Who.
            groups: Of which groups, and no other.
            right: Verb, API group (empty for core) and plural of the kind, a subresource after a slash.
            namespace: Where; empty for what is in none.
        """
        verb, group, resource = right
        kind, _, part = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": kind, "subresource": part}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": list(groups),
                "resourceAttributes": {**attributes, "namespace": namespace},
            },
        }
        told = self._client.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
        return bool(told.raise_for_status().json()["status"]["allowed"])

    def resources(self, version: str) -> list[dict[str, Any]]:
        """Return what the API server knows of a group, such as `apps/v1`; nothing if it does not know it."""
        answer = self._client.get(f"/apis/{version}")
        if answer.status_code == 404:
            return []
        found: list[dict[str, Any]] = answer.raise_for_status().json()["resources"]
        return found

    def knows(self, manifest: Manifest) -> bool:
        """Tell whether the API server knows an object's kind; what a part brings is not there without it."""
        version = manifest["apiVersion"]
        core = "/" not in version
        return core or any(one["kind"] == manifest["kind"] for one in self.resources(version))

    def node_memory(self, name: str) -> dict[str, int]:
        """Return what a node's kubelet says of its memory, in bytes."""
        found: dict[str, int] = self._summary(name)["node"]["memory"]
        return found

    def pods_on(self, name: str) -> list[dict[str, Any]]:
        """Return what a node's kubelet says of each of its pods (`PodStats` of the summary API)."""
        found: list[dict[str, Any]] = self._summary(name)["pods"]
        return found

    def _summary(self, node: str) -> dict[str, Any]:
        told = self._client.get(f"/api/v1/nodes/{node}/proxy/stats/summary").raise_for_status()
        found: dict[str, Any] = told.json()
        return found

    def log(self, pod: Manifest) -> str:
        """Return what a pod has printed."""
        return self._client.get(f"{_path(pod)}/log").raise_for_status().text

    def delete(self, manifest: Manifest) -> None:
        """Delete an object, where there is one."""
        self._client.delete(_path(manifest), params={"propagationPolicy": "Background"})

    def evict(self, pod: Manifest) -> int:
        """Ask that a pod leaves its node, as a drain does, and return the status.

        201 or 200: it goes. 404: it is gone. 429: its disruption budget does not allow it now.
        """
        named = {key: pod["metadata"][key] for key in ("name", "namespace")}
        wish = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
        return self._client.post(f"{_path(pod)}/eviction", json=wish).status_code

    @contextlib.contextmanager
    def applied(self, *manifests: Manifest) -> Iterator[None]:
        """Have objects for a while."""
        try:
            for manifest in manifests:
                self.apply(manifest)
            yield
        finally:
            for manifest in reversed(manifests):
                self.delete(manifest)

    def dry_run_ephemeral(self, pod: Manifest, containers: list[Manifest]) -> Answer:
        """Let ephemeral containers join a pod as far as admission goes."""
        return self._patch(
            f"{_path(pod)}/ephemeralcontainers",
            {"spec": {"ephemeralContainers": containers}},
            "application/strategic-merge-patch+json",
            {"dryRun": "All"},
        )

    def _apply(self, manifest: Manifest, query: dict[str, str]) -> Answer:
        owner = {"fieldManager": MANAGER, "force": "true"}
        return self._patch(_path(manifest), manifest, "application/apply-patch+yaml", {**owner, **query})

    def _patch(self, path: str, content: Manifest, kind: str, query: dict[str, str]) -> Answer:
        answer = self._client.patch(
            path, params=query, content=json.dumps(content), headers={"Content-Type": kind}
        )
        warnings = tuple(answer.headers.get_list("Warning"))
        made: Manifest = answer.json() if answer.is_success else {}
        return Answer(answer.status_code, _message(answer), warnings, made)


def _message(answer: httpx2.Response) -> str:
    """Return what the API server says of a refusal; of a group that it does not know it speaks plain text."""
    if answer.is_success:
        return ""
    told = answer.text.strip()
    with contextlib.suppress(ValueError):
        told = str(answer.json().get("message", told))
    return told


def is_applied(found: Manifest, field: str) -> bool:
    """Tell whether somebody applied a key of an object's `data`; what came as `stringData` nobody did."""
    return any(
        entry["operation"] == "Apply" and f"f:{field}" in entry["fieldsV1"].get("f:data", {})
        for entry in found["metadata"]["managedFields"]
    )


def as_applied(found: Manifest, field: str) -> tuple[str, Manifest]:
    """Return who applied a field of an object, and the object as far as it is theirs.

    Args:
        found: The object, whose values are mappings all the way.
        field: A key of its `data`.
    """
    for entry in found["metadata"]["managedFields"]:
        fields = entry["fieldsV1"]
        if entry["operation"] == "Apply" and f"f:{field}" in fields.get("f:data", {}):
            named = {key: found["metadata"][key] for key in ("name", "namespace")}
            theirs = _picked(found, fields)
            kept = {"apiVersion": found["apiVersion"], "kind": found["kind"]}
            return entry["manager"], {**theirs, **kept, "metadata": {**theirs.get("metadata", {}), **named}}
    raise AssertionError(f"nobody applied {field} of {found['metadata']['name']}")


def _picked(value: Manifest, fields: Manifest) -> Manifest:
    named = {key.removeprefix("f:"): below for key, below in fields.items() if key.startswith("f:")}
    return {key: _picked(value[key], below) if below else value[key] for key, below in named.items()}


def _path(manifest: Manifest) -> str:
    group = "apis" if "/" in manifest["apiVersion"] else "api"
    namespace = manifest["metadata"].get("namespace")
    place = f"/namespaces/{namespace}" if namespace else ""
    kind = manifest["kind"].lower()
    if manifest["apiVersion"].startswith("constraints.gatekeeper.sh/"):
        return f"/{group}/{manifest['apiVersion']}/{kind}/{manifest['metadata']['name']}"
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return f"/{group}/{manifest['apiVersion']}{place}/{plural}/{manifest['metadata']['name']}"
