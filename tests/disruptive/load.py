"""Calls the gateway at a constant rate and tells each second what became of the calls; runs in a pod.

`API_KEY`, `URL`, `RATE` (calls a second) and `METHOD` come by the environment. A call is lost when it has no
answer, or one that is no result: nothing is sent twice here. It is no part of the image, so only the standard
library and aiohttp are there.
"""

import asyncio
import json
import os
import time
from collections import Counter

import aiohttp

VERSION = "2026-07-28"
LONGEST_SECONDS = 30.0
ABOUT = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOOL = "example__echo"
PARAMETERS = {
    "tools/call": {"name": TOOL, "arguments": {"text": "hello"}, "_meta": ABOUT},
    "tools/list": {"_meta": ABOUT},
}


class Seen:
    """What became of the calls so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.begun = time.perf_counter()
        self.sent = 0
        self.answered = 0
        self.lost: Counter[str] = Counter()
        self.longest = 0.0

    def told(self) -> str:
        """Return it as a line of JSON."""
        seconds = time.perf_counter() - self.begun
        counts = {"sent": self.sent, "answered": self.answered, "lost": dict(self.lost)}
        return json.dumps({"seconds": seconds, "longest": self.longest, **counts})


async def call(http: aiohttp.ClientSession, method: str, seen: Seen) -> None:
    """Make one call and count it."""
    body = {"jsonrpc": "2.0", "id": seen.sent, "method": method, "params": PARAMETERS[method]}
    seen.sent += 1
    begun, lost = time.perf_counter(), ""
    try:
        async with http.post(os.environ["URL"], json=body) as answer:
            text = await answer.text()
            if answer.status != 200 or '"result"' not in text or '"isError":true' in text.replace(" ", ""):
                lost = f"status {answer.status}: {text[:160]}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        lost = f"{type(error).__name__}: {str(error)[:80]}"
    seen.longest = max(seen.longest, time.perf_counter() - begun)
    if lost:
        seen.lost[lost] += 1
    else:
        seen.answered += 1


async def main() -> None:
    """Call until the pod is taken away, whether or not the calls before are answered."""
    method, rate = os.environ["METHOD"], float(os.environ["RATE"])
    headers = {
        "Authorization": f"Bearer {os.environ['API_KEY']}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        **({"Mcp-Name": TOOL} if method == "tools/call" else {}),
    }
    seen, running, told = Seen(), set[asyncio.Task[None]](), 0.0
    timeout = aiohttp.ClientTimeout(total=LONGEST_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as http:
        while True:
            wait = seen.begun + seen.sent / rate - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            task = asyncio.create_task(call(http, method, seen))
            running.add(task)
            task.add_done_callback(running.discard)
            if time.perf_counter() >= told + 1:
                told = time.perf_counter()
                print(seen.told())  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main())
