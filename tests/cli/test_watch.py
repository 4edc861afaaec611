"""Watching against a WebSocket server that plays a script."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from framecast.cli.failure import CommandError
from framecast.cli.frames import Row
from framecast.cli.rows import JsonPrinter, TablePrinter, cut
from framecast.cli.subscriber import Subscriber
from framecast.cli.watch import Watcher, live_url

SCHEMA = {
    "name": "cpu",
    "fields": [
        {"name": "labels", "type": "string"},
        {"name": "time", "type": "time"},
        {"name": "idle", "type": "number"},
    ],
}
CONNECTED = '{"id":1,"connect":{"client":"c","ping":25,"pong":true}}'

Play = Callable[[WebSocketConnection], Awaitable[None]]


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Time jumps when nothing happens; a moment's grace for sockets."""
    autojump_clock.autojump_threshold = 0.2
    return autojump_clock


@asynccontextmanager
async def live_server(*plays: Play | int) -> AsyncIterator[str]:
    """Plays one scene a connection; a number refuses the handshake with that status."""
    scenes = list(plays)

    async def handle(request: WebSocketRequest) -> None:
        scene = scenes.pop(0)
        if isinstance(scene, int):
            await request.reject(scene, body=b"go\x1b away")
            return
        socket = await request.accept()
        try:
            await scene(socket)
        except ConnectionClosed:
            return

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
        yield live_url(f"http://127.0.0.1:{server.port}")
        nursery.cancel_scope.cancel()
    assert not scenes, "a scene was not played"


def publication(*rows: tuple[str, int, float | None], schema: bool = False, channel: str = "stream/a/b") -> str:
    data: dict[str, Any] = {"data": {"values": [list(column) for column in zip(*rows, strict=True)]}}
    if schema:
        data = {"schema": SCHEMA, **data}
    return json.dumps({"push": {"channel": channel, "pub": {"data": data}}})


def watcher(*channels: str, count: int | None = None) -> Watcher:
    return Watcher(Subscriber(list(channels or ["stream/a/b"])), JsonPrinter(), count)


async def subscribed(socket: WebSocketConnection) -> list[str]:
    """Answer the opening message; everything is granted."""
    commands = [json.loads(line) for line in (await socket.get_message()).splitlines()]
    replies = [CONNECTED, *(json.dumps({"id": command["id"], "subscribe": {}}) for command in commands[1:])]
    replies[0] = CONNECTED.replace('"id":1', f'"id":{commands[0]["id"]}')
    await socket.send_message("\n".join(replies))
    return [command["subscribe"]["channel"] for command in commands[1:]]


