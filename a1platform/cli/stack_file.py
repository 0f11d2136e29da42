"""A stack's `Pulumi.<stack>.yaml` for commands outside Pulumi: plain values, no secrets."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from a1platform.bundle import Bundle, BundleError
from a1platform.bundle import load as load_bundle
from a1platform.naming import PROJECT
from a1platform.settings import problems
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.model import A1Settings, BundleFolder
from a1platform.settings.node import HardeningSettings, NodeSettings, PreflightSettings
from a1platform.settings.nodes import Nodes
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServicesSettings

_T = TypeVar("_T")
# Keeps comments, order and quotes of what it does not change; PyYAML drops them.
_YAML = YAML()
_YAML.preserve_quotes = True
_YAML.width = 1000
_ENCRYPTED = "https://encrypted.invalid"
"""Stands for a value that only Pulumi can decrypt; a URL, since some of them have to be one."""


class StackFileError(RuntimeError):
    """The file cannot be used; the text names every problem with its key."""


class StackFile:
    """The configuration of one stack on disk."""

    def __init__(self, path: Path) -> None:
        """Read the file, where there is one.

        Args:
            path: The file, such as `Pulumi.a1.yaml`.

        Raises:
            StackFileError: It is no YAML mapping.
        """
        self.path = path
        try:
            content = _YAML.load(path.read_text(encoding="utf-8")) if path.exists() else None
        except YAMLError as error:
            raise StackFileError(f"{path}: found no YAML, expected a configuration: {error}") from error
        content = content or {}
        if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
            raise StackFileError(f"{path}: found no mapping, expected one with the key 'config'")
        self._content: dict[str, Any] = content

    def nodes(self) -> tuple[NodeSettings, ...]:
        """Return the configured nodes, empty where there are none."""
        nodes: tuple[NodeSettings, ...] = self._parse("nodes", TypeAdapter(Nodes), ())
        return nodes

    def hardening(self) -> HardeningSettings:
        """Return how hosts are hardened."""
        settings: HardeningSettings = self._parse("hardening", TypeAdapter(HardeningSettings), {})
        return settings

    def preflight(self) -> PreflightSettings:
        """Return what is asked of hosts."""
        settings: PreflightSettings = self._parse("preflight", TypeAdapter(PreflightSettings), {})
        return settings

    def k3s(self) -> K3sSettings:
        """Return what K3s runs with."""
        settings: K3sSettings = self._parse("k3s", TypeAdapter(K3sSettings), {})
        return settings

    def bundle(self) -> Bundle | None:
        """Return the bundle that everything is installed from, where there is one.

        Raises:
            StackFileError: It cannot be used.
        """
        folder: Path | None = self._parse("bundle", TypeAdapter(BundleFolder | None), None)
        try:
            return load_bundle(folder) if folder else None
        except BundleError as error:
            raise StackFileError(str(error)) from error

    def platform(self) -> PlatformSettings:
        """Return which third-party parts are wanted, and how."""
        settings: PlatformSettings = self._parse("platform", TypeAdapter(PlatformSettings), {})
        return settings

    def services(self) -> ServicesSettings:
        """Return how the services are delivered and sized."""
        settings: ServicesSettings = self._parse("services", TypeAdapter(ServicesSettings), {})
        return settings

    def put_nodes(self, nodes: Iterable[NodeSettings]) -> None:
        """Add nodes or replace those of the same names, check all together, and write the file.

        What else stands in the file, comments too, stays as it is.

        Raises:
            StackFileError: The nodes do not go together; nothing is written.
        """
        config = self._content.setdefault("config", {})
        listed = config.setdefault(f"{PROJECT}:nodes", [])
        for node in nodes:
            entry = node.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            places = [index for index, other in enumerate(listed) if other.get("name") == node.name]
            if places:
                listed[places[0]] = entry
            else:
                listed.append(entry)
        self.nodes()
        new = self.path.with_name(f".{self.path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            _YAML.dump(self._content, file)
        new.replace(self.path)

    def _parse(self, key: str, adapter: TypeAdapter[_T], default: object) -> _T:
        value = (self._content.get("config") or {}).get(f"{PROJECT}:{key}", default)
        try:
            return adapter.validate_python(_readable(value))
        except ValidationError as error:
            listed = "\n".join(problems.lines(error, A1Settings, key))
            raise StackFileError(f"{self.path}:\n{listed}") from None


def _readable(value: object) -> object:
    """Return a value with `_ENCRYPTED` in place of everything that `pulumi config set --secret` wrote."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return _ENCRYPTED
        return {key: _readable(one) for key, one in value.items()}
    return [_readable(one) for one in value] if isinstance(value, list) else value
