"""Listening, accepting and the boundary around every connection. Loopback, port 0, fake time or fail_after."""

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
import trio

from framecast.door.direct import DirectStream
from framecast.door.listen import AT_ONCE, listening_places, open_listeners, parse_place, serve
from framecast.errors import ConfigurationError
from framecast.settings import Server
from patience import PATIENCE_SECONDS

LIMITS = Server(accept_retry_seconds=0.01)
Handle = Callable[[DirectStream], Awaitable[None]]


async def echo(stream: DirectStream) -> None:
    async for data in stream:
        await stream.send_all(data)


class Crowd:
    """Counts how many are served at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def echo(self, stream: DirectStream) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await echo(stream)
        self.now -= 1


async def dial(place: str) -> trio.SocketStream:
    host, port = parse_place(place)
    return await trio.open_tcp_stream(host, port)


async def check_echo(stream: trio.SocketStream, text: bytes = b"hi") -> None:
    await stream.send_all(text)
    assert await stream.receive_some() == text


@pytest.mark.parametrize("text", ["", "8300", ":8300", "a:", "a:b", "a:99999", "::1:8300", "[::1]", "a b:1", "a:1:2"])
def test_a_place_that_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:8300"):
        parse_place(text)


def test_places_are_read() -> None:
    assert parse_place("127.0.0.1:8300") == ("127.0.0.1", 8300)
    assert parse_place("[::1]:0") == ("::1", 0)


async def test_both_families_and_free_ports() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        listeners = await open_listeners(["127.0.0.1:0", "[::1]:0"])
        places = listening_places(listeners)
        assert places[0].startswith("127.0.0.1:")
        assert places[1].startswith("[::1]:")
        assert not any(place.endswith(":0") for place in places)
        async with trio.open_nursery() as nursery:
            started = await nursery.start(_serve, listeners, echo, nursery)
            assert started == places
            for place in places:
                async with await dial(place) as stream:
                    await check_echo(stream)
            nursery.cancel_scope.cancel()


async def _serve(
    listeners: Any,
    handle: Handle,
    connections: trio.Nursery,
    limits: Server = LIMITS,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    await serve(listeners, handle, connections=connections, limits=limits, task_status=task_status)


async def test_what_cannot_be_bound_is_named_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=place):
            await open_listeners(["127.0.0.1:0", place])
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1:0"):
        await open_listeners(["192.0.2.1:0"])
    with pytest.raises(ConfigurationError, match="invalid:1"):
        await open_listeners(["no-such-host.invalid:1"])
    with pytest.raises(ConfigurationError):
        await open_listeners([])


async def test_a_handler_that_raises_ends_only_its_connection_and_is_logged_once() -> None:
    async def handle(stream: DirectStream) -> None:
        data = await stream.receive_some()
        if data == b"one":
            raise KeyError("a bug")
        if data == b"group":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_fail)
        if data == b"broken":
            raise trio.BrokenResourceError
        await stream.send_all(data)

    with structlog.testing.capture_logs() as logs, trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(_serve, await open_listeners(["127.0.0.1:0"]), handle, nursery)
            healthy = await dial(place)
            for poison in (b"one", b"group", b"broken"):
                async with await dial(place) as stream:
                    await stream.send_all(poison)
                    assert await stream.receive_some() == b""
            await check_echo(healthy)
            await healthy.aclose()
            nursery.cancel_scope.cancel()
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [type(entry["exc_info"]) for entry in errors] == [KeyError, ValueError]


async def _fail() -> None:
    raise ValueError("a bug in a task")


async def test_a_bug_in_a_connection_that_is_being_cancelled_is_still_logged() -> None:
    async def handle(stream: DirectStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("a bug while being cancelled")

    with structlog.testing.capture_logs() as logs, trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(_serve, await open_listeners(["127.0.0.1:0"]), handle, nursery)
            stream = await dial(place)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
        await stream.aclose()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection failed"]


async def test_no_more_connections_than_allowed_are_accepted() -> None:
    crowd = Crowd()
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await open_listeners(["127.0.0.1:0"])
            [place] = await nursery.start(_serve, listeners, crowd.echo, nursery, Server(max_open_connections=2))
            streams = [await dial(place) for _ in range(5)]
            for stream in streams:
                await check_echo(stream)
                await stream.aclose()
            nursery.cancel_scope.cancel()
    assert crowd.most == 2


async def test_all_who_wait_when_the_server_begins_are_served_and_none_beyond_the_limit() -> None:
    crowd = Crowd()
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await open_listeners(["127.0.0.1:0"])
            streams = [await dial(listening_places(listeners)[0]) for _ in range(2 * AT_ONCE)]
            await nursery.start(_serve, listeners, crowd.echo, nursery, Server(max_open_connections=AT_ONCE + 5))
            for stream in streams:
                await check_echo(stream)
                await stream.aclose()
            nursery.cancel_scope.cancel()
    assert crowd.most == AT_ONCE + 5


class StarvedListener:
    """A listener whose system has no descriptors left for a while."""

    def __init__(self, listener: trio.SocketListener, failures: int) -> None:
        self.socket = listener.socket
        self._listener = listener
        self.failures = failures

    async def accept(self) -> trio.SocketStream:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await self._listener.accept()


async def test_running_out_of_descriptors_is_survived_and_logged_once(autojump_clock: trio.testing.MockClock) -> None:
    [listener] = await open_listeners(["127.0.0.1:0"])
    starved: Any = StarvedListener(listener, failures=50)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, [starved], echo, nursery, Server(accept_retry_seconds=1))
            await trio.sleep(60)
            assert starved.failures == 0
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == ["cannot accept connections"]


async def test_small_answers_are_not_delayed_by_nagle() -> None:
    seen = []

    async def handle(stream: DirectStream) -> None:
        seen.append(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await echo(stream)

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(_serve, await open_listeners(["127.0.0.1:0"]), handle, nursery)
            async with await dial(place) as stream:
                await check_echo(stream)
            nursery.cancel_scope.cancel()
    assert seen != []
    assert seen[0] != 0


async def test_accepting_stops_first_and_running_connections_go_on() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                listeners = await open_listeners(["127.0.0.1:0"])
                [place] = await accepting.start(_serve, listeners, echo, connections)
                stream = await dial(place)
                await check_echo(stream)
                accepting.cancel_scope.cancel()
            with pytest.raises(OSError, match="connect"):
                await dial(place)
            await check_echo(stream)
            await stream.aclose()
