"""Calls to a service with several pods: one name, several loopback addresses, real servers."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from mcp_services.core.upstream import HttpClient, Outgoing, Pool, UnavailableError, http_client

PODS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class Service:
    """The pods of one service, each an own server; what a pod does can be changed."""

    def __init__(self, port: int) -> None:
        """All pods listen on `port` of their own address."""
        self.port = port
        self.served: Counter[str] = Counter()
        self.encodings: set[str | None] = set()
        self.draining: set[str] = set()
        self.cutting: set[str] = set()
        self.runners: dict[str, web.AppRunner] = {}

    async def start(self, pod: str) -> None:
        """Start one pod."""

        async def answer(request: web.Request) -> web.Response:
            self.served[pod] += 1
            self.encodings.add(request.headers.get("Accept-Encoding"))
            if pod in self.cutting and request.transport:
                request.transport.close()
            return web.Response(headers={"X-Draining": "1"} if pod in self.draining else {})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        self.runners[pod] = web.AppRunner(app)
        await self.runners[pod].setup()
        await web.TCPSite(self.runners[pod], pod, self.port).start()

    async def stop(self, pod: str) -> None:
        """End one pod."""
        await self.runners.pop(pod).cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service without pods."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Service(port)
    yield made
    for pod in tuple(made.runners):
        await made.stop(pod)


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """The client that the roles use."""
    async with http_client() as made:
        yield made


def pool(service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch, *pods: str) -> Pool:
    """A pool whose name server knows `pods`."""

    async def getaddrinfo(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(0, 0, 0, "", (pod, service.port)) for pod in pods]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return Pool("test", "service", f"http://service.example:{service.port}", client)


async def ask(of: Pool, times: int = 1, *, repeatable: bool = False) -> list[int]:
    """The statuses of so many requests, one after the other."""
    statuses = []
    for _ in range(times):
        async with of.request(Outgoing("POST", "/mcp", {}, b"{}", 5, repeatable)) as answer:
            statuses.append(answer.status)
    return statuses


async def test_requests_reach_every_pod_though_connections_are_kept(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pod in PODS:
        await service.start(pod)
    await ask(pool(service, client, monkeypatch, *PODS), 90)
    assert set(service.served) == set(PODS)
    assert min(service.served.values()) >= 10


async def test_a_pod_that_is_gone_costs_no_request(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.start(PODS[0])
    assert await ask(pool(service, client, monkeypatch, *PODS), 20) == [200] * 20


async def test_a_draining_pod_gets_nothing_more(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pod in PODS[:2]:
        await service.start(pod)
    service.draining.add(PODS[0])
    await ask(pool(service, client, monkeypatch, *PODS[:2]), 30)
    assert service.served[PODS[0]] <= 1


async def test_a_request_that_may_have_arrived_is_sent_again_only_if_it_may_be(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pod in PODS[:2]:
        await service.start(pod)
    service.cutting.add(PODS[0])
    of = pool(service, client, monkeypatch, *PODS[:2])
    assert await ask(of, 5, repeatable=True) == [200] * 5
    service.cutting.update(PODS)
    before = service.served.total()
    with pytest.raises(UnavailableError):
        await ask(of)
    assert service.served.total() == before + 1


async def test_nobody_there_is_said_so(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError):
        await ask(pool(service, client, monkeypatch, *PODS))
    with pytest.raises(UnavailableError):
        await ask(pool(service, client, monkeypatch))


async def test_bytes_that_nobody_acknowledges_end_the_connection_after_ten_seconds(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.start(PODS[0])
    await ask(pool(service, client, monkeypatch, PODS[0]))
    (kept,) = client.connections._kept[PODS[0], service.port]
    used = kept._transport.get_extra_info("socket")
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


async def test_no_answer_is_asked_for_in_an_encoding_that_nobody_here_undoes(
    service: Service, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.start(PODS[0])
    await ask(pool(service, client, monkeypatch, PODS[0]))
    await (await client.session.get(f"http://{PODS[0]}:{service.port}/jwks.json")).read()
    assert service.encodings == {"identity"}
