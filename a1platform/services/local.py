"""Which services run on a developer's machine when one of them does, and what they reach in the cluster."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from a1platform.services.catalog import CATALOG
from a1platform.services.model import CatalogEntry


@dataclass(frozen=True)
class LocalPlan:
    """A service in the place of the deployed one, for the calls of one developer.

    Attributes:
        service: The one that is worked on.
        here: It, and whoever calls it, directly or not: a deployed caller would call the deployed one.
        there: The deployed services that these call. The example is none of them: as every MCP server, it is
            called where `servers.yaml` says.
    """

    service: CatalogEntry
    here: tuple[CatalogEntry, ...]
    there: tuple[CatalogEntry, ...]


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service in the cluster."""

    namespace: str
    name: str
    port: int


class ClusterError(Exception):
    """The cluster does not give what is needed; the text says what, and what to do."""


class Cluster(Protocol):
    """What is asked of the cluster; each raises ClusterError."""

    def secret(self, name: str) -> Mapping[str, bytes]:
        """Return the content of a Secret of the services' namespace."""
        ...

    def documents(self) -> Mapping[str, str]:
        """Return the configuration documents by file name."""
        ...

    def forwarded(self, port: ServicePort) -> AbstractContextManager[str]:
        """Return what gives `host:port` on this machine for a Service's port while its block runs."""
        ...


def plan(name: str, catalog: tuple[CatalogEntry, ...] = CATALOG) -> LocalPlan:
    """Return what runs where.

    Args:
        name: The service that is worked on.
        catalog: The services.

    Raises:
        ValueError: There is no such service.
    """
    entries = {entry.name: entry for entry in catalog}
    if name not in entries:
        raise ValueError(f"found {name!r}, expected one of {', '.join(entries)}")
    here = {name}
    while more := {entry.name for entry in catalog if here & {*entry.calls}} - here:
        here |= more
    called = {callee for caller in here for callee in entries[caller].calls} - here
    return LocalPlan(
        entries[name],
        tuple(entry for entry in catalog if entry.name in here),
        tuple(entry for entry in catalog if entry.name in called and not entry.example),
    )


def servers_inside(document: str, namespace: str) -> Mapping[str, ServicePort]:
    """Return the MCP servers that only the cluster's own names lead to: `host:port` to Service.

    Args:
        document: The text of `servers.yaml`.
        namespace: Where a name without one is looked up.
    """
    content: Any = yaml.safe_load(document) or {}
    found = {}
    for server in content.get("servers", []):
        url = urlsplit(str(server["url"]))
        name, _, place = (url.hostname or "").partition(".")
        within = place.removesuffix(".cluster.local").removesuffix(".svc")
        port = url.port or 80
        if name and url.scheme == "http" and "." not in within and name != "localhost":
            found[f"{url.hostname}:{port}"] = ServicePort(within or namespace, name, port)
    return found
