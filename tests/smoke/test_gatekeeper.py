"""Gatekeeper: what the policies refuse is refused by the API server, in our words.

Everything is a dry run: it goes through admission and leaves nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import kr8s
import pytest
import yaml
from kr8s.objects import HorizontalPodAutoscaler, Namespace, Pod, new_class

from a1platform.naming import PROJECT
from a1platform.platform.policy_set import POLICIES, PolicySet, load
from a1platform.services.resolve import NAMESPACE, accounts_with_token
from a1platform.settings.policies import PolicySettings
from tests.smoke.conftest import Outputs, listed
from tests.smoke.rest import Answer, Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("gatekeeper")]

ConstraintTemplate = new_class(
    "ConstraintTemplate", "templates.gatekeeper.sh/v1", asyncio=False, namespaced=False
)
_ACCOUNT = "mcp-echo"
_WEBHOOK = "validation.gatekeeper.sh"
_BEFORE_US = {
    "pod-privilege-proc-mount": "the API server drops the field while its feature ProcMountType is off",
    "service-exposure-external-ip": "K3s has the API server refuse external IPs itself",
}
"""Denied samples that never get to Gatekeeper on this cluster, and why."""
_FILLED_IN = {"service-account-account-with-automount-left-out"}
"""Denied samples that a mutation completes; of a pod there is still what makes it, which is left as it is."""


def _samples(kind: str) -> list[Path]:
    return sorted(POLICIES.glob(f"*/samples/{kind}/*.yaml"))


def _id(path: Path) -> str:
    return f"{path.parts[-4]}-{path.stem}"


@pytest.fixture(scope="module")
def settings(stack_file: Path) -> PolicySettings:
    """What the stack's settings say of the policies."""
    config = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
    return PolicySettings.model_validate(config.get(f"{PROJECT}:policies", {}))


@pytest.fixture(autouse=True)
def _enabled(request: pytest.FixtureRequest) -> None:
    """Skip what asks for policies where the stack has none; after what asks for Gatekeeper itself."""
    settings: PolicySettings = request.getfixturevalue("settings")
    if not settings.enabled:
        pytest.skip(f"the stack has {PROJECT}:policies.enabled: false")


@pytest.fixture(scope="module")
def wanted(settings: PolicySettings) -> PolicySet:
    """The policies as the stack's settings want them, whatever the cluster says."""
    return load().configured(settings, accounts_with_token())


@pytest.fixture(scope="module")
def admission(rest: Rest) -> Iterator[Rest]:
    """The API server with the account that the samples' pods run as."""
    account: Manifest = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": _ACCOUNT,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": _ACCOUNT, "app.kubernetes.io/part-of": "a1platform"},
        },
        "automountServiceAccountToken": False,
    }
    with rest.applied(account):
        yield rest


def test_every_policy_is_in_force_on_the_cluster(api: kr8s.Api, rest: Rest) -> None:
    policies = load().policies
    assert len(policies) >= 5
    templates = {one.name: one.raw.get("status", {}) for one in listed(ConstraintTemplate, api)}
    for policy in policies:
        assert templates[policy.template["metadata"]["name"]].get("created"), policy.name
        constraint = rest.get(policy.constraint)
        assert constraint, policy.name
        enforcing = [pod for pod in constraint["status"]["byPod"] if "webhook" in pod["operations"]]
        assert enforcing, policy.name
        assert all(pod["enforced"] for pod in enforcing), policy.name


def test_every_policy_on_the_cluster_decides_by_the_committed_rules(rest: Rest) -> None:
    for policy in load().policies:
        found = rest.get(policy.template)
        assert found, policy.name
        assert _rules(found) == _rules(policy.template), policy.name


def test_every_policy_on_the_cluster_is_as_strict_as_the_settings_say(rest: Rest, wanted: PolicySet) -> None:
    for policy in wanted.policies:
        found = rest.get(policy.constraint)
        assert found, policy.name
        assert found["spec"] == policy.constraint["spec"], policy.name


def _rules(template: Manifest) -> list[tuple[str, list[str]]]:
    """Return the Rego of a template's targets, with the libraries that it imports."""
    return [(one["rego"], one.get("libs", [])) for one in template["spec"]["targets"]]


def test_the_audit_finds_nothing_that_a_policy_denies(rest: Rest, wanted: PolicySet) -> None:
    denied = [policy for policy in wanted.policies if policy.action == "deny"]

    def found() -> dict[str, object]:
        constraints = {policy.name: rest.get(policy.constraint) or {} for policy in denied}
        return {
            name: status.get("violations") or status.get("totalViolations", "not audited yet")
            for name, one in constraints.items()
            if (status := one.get("status", {})).get("totalViolations") != 0
        }

    # The audit takes its turn once a minute.
    assert eventually(found, 180, wanted=lambda seen: not seen, every=5) == {}


@pytest.mark.part("mcp-services")
@pytest.mark.parametrize("name", ["disruption-budget", "replicas"])
def test_the_audit_finds_the_budget_and_the_autoscaler_of_every_service(
    name: str, rest: Rest, api: kr8s.Api, wanted: PolicySet, outputs: Outputs
) -> None:
    [policy] = [one for one in wanted.policies if one.name == name]
    autoscalers = listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
    fewest = min(one.raw["spec"]["minReplicas"] for one in autoscalers)
    least = policy.constraint["spec"].get("parameters", {}).get("least", 0)
    if fewest < least:
        pytest.skip(f"the stack's services may have {fewest} pods, and the policy asks for {least}")

    def found() -> list[str]:
        status = (rest.get(policy.constraint) or {}).get("status", {})
        if "totalViolations" not in status:
            return ["not audited yet"]
        there = [one for one in status.get("violations", ()) if one.get("namespace") == NAMESPACE]
        return [one["message"] for one in there if one["name"] in outputs.services]

    assert eventually(found, 180, wanted=lambda seen: not seen, every=5) == []


