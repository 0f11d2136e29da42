"""Follows one document of mcp-config: long poll, last good version kept in memory and on disk."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from mcp_services.core import metrics
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject
from mcp_services.core.settings import RoleSettings

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_WAIT_SECONDS = 30
_AGAIN_SECONDS = 1.0


class NotLoadedError(Exception):
    """No version of the document was ever loaded."""


class Follower(Generic[T]):
    """The current value of one document."""

    def __init__(self, role: str, scope: str, settings: RoleSettings, parse: Callable[[Any], T]) -> None:
        """Follow `scope`; `parse` makes a value or raises, upon which the version before stays."""
        self._role, self._scope, self._parse = role, scope, parse
        self._url = f"{settings.config_url}/v1/config/{scope}"
        self._tokens = InternalTokens(settings.internal_key_file, role)
        folder = settings.state_folder
        self._kept: Path | None = folder / f"{scope}.json" if folder else None
        self._value: T | None = None
        self._etag = ""
        self._version = ""
        self._since = 0.0
        self._on_change: list[Callable[[T], None]] = []

    @property
    def loaded(self) -> bool:
        """Whether there is a value."""
        return self._value is not None

    @property
    def version(self) -> str:
        """The version in use; empty before the first."""
        return self._version

    @property
    def value(self) -> T:
        """The value in use.

        Raises:
            NotLoadedError: There was none yet.
        """
        if self._value is None:
            raise NotLoadedError(self._scope)
        return self._value

    def on_change(self, call: Callable[[T], None]) -> None:
        """Call `call` with each new value."""
        self._on_change.append(call)

    @contextlib.asynccontextmanager
    async def following(self, client: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Follow while the block runs; waits up to 2 s for the first version."""
        task = asyncio.create_task(self._follow(client))
        try:
            for _ in range(40):
                if self.loaded:
                    break
                await asyncio.sleep(0.05)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, client: aiohttp.ClientSession) -> None:
        while True:
            try:
                await self._ask(client)
            except (aiohttp.ClientError, OSError, orjson.JSONDecodeError, InvalidTokenError) as error:
                self._missed()
                _LOG.warning("configuration not reached", extra={"scope": self._scope, "error": str(error)})
                await asyncio.sleep(_AGAIN_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
            except Exception:  # noqa: BLE001 - whatever an answer holds, the next one may be good
                self._missed()
                metrics.CONFIG_RELOADS.labels(self._role, "error").inc()
                _LOG.exception("configuration not followed", extra={"scope": self._scope})
                await asyncio.sleep(_AGAIN_SECONDS)

    def _missed(self) -> None:
        if not self.loaded:
            self._recall()
        metrics.CONFIG_STALE.labels(self._role).set(1)

    async def _ask(self, client: aiohttp.ClientSession) -> None:
        wait = _WAIT_SECONDS if self._etag else 0
        headers = {"Authorization": f"Bearer {self._tokens.mint(Subject(self._role, 'service'))}"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        async with client.get(
            self._url,
            params={"wait": wait},
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=wait + 5, sock_connect=2.0),
        ) as answer:
            if answer.status == 200:  # noqa: PLR2004
                body = await answer.read()
                if not self._take(body, answer.headers["ETag"]):
                    # Another pod may know more, and a kept connection would lead to this one again.
                    answer.close()
                    await asyncio.sleep(_AGAIN_SECONDS)
            elif answer.status != 304 or not self._etag:  # noqa: PLR2004
                raise aiohttp.ClientPayloadError(f"mcp-config answered {answer.status}")
        metrics.CONFIG_STALE.labels(self._role).set(0)
        metrics.CONFIG_SUCCESS.labels(self._role, self._scope).set(time.time())

    def _take(self, body: bytes, etag: str) -> bool:
        """Use a version, or reject it for good; false when it is older than the one in use."""
        answer = orjson.loads(body)
        if answer["since"] < self._since:
            return False
        self._etag = etag
        try:
            value = self._parse(answer["document"])
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the version before stays
            metrics.CONFIG_RELOADS.labels(self._role, "rejected").inc()
            _LOG.error("document rejected", extra={"scope": self._scope, "error": str(error)})
            if not self.loaded:
                self._recall()
            return True
        self._use(value, answer["version"])
        self._since = answer["since"]
        metrics.CONFIG_RELOADS.labels(self._role, "ok").inc()
        if self._kept:
            with contextlib.suppress(OSError):
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                partial = self._kept.with_suffix(".partial")
                partial.write_bytes(body)
                partial.replace(self._kept)
        return True

    def _recall(self) -> None:
        if self._kept and self._kept.is_file():
            with contextlib.suppress(Exception):
                answer = orjson.loads(self._kept.read_bytes())
                self._use(self._parse(answer["document"]), answer["version"])

    def _use(self, value: T, version: str) -> None:
        if self._version:
            metrics.CONFIG_VERSION.remove(self._role, self._scope, self._version)
        self._value, self._version = value, version
        metrics.CONFIG_VERSION.labels(self._role, self._scope, version).set(1)
        _LOG.info("configuration in use", extra={"scope": self._scope, "version": version})
        for call in self._on_change:
            call(value)
