"""A stack's `Pulumi.<stack>.yaml` for commands outside Pulumi: plain values, no secrets."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from a1platform import refusal
from a1platform.bundle import Bundle, BundleError
from a1platform.bundle import load as load_bundle
from a1platform.cli.as_written import ENCRYPTED, readable, unreadable
from a1platform.naming import PROJECT
from a1platform.settings import problems
from a1platform.settings.checked import checked, nothing
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.model import KEYS, A1Settings, BundleFolder
from a1platform.settings.node import READ_KEYS, HardeningSettings, NodeSettings, PreflightSettings
from a1platform.settings.nodes import Nodes
from a1platform.settings.plain import plain
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import Profile, ServicesSettings
from a1platform.settings.words import one_of

_T = TypeVar("_T")
# Keeps comments, order and quotes of what it does not change; PyYAML drops them.
_YAML = YAML()
_YAML.preserve_quotes = True
_YAML.width = 1000
_OF_PULUMI = ("config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
"""What Pulumi itself keeps in the file."""


class StackFileError(RuntimeError):
    """The file cannot be used; the text names every problem with its key."""


class StackFile:
    """The configuration of one stack on disk."""

    def __init__(self, path: Path) -> None:
        """Read the file, where there is one.

        Args:
            path: The file, such as `Pulumi.a1.yaml`.

        Raises:
            StackFileError: It cannot be read, or is no YAML mapping.
        """
        self.path = path
        try:
            content = _YAML.load(path.read_text(encoding="utf-8")) if path.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no UTF-8"
            raise StackFileError(f"{path}: found {why}, expected a configuration in UTF-8") from None
        # Of a number of too many digits and a day that no calendar has it is no YAMLError.
        except (YAMLError, ValueError) as error:
            text = f"{path}: found no YAML, expected a configuration: {_why(error)}"
            raise StackFileError(text) from None
        content = {} if content is None else content
        if not isinstance(content, dict) or not isinstance(content.get("config"), dict | NoneType):
            raise StackFileError(f"{path}: found no mapping, expected one with the mapping 'config'")
        self._content: dict[str, Any] = content

    def check(self, *, connects: bool = False, destroys: bool = False, without: Collection[str] = ()) -> None:
        """Check everything in the file, values aside that only Pulumi can decrypt.

        Args:
            connects: Whether the private keys of the nodes must be there.
            destroys: Whether it is only destroyed, for which no later stage has to do what is said.
            without: Keys below `a1platform:` that are passed over.

        Raises:
            StackFileError: Something is wrong; every problem is named at once.
        """
        found = list(self._strangers())
        written = {key: value for key, value in self._written().items() if key not in without}
        values = {key: value for key, value in self._values().items() if key not in without}
        found += [f"{PROJECT}:{line}" for key, value in written.items() for line in unreadable(value, key)]
        further = nothing if destroys else refusal.problems
        _, lines = checked(values, further, connects=connects, passed_over=ENCRYPTED)
        # What is said of the value that stands for an encrypted one was written by nobody.
        found += [f"{PROJECT}:{line}" for line in lines if ENCRYPTED not in line]
        if found:
            raise StackFileError("\n".join((f"{self.path}:", *found)))

    def keys(self) -> list[str]:
        """Return the keys below `a1platform:` that have a value, sorted."""
        return sorted(key for key, value in self._values().items() if value is not None)

    def without_secrets(self) -> str:
        """Return the configuration as text for Pulumi, with something else in place of every secret."""
        return json.dumps({"config": readable(self._content.get("config") or {})}, indent=2, default=str)

    def nodes(self, *, connects: bool = False) -> tuple[NodeSettings, ...]:
        """Return the configured nodes, empty where there are none.

        Args:
            connects: Whether their private keys must be there.
        """
        nodes: tuple[NodeSettings, ...] = self._parse("nodes", TypeAdapter(Nodes), (), connects=connects)
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

    def entry(self, name: str) -> dict[str, Any]:
        """Return what stands in the file about a node; empty where there is nothing."""
        listed = self._values().get("nodes") or []
        return next((node for node in listed if node.get("name") == name), {})

    def stage(self, nodes: Iterable[NodeSettings]) -> None:
        """Add nodes or change those of the same names, and check all together, without writing the file.

        Raises:
            StackFileError: The nodes do not go together.
        """
        if self._content.get("config") is None:
            self._content["config"] = {}
        config = self._content["config"]
        listed: Any = config.get(f"{PROJECT}:nodes") or []
        if isinstance(listed, str):
            listed = plain(listed)
        config[f"{PROJECT}:nodes"] = listed
        for node in nodes:
            entry = node.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            there = next((other for other in listed if other.get("name") == node.name), None)
            if there is None:
                listed.append(entry)
            else:
                _update(there, entry, node.model_dump(mode="json", by_alias=True))
        self.nodes()

    def choose(self, profile: Profile) -> None:
        """Say the profile of the third-party parts, without writing the file.

        Args:
            profile: The profile.
        """
        key = f"{PROJECT}:platform"
        said: Any = self._content["config"].get(key) or {}
        if isinstance(said, str):
            said = plain(said)
        said["profile"] = profile.value
        self._content["config"][key] = said

    def put_nodes(self, nodes: Iterable[NodeSettings]) -> None:
        """Do what `stage` does, and write the file; what else stands in it, comments too, stays as it is.

        Raises:
            StackFileError: The nodes do not go together; nothing is written.
        """
        self.stage(nodes)
        new = self.path.with_name(f".{self.path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            _YAML.dump(self._content, file)
        new.replace(self.path)

    def _strangers(self) -> Iterator[str]:
        """Yield what Pulumi would pass over: keys beside its own, and ours under another name."""
        for key in self._content:
            if key not in _OF_PULUMI:
                yield f"{key}: found an unknown key, {one_of(str(key), _OF_PULUMI)}"
        for key in self._content.get("config") or {}:
            namespace, colon, _ = str(key).partition(":")
            if not colon:
                yield f"{key}: found a key without a namespace, expected {PROJECT}:{key}"
            elif namespace != PROJECT and difflib.get_close_matches(namespace, [PROJECT], 1, 0.8):
                yield f"{key}: found an unknown namespace, expected {PROJECT}"

    def _written(self) -> dict[str, Any]:
        """Return what stands below `a1platform:`; a key without a value says nothing, as in `load`."""
        prefix = f"{PROJECT}:"
        return {
            key.removeprefix(prefix): value
            for key, value in (self._content.get("config") or {}).items()
            if str(key).startswith(prefix) and not (value in (None, "") and key.removeprefix(prefix) in KEYS)
        }

    def _values(self) -> dict[str, Any]:
        """Return the values below `a1platform:` as Pulumi would hand them over, without secrets."""
        return {
            key: plain(value) if isinstance(value, str) else readable(value)
            for key, value in self._written().items()
        }

    def _parse(self, key: str, adapter: TypeAdapter[_T], default: object, *, connects: bool = False) -> _T:
        value = self._values().get(key, default)
        try:
            return adapter.validate_python(value, context=READ_KEYS if connects else None)
        except ValidationError as error:
            listed = "\n".join(problems.lines(error, A1Settings, key))
            raise StackFileError(f"{self.path}:\n{listed}") from None


def _why(error: Exception) -> str:
    """Return why a file is no YAML, and where; what the parser quotes could be a password, or a key."""
    if not isinstance(error, MarkedYAMLError):
        if isinstance(error, YAMLError):
            return "found a character that YAML does not allow"
        return "found a number or a day that is none"
    problem = str(error.problem)
    if isinstance(error, DuplicateKeyError):
        key = re.match(r'found duplicate key "([A-Za-z0-9:._-]{1,40})" with', problem)
        problem = f"found the key {key[1]} twice" if key else "found a key twice"
    # From the first quote to the last, as what is quoted can hold quotes.
    kind = re.sub(r"""["'].*["']""", "...", problem, flags=re.DOTALL)
    mark = error.problem_mark
    return f"{kind}, line {mark.line + 1}, column {mark.column + 1}" if mark else kind


def _update(there: dict[str, Any], entry: Mapping[str, Any], full: Mapping[str, Any]) -> None:
    """Change a node's entry in its place, so that what was written by hand stays: comments, and defaults."""
    for key in list(there):
        if full.get(key) is None:
            del there[key]
    for key, value in full.items():
        if (key in there or key in entry) and there.get(key) != value:
            there[key] = value
