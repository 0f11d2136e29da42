"""What counts as proof that a policy does what it says, apart from the tests, so that they are tested too."""

from collections.abc import Iterable
from pathlib import Path

from tests.policies.gator import Violation


def samples(folder: Path, kind: str) -> list[Path]:
    """Return the samples of one kind, `allowed` or `denied`, of all policies of a folder."""
    return sorted(folder.glob(f"*/samples/{kind}/*.yaml"))


def policy_of(sample: Path) -> str:
    """Return the policy that a sample is for."""
    return sample.parts[-4]


def unproven(folder: Path) -> list[str]:
    """Return what is missing: a policy's name, and the kind of sample that it has none of."""
    names = sorted(path.parent.name for path in folder.glob("*/policy.rego"))
    return [
        f"{name}: no {kind} sample"
        for name in names
        for kind in ("allowed", "denied")
        if name not in map(policy_of, samples(folder, kind))
    ]


def misjudged(sample: Path, violations: Iterable[Violation]) -> list[str]:
    """Return what is wrong with who refuses a denied sample: not its own policy, or another one too."""
    own, found = policy_of(sample), {violation.policy for violation in violations}
    missing = [] if own in found else [f"{own} does not refuse {sample.name}"]
    return missing + [f"{other} refuses {sample.name} of {own}" for other in sorted(found - {own})]
