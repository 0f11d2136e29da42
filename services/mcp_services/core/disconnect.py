"""A client that hangs up ends the work for it.

Closing the response stream is how a request is cancelled in the stateless protocol (2026-07-28, Streamable
HTTP), and uvicorn by itself lets the application go on.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HungUpError(Exception):
    """The client closed the connection before its answer was complete."""


class _Watch:
    """Reads for the application, and goes on listening when the application has the whole body."""

    def __init__(self, receive: Receive, serving: asyncio.Task[None]) -> None:
        self._receive, self._serving = receive, serving
        self._task: asyncio.Task[Message] | None = None
        self.hung_up = self.answered = False

    async def receive(self) -> Message:
        if self._task is not None:
            return await asyncio.shield(self._task)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._task = asyncio.create_task(self._listen())
        return message

    async def _listen(self) -> Message:
        message = await self._receive()
        if not self.answered:
            self.hung_up = True
            self._serving.cancel()
        return message

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app` for one request, cancelled when the client hangs up.

    Raises:
        HungUpError: It did.
    """
    serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 - a coroutine runs in a task
    watch = _Watch(receive, serving)

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            watch.answered = True
        await send(message)

    try:
        await app(scope, watch.receive, sent)
    except asyncio.CancelledError:
        if not watch.hung_up:
            raise
        serving.uncancel()
        raise HungUpError from None
    finally:
        watch.end()
