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


class InvalidDocumentError(ValueError):
    """A document that must not take effect; the message names each fault."""


def parse(scope: str, text: str) -> Document:
    """Read a document.

    Raises:
        InvalidDocumentError: It is not YAML, or breaks a rule of its scope.
    """
    try:
        content: Any = yaml.safe_load(text) or {}
        return SCOPES[scope].model_validate(content)
    except yaml.YAMLError as error:
        raise InvalidDocumentError(f"not YAML: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}" for one in error.errors())
        raise InvalidDocumentError("; ".join(faults)) from error


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
        plain = document.model_dump(mode="json", by_alias=True)
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