def test_a_privileged_pod_is_refused_with_our_message(admission: Rest) -> None:
    [pod] = _read(POLICIES / "pod-privilege/samples/denied/privileged.yaml")
    assert not admission.dry_run(pod).admitted
    answer = admission.dry_run(_in_a_deployment(pod))
    assert "[pod-privilege]" in answer.message
    assert "set securityContext.privileged to false; a privileged container owns the node" in answer.message


def test_an_image_without_a_tag_is_refused_with_our_message(admission: Rest) -> None:
    [pod] = _read(POLICIES / "image-tag/samples/denied/no-tag.yaml")
    answer = admission.dry_run(pod)
    assert not answer.admitted
    assert "[image-tag]" in answer.message
    assert "give image 'a1platform/mcp-services' a version tag or a digest" in answer.message


def test_what_is_left_out_is_filled_in_where_the_settings_say_so(
    rest: Rest, settings: PolicySettings
) -> None:
    if not settings.mutations:
        pytest.skip("the settings have mutations switched off")
    [account] = _read(POLICIES / "service-account/samples/denied/account-with-automount-left-out.yaml")
    [pod] = _read(POLICIES / "pod-confinement/samples/denied/seccomp-left-out.yaml")
    # Of its own, since `mcp-echo` says already what is left out here.
    account["metadata"]["name"] = pod["spec"]["serviceAccountName"] = "mcp-silent"
    with rest.applied(account):
        assert (rest.get(account) or {})["automountServiceAccountToken"] is False
        answer = rest.dry_run(pod)
        assert answer.made["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", answer
        del pod["spec"]["automountServiceAccountToken"]
        answer = rest.dry_run(pod)
    # A pod that says nothing is refused for that, and for no token: Kubernetes has mounted none.
    assert "projected.sources" not in _said(answer), answer
    assert not answer.made.get("spec", {}).get("volumes"), answer


@pytest.mark.parametrize("path", _samples("allowed"), ids=_id)
def test_an_allowed_sample_is_admitted(path: Path, admission: Rest) -> None:
    objects = _read(path)
    _skip_unknown(objects, admission)
    for manifest in objects:
        answer = admission.dry_run(manifest)
        assert answer.admitted, answer.message


@pytest.mark.parametrize("path", _samples("denied"), ids=_id)
def test_a_denied_sample_is_refused_by_its_policy(
    path: Path, admission: Rest, api: kr8s.Api, wanted: PolicySet, settings: PolicySettings
) -> None:
    if _id(path) in _BEFORE_US:
        pytest.skip(_BEFORE_US[_id(path)])
    if settings.mutations and _id(path) in _FILLED_IN:
        pytest.skip("a mutation completes it before it is judged")
    if {one.name: one.action for one in wanted.policies}[path.parts[-4]] == "dryrun":
        pytest.skip("the policy is in dryrun: only the audit counts what it finds")
    objects = _read(path)
    _skip_unknown(objects, admission)
    manifest = [one for one in objects if one["metadata"].get("namespace", NAMESPACE) == NAMESPACE][-1]
    others = [one for one in objects if one is not manifest]
    there = {one.name for one in listed(Namespace, api)}
    if missing := {one["metadata"].get("namespace", NAMESPACE) for one in others} - there:
        pytest.skip(f"there is no namespace {', '.join(missing)}")
    with admission.applied(*others):
        # What is there beside it reaches Gatekeeper a moment later.
        answer = eventually(lambda: _refused(admission, manifest, api), 20 if others else 0, wanted=_is_ours)
    assert f"[{path.parts[-4]}]" in _said(answer), answer


def _skip_unknown(objects: list[Manifest], admission: Rest) -> None:
    """Skip a sample of a kind that comes with a part which was left out; nobody can make such an object."""
    if unknown := {f"{one['kind']} of {one['apiVersion']}" for one in objects if not admission.knows(one)}:
        pytest.skip(f"the cluster has no kind {', '.join(sorted(unknown))}")


def _refused(admission: Rest, manifest: Manifest, api: kr8s.Api) -> Answer:
    if containers := manifest.get("spec", {}).get("ephemeralContainers"):
        pods = listed(Pod, api, namespace=NAMESPACE, field_selector="status.phase=Running")
        if not pods:
            pytest.skip("no pod runs that an ephemeral container could join")
        running = {"apiVersion": "v1", "kind": "Pod", "metadata": pods[0].raw["metadata"]}
        return admission.dry_run_ephemeral(running, containers)
    answer = admission.dry_run(manifest)
    if manifest["kind"] == "Pod" and not _is_ours(answer):
        # Kubernetes' own check of pods comes first and says less, and the LimitRange completes a pod that
        # does not say what it needs; what makes pods they let through to ours.
        answer = admission.dry_run(_in_a_deployment(manifest))
    return answer


def _is_ours(answer: Answer) -> bool:
    return _WEBHOOK in _said(answer)


def _said(answer: Answer) -> str:
    """Return the refusal, or the warnings of a policy that only warns."""
    return " ".join(answer.warnings) if answer.admitted else answer.message


def _read(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _in_a_deployment(pod: Manifest) -> Manifest:
    labels = pod["metadata"].get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pod["metadata"],
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": pod["metadata"].get("annotations", {})},
                "spec": pod["spec"],
            },
        },
    }
