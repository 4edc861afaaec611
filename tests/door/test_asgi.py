"""The application behind the door, over real sockets: what hypercorn does and what it may not."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import structlog
import trio

from framecast.door.asgi import AppRoom, Receive, Scope, Send
from framecast.door.connection import Rooms, TakeOver, serve_connection
from framecast.door.direct import DirectStream
from framecast.door.head import RequestHead
from framecast.door.listen import open_listeners, serve
from framecast.door.replay import ReplayedStream
from framecast.errors import Refusal
from framecast.settings import Server
from patience import PATIENCE_SECONDS


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        if not message.get("more_body"):
            break
    text = f"{scope['method']} {scope['path']} {len(body)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


async def no_websocket(head: RequestHead) -> TakeOver:
    raise Refusal(404, "none")


@asynccontextmanager
async def house(limits: Server, body_seconds: float = 30, served: Any = app) -> AsyncIterator[tuple[str, AppRoom]]:
    room = AppRoom(served, limits, body_seconds=body_seconds)
    rooms = Rooms(lambda head: None, no_websocket, lambda head: None, room.serve)
    async with trio.open_nursery() as connections:
        listeners = await open_listeners(["127.0.0.1:0"])
        start = partial(
            serve,
            listeners,
            lambda stream: serve_connection(stream, rooms, limits),
            connections=connections,
            limits=limits,
        )
        [place] = await connections.start(start)
        yield place, room
        connections.cancel_scope.cancel()


@asynccontextmanager
async def served_stream(limits: Server, served: Any) -> AsyncIterator[tuple[trio.SocketStream, trio.Event]]:
    """One connection to `served`, and what is set when the server has let go of it."""
    ended = trio.Event()
    room = AppRoom(served, limits, body_seconds=30)

    async def handle(stream: DirectStream) -> None:
        try:
            await room.serve(ReplayedStream(stream, send_seconds=limits.send_seconds))
        finally:
            ended.set()

    async with trio.open_nursery() as connections:
        listeners = await open_listeners(["127.0.0.1:0"])
        [place] = await connections.start(partial(serve, listeners, handle, connections=connections, limits=limits))
        async with await dial(place) as stream:
            yield stream, ended
        connections.cancel_scope.cancel()


async def dial(place: str) -> trio.SocketStream:
    host, _, port = place.rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def test_a_post_reaches_the_application_and_the_connection_is_kept() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            house(Server()) as (place, _),
            httpx.AsyncClient(base_url=f"http://{place}", timeout=PATIENCE_SECONDS) as client,
        ):
            for _ in range(3):
                answer = await client.post("/x", content=b"y" * 500_000)
                assert (answer.status_code, answer.text) == (200, "POST /x 500000")
                assert "server" not in answer.headers


async def test_a_connection_is_good_for_more_than_a_thousand_requests() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, _), await dial(place) as stream:
            got = bytearray()
            count = 1_100
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * count)
                while got.count(b"GET /x 0") < count and (data := await stream.receive_some()):
                    got += data
            assert got.count(b"GET /x 0") == count


async def test_a_hostile_upgrade_on_a_kept_connection_ends_only_that_connection() -> None:
    upgrade = (
        b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with structlog.testing.capture_logs() as logs, trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, _), await dial(place) as healthy:
            for hostile in (
                upgrade + b"\r\nX",
                upgrade + b"Content-Length: 3\r\n\r\nabc",
                upgrade + b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
                upgrade + b"Sec-WebSocket-Extensions: \xff\r\n\r\n",
                upgrade + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=abc\r\n\r\n",
            ):
                async with await dial(place) as stream:
                    await stream.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
                    await stream.send_all(hostile)
                    await stream.send_eof()
                    while await stream.receive_some():
                        pass
            await healthy.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await healthy.receive_some()).startswith(b"HTTP/1.1 200")
    assert {entry["log_level"] for entry in logs} <= {"debug"}
    assert "hypercorn gave a connection up" in {entry["event"] for entry in logs}


async def later(place: str, data: bytes) -> bytes:
    """All that comes after the first answer on a connection when `data` is the second request."""
    async with await dial(place) as stream:
        await stream.send_all(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
        first = b""
        while not first.endswith(b"GET /first 0"):
            first += await stream.receive_some()
        await stream.send_all(data)
        answer = b""
        while piece := await stream.receive_some():
            answer += piece
        return answer


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"


async def test_no_later_request_changes_the_connection_to_http_2() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, _):
            assert await later(place, PREFACE) == b""
            assert b"\0" not in await later(place, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" + PREFACE)
            for offer in (b"", b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"):
                answer = await later(place, b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n" + offer + b"\r\n")
                assert answer.startswith(b"HTTP/1.1 505 ")
                assert b"HTTP/1.1 101 " not in answer
                assert b"\0" not in answer


async def test_no_later_request_has_a_body_of_two_lengths() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, _):
            two = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            assert (await later(place, two)).startswith(b"HTTP/1.1 400 ")
            answer = await later(place, two + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"smuggled" not in answer
            assert b"HTTP/1.1 200 " not in answer


async def test_a_bug_beneath_hypercorn_reaches_the_connections_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: object, data: object) -> None:
        raise TypeError("a bug of ours")

    monkeypatch.setattr("framecast.door.asgi._Http1Stream.receive_some", broken)
    with structlog.testing.capture_logs() as logs, trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, _), await dial(place) as stream:
            await stream.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            with contextlib.suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
    [entry] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (entry["event"], str(entry["exc_info"])) == ("connection failed", "a bug of ours")


@pytest.fixture
def clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Jumps only when the loopback had its time: with 0, a deadline could pass while bytes are on their way."""
    autojump_clock.autojump_threshold = 0.05
    return autojump_clock


async def test_a_body_that_drips_ends_in_time(clock: trio.testing.MockClock) -> None:
    left = trio.Event()

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass
        left.set()

    async with house(Server(), body_seconds=5, served=patient) as (place, _), await dial(place) as stream:
        await stream.send_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        await left.wait()
        assert 5 <= trio.current_time() < 6


async def test_terminate_closes_idle_connections() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with house(Server()) as (place, room), await dial(place) as stream:
            await stream.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            await room.terminate()
            while await stream.receive_some():
                pass


async def test_a_kept_connection_ends_when_its_peer_leaves(clock: trio.testing.MockClock) -> None:
    async with served_stream(Server(), app) as (stream, ended):
        await stream.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
        await ended.wait()
        assert trio.current_time() < 1


async def test_a_peer_that_takes_no_answer_is_waited_for_once(clock: trio.testing.MockClock) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with trio.open_nursery() as nursery:

            async def stop_when_left() -> None:
                while (await receive())["type"] == "http.request":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop_when_left)
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with served_stream(Server(send_seconds=7), endless) as (stream, ended):
        await stream.send_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        await ended.wait()
        assert 7 <= trio.current_time() < 8
