"""An answer goes out as one write, and none of it waits for long or is lost."""

import asyncio
from typing import Any

import pytest
from mcp_services.core.joined import JoinedWrites


class Transport:
    """What was written, and whether it is closed."""

    def __init__(self) -> None:
        """Be open."""
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """Note it."""
        assert not self.closed
        self.written.append(data)

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.closed

    def close(self) -> None:
        """Be closed."""
        self.closed = True


@pytest.fixture
async def pair() -> tuple[JoinedWrites, Transport]:
    """Joined writes, and where they go."""
    transport: Any = Transport()
    return JoinedWrites(transport, asyncio.get_running_loop()), transport


async def test_what_is_written_in_one_round_goes_out_as_one(pair: tuple[JoinedWrites, Transport]) -> None:
    joined, transport = pair
    joined.write(b"head ")
    joined.write(b"")
    joined.write(b"body")
    joined.flush()
    joined.write(b"next")
    assert transport.written == [b"head body"]
    await asyncio.sleep(0)
    assert transport.written == [b"head body", b"next"]


async def test_a_head_whose_body_does_not_come_yet_goes_out_alone(
    pair: tuple[JoinedWrites, Transport],
) -> None:
    joined, transport = pair
    joined.write(b"head")
    await asyncio.sleep(0)
    assert transport.written == [b"head"]


async def test_what_is_large_does_not_wait(pair: tuple[JoinedWrites, Transport]) -> None:
    joined, transport = pair
    joined.write(b"head")
    joined.write(b"x" * 100_000)
    assert [len(one) for one in transport.written] == [100_004]


async def test_what_is_written_before_the_end_goes_out_and_nothing_after_it(
    pair: tuple[JoinedWrites, Transport],
) -> None:
    joined, transport = pair
    joined.write(b"last")
    joined.close()
    joined.write(b"more")
    await asyncio.sleep(0)
    assert (transport.written, joined.is_closing()) == ([b"last"], True)
