"""What tracehub keeps, and what it does not."""

import gzip
import time
import zlib

import pytest
from aiohttp import web
from mcp_services.core.relay import TooLargeError
from mcp_services.core.upstream import http_client
from mcp_services.dev import free_base_port
from mcp_services.tracehub import redact
from mcp_services.tracehub.app import _MOST_BYTES, Forwarder, _gunzip
from mcp_services.tracehub.redact import REDACTED
from mcp_services.tracehub.store import MOST_SPANS_A_TRACE, Store, read, shown
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from prometheus_client import REGISTRY


def span(trace: str, span_id: str, correlation: str | None = None, **attributes: str) -> ProtoSpan:
    """A span as it comes."""
    made = ProtoSpan(trace_id=trace.encode(), span_id=span_id.encode())
    made.start_time_unix_nano = int(span_id) * 10**9
    for key, value in {"correlation.id": correlation or "", **attributes}.items():
        made.attributes.add(key=key).value.string_value = value
    return made


def hexed(name: str) -> str:
    """An ID as it is looked up."""
    return name.encode().hex()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("http.request.header.authorization", "x"),
        ("db.password", "x"),
        ("tool.arguments", "x"),
        ("note", "Bearer abcdefgh12345678"),
        ("note", "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"),
        ("url", "https://user:pass@host/"),
    ],
)
def test_secrets_and_contents_are_redacted_by_key_and_by_form(key: str, value: str) -> None:
    request, sent = exported()
    sent.attributes.add(key=key).value.string_value = value
    redact.request(request)
    kept = sent.attributes[0].value.string_value
    assert REDACTED in kept
    assert value not in kept


def exported() -> tuple[ExportTraceServiceRequest, ProtoSpan]:
    """A request of one span, and the span."""
    request = ExportTraceServiceRequest()
    return request, request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8
    )


def test_what_is_forwarded_is_redacted_wherever_it_stands() -> None:
    request, sent = exported()
    resource, bearer = request.resource_spans[0], "Bearer hunter2-hunter2"
    scope = resource.scope_spans[0].scope
    sent.attributes.add(key="api_key").value.string_value = bearer
    sent.attributes.add(key="list").value.array_value.values.add().string_value = bearer
    nested = sent.attributes.add(key="map").value.kvlist_value.values
    nested.add(key="password").value.string_value = "hunter2"
    nested.add(key="deep").value.array_value.values.add().kvlist_value.values.add(
        key="token"
    ).value.string_value = "hunter2"
    sent.attributes.add(key="raw").value.bytes_value = bearer.encode()
    sent.events.add(name=bearer).attributes.add(key="token").value.string_value = "hunter2"
    sent.links.add().attributes.add(key="secret").value.int_value = 7
    resource.resource.attributes.add(key="note").value.string_value = bearer
    scope.name = bearer
    scope.attributes.add(key="credential").value.string_value = "hunter2"
    sent.name = sent.status.message = bearer
    redact.request(request)
    assert b"hunter2" not in request.SerializeToString()
    assert sent.links[0].attributes[0].value.string_value == REDACTED
    assert shown(*next(iter(read(request))))["attributes"] == {
        "api_key": REDACTED,
        "list": [REDACTED],
        "map": {"password": REDACTED, "deep": [{"token": REDACTED}]},
        "raw": REDACTED.encode().hex(),
    }


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer abcdefgh12345678",
        "Basic  YWxpY2U6c2VjcmV0",
        "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----",
        "://user:pass@",
    ],
)
def test_no_sign_of_a_secret_is_missed_wherever_it_stands(secret: str) -> None:
    assert redact._VALUES.fullmatch(secret)
    for text in (secret, f"a {secret}", f"a {secret} b"):
        assert secret not in redact.text(text)
        assert REDACTED in redact.text(text)


def test_a_long_text_is_cut() -> None:
    request, sent = exported()
    sent.attributes.add(key="note").value.string_value = "x" * 10**6
    redact.request(request)
    assert len(request.SerializeToString()) < 5000


def test_a_secret_is_taken_out_whole_where_the_text_is_cut_within_it() -> None:
    jwt = f"eyJhbGciOi.{'cGF5bG9hZA' * 1500}.c2lnbmF0dXJl"
    kept = redact.text(f"{'x' * 4000} {jwt} behind")
    assert kept == f"{'x' * 4000} {REDACTED}"
    many = redact.text(f"{jwt} " * 20)
    assert "cGF5" not in many


def test_of_a_private_key_nothing_is_kept() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
    assert redact.text(f"a {key} b") == f"a {REDACTED} b"
    assert redact.text(f"a {key[:40]}") == f"a {REDACTED}"


