"""The stack's outputs: their names, and which of them are secret."""

import asyncio
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from a1platform.outputs import StackOutputs
from tests.components.conftest import Declared

Declare = Callable[..., dict[str, Declared]]
SECRET = {"kubeconfig", "apiKey", "grafanaPassword"}


def test_outputs_have_the_names_of_the_documents_and_what_opens_something_is_secret(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: dict[str, pulumi.Output[Any]] = {}
    monkeypatch.setattr(pulumi, "export", lambda name, value: exported.update({name: value}))
    found: dict[str, bool] = {}

    async def secrecy() -> None:
        for name, value in exported.items():
            found[name] = await pulumi.Output.from_input(value).is_secret()

    def program() -> pulumi.Output[Any]:
        text = pulumi.Output.from_input("text")
        StackOutputs(text, text, {"keda": "chart"}, ["mcp-gateway"], "http://gateway", "key", "").export()
        return pulumi.Output.from_input(asyncio.ensure_future(secrecy()))

    declare(program)
    assert {name for name, secret in found.items() if secret} == SECRET
    assert set(found) == SECRET | {"k3sVersion", "parts", "services", "gatewayUrl"}
