"""The folder of documents, each with its last good version."""

import asyncio
import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import ValidationError

from mcp_services.core import metrics
from mcp_services.documents import SCOPES, Document

_LOG = logging.getLogger(__name__)
MOST_CHARACTERS = 1024 * 1024
"""Of a document; a ConfigMap holds no more."""
_MOST_EXPANDED = 4 * MOST_CHARACTERS


class InvalidDocumentError(ValueError):
    """A document that must not take effect; the message names each fault."""


def parse(scope: str, text: str) -> Document:
    """Read a document.

    Raises:
        InvalidDocumentError: It is not YAML, breaks a rule of its scope, or cannot be told as JSON.
    """
    model = SCOPES[scope]
    try:
        document = model.model_validate(_load(text) or {})
        orjson.dumps(_plain(document))
    except InvalidDocumentError:
        raise
    except yaml.YAMLError as error:
        raise InvalidDocumentError(f"not YAML: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}" for one in error.errors())
        raise InvalidDocumentError("; ".join(faults)) from error
    except Exception as error:  # a month 13, a number of 65 bits, a nesting of 10,000: each raises its own
        raise InvalidDocumentError(f"not usable: {type(error).__name__}: {error}") from error
    return document


def _plain(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True)


def _load(text: str) -> Any:  # noqa: ANN401 - any YAML value
    if len(text) > MOST_CHARACTERS:
        raise InvalidDocumentError(f"{len(text)} characters; at most {MOST_CHARACTERS} are read")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > _MOST_EXPANDED:
            raise InvalidDocumentError(f"its aliases stand for more than {_MOST_EXPANDED} characters")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """About how many characters a node would take with each alias written out."""
    if id(node) not in known:
        known[id(node)] = _MOST_EXPANDED + 1  # one that is part of itself has no end
        inner = [node.value] if isinstance(node, yaml.ScalarNode) else node.value
        flat = [one for part in inner for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(len(one) if isinstance(one, str) else _expanded(one, known) for one in flat)
    return known[id(node)]


@dataclass(frozen=True)
class Version:
    """A valid version of a document.

    Attributes:
        digest: SHA-256 of the canonical JSON, hexadecimal.
        body: That JSON with the version, as followers get it.
        since: Unix time at which it came. Pods of mcp-config get a change at different moments; by this a
            follower knows which of two versions is the newer.
    """

    digest: str
    body: bytes
    since: float


class Store:
    """All documents of a folder; an invalid file leaves the version before in force."""

    def __init__(self, folder: Path) -> None:
        """Read from `folder`, whose files are named `<scope>.yaml`."""
        self._folder = folder
        self._texts: dict[str, bytes] = {}
        self._changed = asyncio.Condition()
        self.versions: dict[str, Version] = {}
        self.errors: dict[str, str] = {}
        self._ending = False

    async def watch(self, seconds: float) -> None:
        """Look at the folder again and again, until cancelled, whatever a look ends in."""
        while True:
            await self.look()
            await asyncio.sleep(seconds)

    async def look(self) -> None:
        """Look at the folder once; a look that fails is told, and the versions in force stay."""
        try:
            await self.scan()
        except Exception:  # noqa: BLE001 - a look that ended the watch would end every later change
            _LOG.exception("documents not looked at")
            metrics.CONFIG_RELOADS.labels("mcp-config", "error").inc()
            metrics.CONFIG_STALE.labels("mcp-config").set(1)
        else:
            metrics.CONFIG_STALE.labels("mcp-config").set(0)

    async def scan(self) -> None:
        """Look at the folder once."""
        for scope in SCOPES:
            try:
                path = self._folder / f"{scope}.yaml"
                content, since = path.read_bytes(), path.stat().st_ctime
            except OSError:
                continue
            if content != self._texts.get(scope):
                self._texts[scope] = content
                await self._take(scope, content, since if scope not in self.versions else time.time())

    async def _take(self, scope: str, content: bytes, since: float) -> None:
        try:
            document = parse(scope, content.decode())
        except (InvalidDocumentError, UnicodeDecodeError) as error:
            self.errors[scope] = str(error)
            metrics.CONFIG_RELOADS.labels("mcp-config", "rejected").inc()
            _LOG.error("document rejected", extra={"scope": scope, "error": str(error)})
            return
        self.errors.pop(scope, None)
        plain = _plain(document)
        digest = hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
        old = self.versions.get(scope)
        if old and old.digest == digest:
            return
        body = orjson.dumps({"scope": scope, "version": digest[:12], "since": since, "document": plain})
        self.versions[scope] = Version(digest, body, since)
        metrics.CONFIG_RELOADS.labels("mcp-config", "ok").inc()
        if old:
            metrics.CONFIG_VERSION.remove("mcp-config", scope, old.digest[:12])
        metrics.CONFIG_VERSION.labels("mcp-config", scope, digest[:12]).set(1)
        _LOG.info("document in force", extra={"scope": scope, "version": digest[:12]})
        async with self._changed:
            self._changed.notify_all()

    async def other_than(self, scope: str, digest: str, seconds: float) -> Version | None:
        """The version in force as soon as it is another than `digest`, or None after `seconds`."""

        def newer() -> bool:
            at = self.versions.get(scope)
            return at is not None and at.digest != digest

        if not newer() and seconds > 0 and not self._ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._changed:
                    await self._changed.wait_for(lambda: newer() or self._ending)
        return self.versions[scope] if newer() else None

    async def end(self) -> None:
        """Answer everybody who waits; nobody waits from now on."""
        self._ending = True
        async with self._changed:
            self._changed.notify_all()
