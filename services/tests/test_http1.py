"""How an answer is read, also of servers that send what they should not."""

import asyncio

import pytest
from mcp_services.core.hop import BrokenError, Request
from mcp_testing.scripted import FIXED, POST, WHOLE, ask, saying, serving

AGAIN = Request("POST", "/mcp", {}, b"{}", 5, repeatable=True)

KEPT: dict[str, tuple[bytes, tuple[int, bytes]]] = {
    "with a length": (WHOLE, (200, b"{}")),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n",
        (200, b"abcde"),
    ),
    "empty": (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", (202, b"")),
    "after what only informs": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE,
        (200, b"{}"),
    ),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", (204, b"")),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, b"")),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
    "with a header of no value": (b"HTTP/1.1 200 OK\r\nA:\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
}


@pytest.mark.parametrize("size", [1, 2, 7, 2**20])
@pytest.mark.parametrize("case", KEPT)
async def test_an_answer_may_come_in_any_pieces_and_its_connection_serves_the_next(
    case: str, size: int
) -> None:
    raw, wanted = KEPT[case]
    async with serving(saying(raw, size=size)) as (server, client):
        for _ in range(3):
            assert await ask(client, server) == wanted
    assert len(server.asked) == 1


CLOSED: dict[str, tuple[bytes, tuple[int, bytes]]] = {
    "by its word": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        (200, b"{}"),
    ),
    "by its age": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
    "with too much behind it": (WHOLE + WHOLE, (200, b"{}")),
    "with something behind it": (WHOLE + b"HTTP/", (200, b"{}")),
    "with anything behind it": (WHOLE + b"x", (200, b"{}")),
}


@pytest.mark.parametrize("case", CLOSED)
async def test_a_connection_that_is_not_to_be_trusted_serves_no_other_request(case: str) -> None:
    raw, wanted = CLOSED[case]
    async with serving(saying(raw)) as (server, client):
        for _ in range(3):
            assert await ask(client, server) == wanted
    assert [len(one) for one in server.asked] == [1, 1, 1]


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\n\r\n"
    async with serving(saying(raw + b"x" * 100_000, size=1000, close=True)) as (server, client):
        assert await ask(client, server) == (200, b"x" * 100_000)
    async with serving(saying(raw, close=True)) as (server, client):
        assert await ask(client, server) == (200, b"")


async def test_an_answer_to_head_has_no_body_whatever_its_length() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")) as (server, client):
        request = Request("HEAD", "/v1/runs", {}, seconds=5)
        answer = await client.ask(server.at, request, FIXED)
        assert (answer.content_length, await answer.read()) == (500, b"")
        answer.release()
        assert await ask(client, server, request) == (200, b"")


async def test_what_is_sent_is_what_is_asked_for_and_the_headers_go_on_as_they_came() -> None:
    async with serving(saying(WHOLE)) as (server, client):
        await ask(client, server, Request("POST", "/mcp", {"x": "y"}, b"{}"))
        await ask(client, server, Request("GET", "/a?b=c", {"accept": "text/plain", "x-name": "Zürich"}))
        await ask(client, server, Request("DELETE", "/", {}))
    assert server.asked[0] == [
        b"POST /mcp HTTP/1.1\r\nHost: service.example\r\nx: y\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /a?b=c HTTP/1.1\r\nHost: service.example\r\naccept: text/plain\r\nx-name: Z\xfcrich\r\n\r\n",
        b"DELETE / HTTP/1.1\r\nHost: service.example\r\nAccept: */*\r\n\r\n",
    ]


@pytest.mark.parametrize("bad", ["a\r\nb: c", "a\nb: c", "a\rb", "a\0b"])
async def test_no_header_says_more_than_itself(bad: str) -> None:
    async with serving(saying(WHOLE)) as (server, client):
        for request in (
            Request("POST", "/", {"x": bad}),
            Request("POST", "/", {bad: "x"}),
            Request("POST", f"/{bad}", {}),
            Request("POST", "/ HTTP/1.1", {}),
        ):
            with pytest.raises(ValueError, match="line of a request's head"):
                await ask(client, server, request)
    assert server.asked == []


async def test_of_a_header_that_comes_twice_the_first_counts_and_the_type_is_told_without_parameters() -> (
    None
):
    raw = b"HTTP/1.1 200 OK\r\nContent-TYPE: Text/Plain; a=b\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(raw)) as (server, client):
        answer = await client.ask(server.at, POST, FIXED)
        answer.release()
    assert (answer.content_type, answer.headers["x-a"]) == ("text/plain", "1")


BAD = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "no number as length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "another protocol": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nsecret",
    "101 alone": b"HTTP/1.1 101 Switching\r\n\r\nsecret",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-A: secret\r\n" * 10_000,
    "a header without end": b"HTTP/1.1 200 OK\r\nX-A: " + b"secret" * 20_000,
    "information without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000,
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
    "a trailer without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"X-A: secret\r\n" * 10_000
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_is_no_http_breaks_the_connection_and_is_not_quoted(case: str) -> None:
    async with serving(saying(BAD[case], size=8000)) as (server, client):
        with pytest.raises(BrokenError) as raised:
            await ask(client, server)
        await asyncio.sleep(0.05)
        assert server.over == 1
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
async def test_an_answer_that_is_cut_off_is_no_answer(raw: bytes) -> None:
    async with serving(saying(raw, close=True)) as (server, client):
        with pytest.raises(BrokenError):
            await ask(client, server)
        with pytest.raises(BrokenError):
            await ask(client, server, AGAIN)


async def test_what_has_come_before_a_cut_is_given_first() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    async with serving(saying(raw, close=True)) as (server, client):
        answer = await client.ask(server.at, POST, FIXED)
        await asyncio.sleep(0.05)
        assert await anext(answer) == b"{}"
        with pytest.raises(BrokenError):
            await anext(answer)
        answer.release()
