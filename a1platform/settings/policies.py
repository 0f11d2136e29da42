"""Settings of the admission policies: how strict each is, where they apply, and who is exempt and why."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from a1platform.settings.base import Settings

EnforcementAction = Literal["dryrun", "warn", "deny"]
"""What Gatekeeper does with a violation: only count it, also warn who applies it, or refuse it."""

NamespacePattern = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(-?\*)?$", examples=["team-*"])
]
"""A namespace, or the beginning of its name followed by `*`; Gatekeeper does not take a `*` alone."""


class PolicyExemption(Settings):
    """One namespace in which one policy does not apply, with the reason on record.

    Attributes:
        policy: Name of the policy, a folder below `policies/`.
        namespace: The exempt namespace.
        reason: Why; it is written on the constraint, so that it is seen on the cluster too.
    """

    policy: str
    namespace: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", examples=["team-a"])
    reason: str = Field(min_length=10)


class PolicySettings(Settings):
    """What the platform refuses, and where.

    Attributes:
        enabled: Whether templates and constraints are installed.
        namespaces: Namespaces in which the policies apply.
        enforcement: Enforcement action by policy name; a policy that is not named keeps its own, and
            `replicas` and `disruption-budget` go no further than `warn`.
        parameters: Parameters by policy name over the constraint's own, mappings by key and all else as a
            whole, such as `{"image-registry": {"registries": ["registry.example.org/a1/"]}}`.
        exemptions: Namespaces that a policy leaves alone.
        mutations: Whether a pod that names no seccomp profile gets the default one, and an account that does
            not say whether its pods get a token gives them none. What makes pods is refused for the same
            things all the same.
    """

    enabled: bool = True
    namespaces: tuple[NamespacePattern, ...] = Field(default=("a1-orchestrator",), min_length=1)
    enforcement: dict[str, EnforcementAction] = Field(default_factory=dict)
    parameters: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    exemptions: tuple[PolicyExemption, ...] = ()
    mutations: bool = False
