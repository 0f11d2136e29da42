"""Calls of every kind for a long time: memory stays level, and neither files nor tasks are left behind.

`A1_SOAK_SECONDS` is how long; `make soak` takes half an hour.
"""

import asyncio
import os
from collections.abc import Sequence
from statistics import mean

from mcp_services.dev import Stack
from mcp_testing.driving import Ask, Load, Usage, usage

pytest_plugins = ["mcp_services.testing"]

SECONDS = float(os.environ.get("A1_SOAK_SECONDS", "12"))
RATE = 25
_WINDOWS = 12
_LONG_SECONDS = 600
"""From here on memory is asked to be level: before it, caches and the kept traces still fill."""
_LEVEL_MIB = 10.0
_AT_REST_MIB, _UNDER_LOAD_MIB = 128.0, 200.0
_FEW = 5
_KEPT_FILES = 30
"""Connections that are kept for a while; one file left behind in ten calls is more after 12 s."""

_AT_REST_SECONDS = 3.0

KINDS = (
    *(Ask.tool("example__echo", text="hello"),) * 12,
    *(Ask.before("example__echo", text="hello"),) * 4,
    Ask.listing(),
    Ask.tool("workflow_run", workflow="sum-and-tell", input={"a": 1, "b": 2, "c": 3, "d": 4}),
    Ask.before("workflow_run", workflow="sum-and-tell", input={"a": 1, "b": 2, "c": 3, "d": 4}),
    Ask.tool("example__fail"),
)


async def test_a_long_load_leaves_nothing_behind(stack: Stack) -> None:
    async with Load.on(stack) as load:
        await asyncio.gather(*(load.call(ask=kind) for kind in KINDS))
        await asyncio.sleep(_AT_REST_SECONDS)
        rest, seen = await usage(stack), []
        for _ in range(_WINDOWS):
            await window(load, SECONDS / _WINDOWS)
            seen.append(await usage(stack))
    await asyncio.sleep(_AT_REST_SECONDS)
    after = await usage(stack)
    for role, at in after.items():
        told = f"{role}: {rest[role]} before, {at} after"
        print(told)  # noqa: T201 - the figures of a long run are worth a look
        assert at.tasks <= rest[role].tasks + _FEW, told
        assert rest[role].mib < _AT_REST_MIB, told
        assert max(one[role].mib for one in seen) < _UNDER_LOAD_MIB, told
        assert at.files <= rest[role].files + _KEPT_FILES, told
        if SECONDS >= _LONG_SECONDS:
            assert level(seen, role), f"{role}: {[round(one[role].mib) for one in seen]} MiB"
            assert at.files <= max(one[role].files for one in seen[: _WINDOWS // 3]), told


async def window(load: Load, seconds: float) -> None:
    """Every kind in turn at a constant rate; what policy refuses is refused, all else succeeds."""
    calls = []
    for number in range(max(len(KINDS), int(RATE * seconds))):
        calls.append(asyncio.create_task(load.call(ask=KINDS[number % len(KINDS)])))
        await asyncio.sleep(1 / RATE)
    for number, one in enumerate(await asyncio.gather(*calls)):
        wanted = 403 if number % len(KINDS) == len(KINDS) - 1 else 200
        assert (one.status, one.ok) == (wanted, wanted == 200), (KINDS[number % len(KINDS)], one)


def level(seen: Sequence[dict[str, Usage]], role: str) -> bool:
    """Whether the last third holds no more memory than the second, but for little."""
    third = _WINDOWS // 3
    middle, last = seen[third : 2 * third], seen[2 * third :]
    return mean(one[role].mib for one in last) <= mean(one[role].mib for one in middle) + _LEVEL_MIB
