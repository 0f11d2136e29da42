"""A recording mock engine: what a program declares, with the options that plain mocks do not see."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, rpc


@dataclass(frozen=True)
class Declared:
    """One resource as the engine received it; other resources are named by their logical names.

    Attributes:
        type: Type token.
        name: Logical name.
        parent: Logical name of the parent, or the stack's.
        inputs: Inputs, secrets unwrapped.
        secrets: Top-level inputs that hold a secret.
        after: What it depends on.
        provider: URN and id of its provider, or empty.
        deleted_with: What its deletion is left to, or empty.
        retained: Whether it stays when its declaration goes.
        ignored: Inputs whose changes are passed over.
        secret_outputs: Outputs that are secret by option.
        replaced_for: Inputs whose changes make it another one.
        deleted_first: Whether it goes before the one in its place is made.
        hooks: Names of what is done before it is created or updated.
    """

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    secrets: frozenset[str]
    after: tuple[str, ...]
    provider: str
    deleted_with: str
    retained: bool
    ignored: tuple[str, ...]
    secret_outputs: tuple[str, ...]
    replaced_for: tuple[str, ...] = ()
    deleted_first: bool = False
    hooks: tuple[str, ...] = ()


def _plain(value: Any) -> tuple[Any, bool]:  # noqa: ANN401 - whatever a property can be
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))[0], True
    if isinstance(value, dict):
        members = {key: _plain(member) for key, member in value.items()}
        return {key: member for key, (member, _) in members.items()}, any(
            secret for _, secret in members.values()
        )
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return [item for item, _ in items], any(secret for _, secret in items)
    return value, False


class Echo(mocks.Mocks):
    """Gives every resource its own inputs as its state, and commands an empty output."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        """Answer a registration."""
        return f"{args.name}-id", {"stdout": "", "stderr": "", **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:  # noqa: ARG002 - the engine's signature
        """Answer a function call."""
        return {}, None


@dataclass
class Engine(mocks.MockMonitor):
    """Keeps every registration.

    Attributes:
        declared: What was registered, by logical name, in the order of registration.
    """

    answers: mocks.Mocks = field(default_factory=Echo)
    declared: dict[str, Declared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Answer with the mocks."""
        super().__init__(self.answers)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802, ANN401 - the engine's signature
        """Keep a registration, then answer it."""
        raw = rpc.deserialize_properties(request.object, keep_unknowns=True)
        properties = {key: _plain(value) for key, value in raw.items()}
        self.declared[request.name] = Declared(
            type=request.type,
            name=request.name,
            parent=_name(request.parent),
            inputs={key: value for key, (value, _) in properties.items()},
            secrets=frozenset(key for key, (_, secret) in properties.items() if secret),
            after=tuple(map(_name, request.dependencies)),
            provider=request.provider,
            deleted_with=_name(request.deletedWith),
            retained=request.retainOnDelete,
            ignored=tuple(request.ignoreChanges),
            secret_outputs=tuple(request.additionalSecretOutputs),
            replaced_for=tuple(request.replaceOnChanges),
            deleted_first=request.deleteBeforeReplace,
            hooks=(*request.hooks.before_create, *request.hooks.before_update),
        )
        register: Callable[[Any], Any] = super().RegisterResource
        return register(request)


# Pulumi's decorator has no types.
_run: Callable[[Callable[[], Any]], Callable[[], None]] = pulumi.runtime.test


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


@pytest.fixture(scope="session")
def declare() -> Callable[..., dict[str, Declared]]:
    """Run a program and return what it declares, by logical name; `preview=True` runs it as a preview does.

    The program returns the Output that must have resolved before the recording is looked at.
    """

    def run(
        program: Callable[[], Any], *, preview: bool = False, answers: mocks.Mocks | None = None
    ) -> dict[str, Declared]:
        engine = Engine(answers or Echo())
        pulumi.runtime.set_mocks(engine.answers, preview=preview, monitor=engine)
        _run(program)()
        return engine.declared

    return run
