"""The proofs themselves: each fails when what it is for is broken."""

import shutil
from pathlib import Path

import pytest
import yaml

from a1platform.platform.policy_set import POLICIES, PolicySet, load
from a1platform.settings.policies import PolicySettings
from tests.policies.gator import Gator
from tests.policies.proof import misjudged, unproven

NO_TAG = "image-tag/samples/denied/no-tag.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the policies, to be broken."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


@pytest.mark.parametrize("kind", ["allowed", "denied"])
def test_a_policy_without_a_sample_of_a_kind_is_found(folder: Path, kind: str) -> None:
    assert unproven(folder) == []
    shutil.rmtree(folder / "image-tag" / "samples" / kind)
    assert unproven(folder) == [f"image-tag: no {kind} sample"]


def test_a_sample_that_another_policy_refuses_too_is_found(
    folder: Path, gator: Gator, policies: PolicySet
) -> None:
    sample = folder / NO_TAG
    pod = yaml.safe_load(sample.read_text())
    assert misjudged(sample, gator.violations(policies, [pod])) == []
    pod["spec"]["hostNetwork"] = True
    found = misjudged(sample, gator.violations(policies, [pod]))
    assert found == ["pod-host-access refuses no-tag.yaml of image-tag"]


def test_a_sample_that_its_policy_lets_through_is_found(folder: Path, gator: Gator) -> None:
    rego = folder / "image-tag" / "policy.rego"
    rego.write_text(rego.read_text().replace('image.tag(container.image) == ""', "false"))
    sample = folder / NO_TAG
    broken = load(folder).configured(PolicySettings())
    found = misjudged(sample, gator.violations(broken, [yaml.safe_load(sample.read_text())]))
    assert found == ["image-tag does not refuse no-tag.yaml"]


def test_a_policy_that_does_not_compile_is_found(folder: Path, gator: Gator) -> None:
    rego = folder / "image-tag" / "policy.rego"
    rego.write_text(rego.read_text() + "\nviolation[{")
    broken = load(folder).configured(PolicySettings())
    with pytest.raises(AssertionError, match="a1imagetag"):
        gator.violations(broken, [yaml.safe_load((folder / NO_TAG).read_text())])