@pytest.mark.parametrize("part", ["eyJ", "eyJaaaaa.", "eyJaaaaa-", "://a:", "Bearer ", "-----BEGIN A"])
def test_a_text_that_nearly_is_a_secret_all_along_is_looked_through_in_no_time(part: str) -> None:
    begun = time.process_time()
    redact.text(part * (200_000 // len(part)))
    assert time.process_time() - begun < 2


def test_what_is_packed_unpacks_whole_and_within_the_limit_or_not_at_all() -> None:
    packed = gzip.compress(b"spans")
    assert _gunzip(packed) == b"spans"
    assert len(_gunzip(gzip.compress(bytes(_MOST_BYTES)))) == _MOST_BYTES
    bomb = gzip.compress(bytes(_MOST_BYTES + 1))
    with pytest.raises(TooLargeError):
        _gunzip(bomb)
    for bad in (packed[:-9], gzip.compress(b"") + bomb, packed + packed, b""):
        with pytest.raises(zlib.error):
            _gunzip(bad)


async def test_the_queue_to_the_receiver_is_bounded_by_bytes() -> None:
    forwarder = Forwarder("http://nobody")
    for _ in range(40):
        forwarder.put(bytes(2**20), 1)
    assert (len(forwarder._queue), forwarder.size) == (16, 16 * 2**20)


async def test_what_is_queued_at_the_end_still_goes_on() -> None:
    received: list[bytes] = []

    async def receive(request: web.Request) -> web.StreamResponse:
        received.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    forwarder = Forwarder(f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with http_client() as client, forwarder.running(client.session):
        for number in range(3):
            forwarder.put(b"%d" % number, 1)
    await runner.cleanup()
    assert received == [b"0", b"1", b"2"]


async def test_what_nobody_takes_at_the_end_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_services.tracehub.app._END_SECONDS", 0.2)
    labels = {"role": "mcp-tracehub"}
    before = REGISTRY.get_sample_value("mcp_spans_dropped_total", labels) or 0.0
    forwarder = Forwarder(f"http://127.0.0.1:{free_base_port()}")
    async with http_client() as client, forwarder.running(client.session):
        forwarder.put(b"x", 5)
        forwarder.put(b"y", 6)
    assert REGISTRY.get_sample_value("mcp_spans_dropped_total", labels) == before + 11


def test_a_correlation_id_finds_all_its_traces_in_order_of_time() -> None:
    store = Store(10, 10**6)
    store.add("a", span("t1", "2", "c"))
    store.add("b", span("t1", "1"))
    store.add("a", span("t2", "3", "c"))
    assert store.correlated("c") == [hexed("t1"), hexed("t2")]
    found = store.trace(hexed("t1"))
    assert [(one["spanId"], one["service"]) for one in found] == [(hexed("1"), "b"), (hexed("2"), "a")]


def test_memory_is_bounded_and_the_oldest_trace_is_forgotten_whole() -> None:
    store = Store(2, 10**6)
    for number in range(5):
        store.add("a", span(f"t{number}", "1", f"c{number}"))
    assert store.trace(hexed("t2")) == []
    assert store.correlated("c2") == []
    assert store.correlated("c4") == [hexed("t4")]


@pytest.mark.parametrize("where", ["span", "service", "trace"])
def test_memory_is_bounded_by_bytes_whatever_a_trace_holds(where: str) -> None:
    most, large = 10**6, "x" * 5000
    store = Store(5000, most)
    trace = {"trace": large}.get(where, "t")
    for number in range(3000):
        one = span(f"{trace}{number % 500}", str(number), f"c{number}")
        if where == "span":
            one.attributes.add(key="note").value.string_value = large
        store.add(large if where == "service" else "a", one)
        assert store.size <= most
    assert store.trace(hexed(f"{trace}499")) != []
    assert store.trace(hexed(f"{trace}0")) == []
    assert len(store._by_correlation) < 500


def test_what_no_look_up_shows_is_not_kept() -> None:
    store, most = Store(10, 10**6), span("t", "1")
    store.add("a", most)
    before = store.size
    for _ in range(100):
        most.events.add(name="x" * 100)
        most.links.add(trace_id=b"x" * 16)
    store.add("a", most)
    assert (store.size, len(most.events)) == (before, 100)


def test_a_span_that_comes_again_takes_no_more_room_and_its_ids_are_counted() -> None:
    store = Store(5000, 10**6)
    store.add("a", span("t", "1"))
    before = store.size
    store.add("a", span("t", "1"))
    assert store.size == before
    for number in range(10**4):
        store.add("a", span("t", "1", f"c{number}"))
        assert len(store._by_correlation) < 10**6 / 400


def test_a_trace_takes_no_more_spans_than_it_may() -> None:
    store = Store(10, 10**8)
    taken = [store.add("a", span("t", str(number))) for number in range(MOST_SPANS_A_TRACE + 1)]
    assert (sum(taken), taken[-1]) == (MOST_SPANS_A_TRACE, False)