def printed(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_rows_are_printed_and_count_ends_it(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def play(socket: WebSocketConnection) -> None:
        assert await subscribed(socket) == ["stream/a/b"]
        await socket.send_message(publication(("cpu=0", 1700000000123, 1.5), schema=True))
        await socket.send_message(publication(("cpu=1", 1700000001000, 2), ("cpu=2", 1700000002000, 3)))
        await socket.get_message()

    async with live_server(play) as url:
        run = watcher(count=2)
        await run.run(url)
    assert not run.failed
    assert printed(capsys) == [
        {
            "channel": "stream/a/b",
            "time": "2023-11-14T22:13:20.123Z",
            "labels": {"cpu": "0"},
            "fields": {"idle": 1.5},
        },
        {"channel": "stream/a/b", "time": "2023-11-14T22:13:21Z", "labels": {"cpu": "1"}, "fields": {"idle": 2}},
    ]


async def test_pings_are_answered(clock: MockClock) -> None:
    answers = []

    async def play(socket: WebSocketConnection) -> None:
        await subscribed(socket)
        for _ in range(3):
            await trio.sleep(25)
            await socket.send_message("{}")
            answers.append(await socket.get_message())
        await socket.aclose(3500, "enough")

    async with live_server(play) as url:
        with pytest.raises(CommandError, match="for good: 3500 enough"):
            await watcher().run(url)
    assert answers == ["{}"] * 3


async def test_a_refused_channel_is_told_and_the_others_go_on(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(socket: WebSocketConnection) -> None:
        await socket.get_message()
        await socket.send_message(CONNECTED + '\n{"id":2,"error":{"code":404,"message":"not found"}}')
        await socket.send_message('{"id":3,"subscribe":{}}')
        await socket.send_message(publication(("", 1, 2), schema=True, channel="stream/a/b"))
        await socket.send_message('{"push":{"channel":"stream/a/b","unsubscribe":{"code":2000,"reason":"gone"}}}')
        await socket.get_message()

    async with live_server(play) as url:
        run = watcher("stream/x/y", "stream/a/b")
        await run.run(url)
    assert run.failed
    captured = capsys.readouterr()
    assert captured.err == "stream/x/y: 404 not found\nstream/a/b: 2000 gone\n"
    assert len(captured.out.splitlines()) == 1


async def test_a_lost_connection_is_opened_again(clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async def first(socket: WebSocketConnection) -> None:
        await subscribed(socket)
        await socket.send_message(publication(("", 1, 1), ("", 2, 2), schema=True))
        await socket.aclose(3001, "shutdown")

    async def second(socket: WebSocketConnection) -> None:
        await socket.get_message()
        snapshot = {"schema": SCHEMA, "data": {"values": [["", ""], [2, 3], [2, 3]]}}
        await socket.send_message('{"id":3,"connect":{"client":"c"}}')
        await socket.send_message(json.dumps({"id": 4, "subscribe": {"data": snapshot}}))
        await socket.get_message()

    async with live_server(first, 503, second) as url:
        await watcher(count=3).run(url)
    captured = capsys.readouterr()
    assert [json.loads(line)["fields"]["idle"] for line in captured.out.splitlines()] == [1, 2, 3]
    assert "connection lost (3001 shutdown); connecting again" in captured.err
    assert "503" in captured.err
    assert "connected again" in captured.err
    assert "rows may be missing" in captured.err


async def test_silence_longer_than_announced_is_a_lost_connection(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def silent(socket: WebSocketConnection) -> None:
        await subscribed(socket)
        await trio.sleep(200)

    async def second(socket: WebSocketConnection) -> None:
        await socket.aclose(4500)

    began = trio.current_time()
    async with live_server(silent, second) as url:
        with pytest.raises(CommandError):
            await watcher().run(url)
        assert 35 <= trio.current_time() - began < 45
    assert "nothing was heard for 35 s" in capsys.readouterr().err


async def test_a_temporary_refusal_is_asked_again(clock: MockClock) -> None:
    asked = []

    async def play(socket: WebSocketConnection) -> None:
        await socket.get_message()
        await socket.send_message(CONNECTED + '\n{"id":2,"error":{"code":100,"message":"busy","temporary":true}}')
        asked.append(json.loads(await socket.get_message()))
        await socket.aclose(3500)

    async with live_server(play) as url:
        with pytest.raises(CommandError):
            await watcher().run(url)
    assert asked == [{"id": 3, "subscribe": {"channel": "stream/a/b", "recoverable": True}}]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_handshake_is_final(clock: MockClock, status: int) -> None:
    async with live_server(status) as url:
        with pytest.raises(CommandError, match=rf"answered {status}: go"):
            await watcher().run(url)


async def test_no_server_is_told(clock: MockClock) -> None:
    async with live_server() as url:
        pass
    with pytest.raises(CommandError, match="Connection refused"):
        await watcher().run(url)


async def test_a_packet_that_does_not_fit_is_told_and_the_next_is_shown(
    clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(socket: WebSocketConnection) -> None:
        await subscribed(socket)
        await socket.send_message(publication(("", 1, 1)))
        await socket.send_message(publication(("", 2, 2), schema=True))
        await socket.send_message('{"push":{"channel":"stream/a/b","pub":{"data":{"event":"saved"}}}}')
        await socket.get_message()

    async with live_server(play) as url:
        await watcher(count=2).run(url)
    captured = capsys.readouterr()
    assert "before any schema" in captured.err
    assert json.loads(captured.out.splitlines()[1]) == {"channel": "stream/a/b", "data": {"event": "saved"}}


def test_json_rows_hold_no_raw_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row(None, {"a\x9b": "\x7f\x1b[2J"}, {"x": float("nan"), "y": float("-inf"), "n": 2**63})
    JsonPrinter().show_rows("c", [row])
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert "\x7f" not in out
    assert json.loads(out) == {
        "channel": "c",
        "time": None,
        "labels": {"a\x9b": "\x7f\x1b[2J"},
        "fields": {"x": "NaN", "y": "-Inf", "n": 2**63},
    }


def test_a_table_is_aligned_and_its_header_comes_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    table = TablePrinter(utc=True)
    table.show_rows("stream/a/b", [Row(0, {"h": "日本"}, {"x": 1.5}), Row(10**9, {"h": "bbbbb"}, {"x": None})])
    table.show_rows("stream/a/b", [Row(2 * 10**9, {"h": "a\x1b"}, {"x": 123456})])
    table.show_rows("stream/a/b", [Row(3 * 10**9, {}, {"x": 3, "y\n": "t"})])
    assert capsys.readouterr().out == (
        "\nstream/a/b\n"
        "time                  labels     x\n"
        "1970-01-01T00:00:00Z  h=日本   1.5\n"
        "1970-01-01T00:00:01Z  h=bbbbb    -\n"
        "\nstream/a/b\n"
        "time                  labels        x\n"
        "1970-01-01T00:00:02Z  h=a\\x1b  123456\n"
        "\nstream/a/b\n"
        "time                  labels        x  y\\n\n"
        "1970-01-01T00:00:03Z                3    t\n"
    )


@pytest.mark.parametrize(("columns", "text"), [(9, "日本語abc"), (8, "日本語a…"), (6, "日本…"), (1, "…")])
def test_text_is_cut_by_columns(columns: int, text: str) -> None:
    assert cut("日本語abc", columns) == text


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h:1", "ws://h:1/api/live/ws"),
        ("https://h/sub/", "wss://h/sub/api/live/ws"),
        ("ws://[::1]:8300", "ws://[::1]:8300/api/live/ws"),
    ],
)
def test_the_address_follows_from_the_servers(url: str, address: str) -> None:
    assert live_url(url) == address
