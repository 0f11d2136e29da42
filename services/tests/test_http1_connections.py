"""What becomes of a connection to another service: kept, closed, made anew, held back, too late."""

import asyncio
import socket

import pytest
from mcp_services.core.hop import BrokenError, NotSentError, Request
from mcp_services.core.http1 import connection as connection_module
from mcp_services.core.http1 import connections as connections_module
from mcp_services.core.http1.connections import Connections
from mcp_testing.scripted import FIXED, POST, WHOLE, ask, saying, serving

AGAIN = Request("POST", "/mcp", {}, b"{}", 5, repeatable=True)


async def test_a_kept_connection_that_breaks_is_made_anew_only_where_the_request_may_be_repeated() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.asked[-1]) > 1:
            writer.close()
        else:
            writer.write(WHOLE)

    async with serving(serve) as (server, client):
        await ask(client, server)
        with pytest.raises(BrokenError):
            await ask(client, server)
        assert [len(one) for one in server.asked] == [2]
        await ask(client, server)
        assert await ask(client, server, AGAIN) == (200, b"{}")
        assert [len(one) for one in server.asked] == [2, 2, 1]


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    async with serving(serve) as (server, client):
        for _ in range(3):
            assert await ask(client, server) == (200, b"{}")
            await asyncio.sleep(0.1)
            assert client._kept == {}
    assert [len(one) for one in server.asked] == [1, 1, 1]


async def test_what_comes_unasked_closes_a_connection_that_waits() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        await asyncio.sleep(0.02)
        writer.write(WHOLE)

    async with serving(serve) as (server, client):
        for _ in range(2):
            await ask(client, server)
            await asyncio.sleep(0.1)
    assert [len(one) for one in server.asked] == [1, 1]


async def test_an_answer_that_is_not_read_to_its_end_closes_its_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"
    async with serving(saying(raw)) as (server, client):
        answer = await client.ask(server.at, POST, FIXED)
        answer.release()
        await asyncio.sleep(0.05)
        assert server.over == 1


async def test_who_is_cancelled_closes_the_connection() -> None:
    async with serving(saying(b"")) as (server, client):
        asking = asyncio.create_task(ask(client, server))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.05)
        assert (len(server.asked), server.over) == (1, 1)
        assert client._open == set()


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"])
async def test_an_answer_that_is_not_whole_in_time_is_too_late_and_its_connection_is_closed(
    raw: bytes,
) -> None:
    async with serving(saying(raw)) as (server, client):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await ask(client, server, Request("GET", "/", {}, seconds=0.2))
        assert asyncio.get_running_loop().time() - begun == pytest.approx(0.2, abs=0.15)
        await asyncio.sleep(0.05)
        assert server.over == 1


async def test_each_request_over_a_connection_has_a_time_of_its_own() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(WHOLE)

    async with serving(serve) as (server, client):
        for seconds in (60, 0.3, 60, 0.3, 0.3):
            assert await ask(client, server, Request("GET", "/", {}, seconds=seconds)) == (200, b"{}")
        with pytest.raises(TimeoutError):
            await ask(client, server, Request("GET", "/", {}, seconds=0.05))
    assert len(server.asked) == 1


async def test_a_connection_waits_for_another_request_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "KEEP_SECONDS", 0.2)
    async with serving(saying(WHOLE)) as (server, client):
        for _ in range(3):
            await ask(client, server)
            await asyncio.sleep(0.1)
        assert server.over == 0
        await asyncio.sleep(0.4)
        assert (len(server.asked), server.over) == (1, 1)
        assert (client._open, client._kept) == (set(), {})


async def test_who_reads_slowly_holds_the_sender_back_and_gets_all() -> None:
    size, sent = 30_000_000, 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    async with serving(serve) as (server, client):
        answer = await client.ask(server.at, POST, FIXED)
        await asyncio.sleep(0.3)
        assert answer.waiting < 1_000_000
        # The rest is in the kernel's buffers.
        assert sent < size / 2
        assert sum([len(piece) async for piece in answer]) == size
        answer.release()
        assert len(client._kept[server.at]) == 1


async def test_an_early_answer_to_a_large_request_leaves_no_rest_of_it_for_the_next() -> None:
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()

    async with serving(serve) as (server, client):
        large = Request("POST", "/", {}, b"x" * 30_000_000, 5)
        assert await ask(client, server, large) == (413, b"")
        assert client._kept == {}
        done.set()


async def test_so_many_are_asked_at_a_time_and_no_more() -> None:
    most, at_once, now = 3, 0, 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, now
        now += 1
        at_once = max(at_once, now)
        await asyncio.sleep(0.05)
        now -= 1
        writer.write(WHOLE)

    async with serving(serve) as (server, _):
        client = Connections(most)
        assert await asyncio.gather(*(ask(client, server) for _ in range(10))) == [(200, b"{}")] * 10
        assert at_once == most
        held = [await client.ask(server.at, POST, FIXED) for _ in range(most)]
        with pytest.raises(TimeoutError):
            await ask(client, server, Request("GET", "/", {}, seconds=0.1))
        for one in held:
            one.release()
        assert await ask(client, server) == (200, b"{}")
        await client.close()


async def test_who_asks_where_nobody_listens_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Connections()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        at = probe.getsockname()
        with pytest.raises(NotSentError, match="ConnectionRefusedError"):
            await client.ask(at, POST, FIXED)
        # What is too much for its queue the kernel drops.
        probe.listen(0)
        filling = [socket.socket() for _ in range(3)]
        for one in filling:
            one.settimeout(0)
            one.connect_ex(at)
        monkeypatch.setattr(connections_module, "CONNECT_SECONDS", 0.2)
        with pytest.raises(NotSentError, match="TimeoutError"):
            await client.ask(at, POST, FIXED)
        for one in filling:
            one.close()
    assert not client._room.locked()


async def test_at_the_end_all_connections_are_closed_and_no_other_is_made() -> None:
    async with serving(saying(WHOLE, b"")) as (server, client):
        await ask(client, server)
        waiting = asyncio.create_task(ask(client, server))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(BrokenError):
            await waiting
        with pytest.raises(NotSentError):
            await ask(client, server)
        await asyncio.sleep(0.05)
        assert server.over == len(server.asked) == 1
