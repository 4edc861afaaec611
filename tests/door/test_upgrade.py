"""The WebSocket that rooms get from the door, against a real client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from framecast.door.closing import Closing
from framecast.door.connection import Rooms, TakeOver, serve_connection
from framecast.door.head import RequestHead, parse_head
from framecast.door.replay import ReplayedStream
from framecast.door.upgrade import accept_websocket, encode_switch, offered_subprotocols
from framecast.settings import Server
from patience import PATIENCE_SECONDS

PREFIX = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def test_the_switch_is_that_of_the_rfc() -> None:
    head = parse_head(PREFIX + b"\r\n", max_bytes=999).head
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in encode_switch(head)


def test_offered_subprotocols_are_read_without_what_is_no_token() -> None:
    raw = PREFIX + b"Sec-WebSocket-Protocol: a, \xff, b c,, d\r\nSec-WebSocket-Protocol: e\r\n\r\n"
    assert offered_subprotocols(parse_head(raw, max_bytes=999).head) == ["a", "d", "e"]


async def test_a_client_gets_its_subprotocol_no_extension_and_its_messages_through() -> None:
    ours, theirs = memory_stream_pair()

    async def admit(head: RequestHead) -> TakeOver:
        async def echo(stream: trio.abc.Stream) -> None:
            async with trio.open_nursery() as nursery:
                connection = await accept_websocket(
                    nursery,
                    stream,
                    head,
                    subprotocol=offered_subprotocols(head)[0],
                    max_message_bytes=100_000,
                    handshake_seconds=5,
                )
                await connection.send_message(await connection.get_message())
                await connection.aclose(1001)

        return echo

    async def nobody(stream: trio.abc.Stream) -> None:
        raise AssertionError

    rooms = Rooms(lambda head: None, admit, lambda head: None, nobody)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, ours, rooms, Server())
            hostile = [
                (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits=abc"),
                (b"X-Odd", b"\xff"),
            ]
            transport: Any = theirs
            client = await trio_websocket.wrap_client_stream(
                nursery, transport, "a", "/ws", subprotocols=["centrifuge-json"], extra_headers=hostile
            )
            assert client.subprotocol == "centrifuge-json"
            assert b"sec-websocket-extensions" not in dict(client.handshake_headers)
            await client.send_message("x" * 50_000)
            assert await client.get_message() == "x" * 50_000


async def test_a_replayed_stream_gives_back_in_pieces_and_offers_only_what_the_stream_has() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"after")
    stream = ReplayedStream(ours, b"before")
    assert [await stream.receive_some(4), await stream.receive_some(4), await stream.receive_some()] == [
        b"befo",
        b"re",
        b"after",
    ]
    assert not hasattr(stream, "do_handshake")
    await stream.send_eof()
    assert await theirs.receive_some() == b""


async def test_a_shielded_send_to_a_peer_that_never_reads_ends_in_time(autojump_clock: MockClock) -> None:
    clogged = trio.StapledStream(MemorySendStream(trio.sleep_forever), MemoryReceiveStream())
    with trio.fail_after(100), trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError):
        await ReplayedStream(clogged, send_seconds=30).send_all(b"x")
    assert trio.current_time() == 30


async def test_at_the_end_shielded_sends_have_only_the_grace_time(autojump_clock: MockClock) -> None:
    closing = Closing()

    async def send() -> None:
        clogged = trio.StapledStream(MemorySendStream(trio.sleep_forever), MemoryReceiveStream())
        with trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError):
            await ReplayedStream(clogged, send_seconds=30, closing=closing).send_all(b"x")

    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(25)
            nursery.start_soon(send)
            closing.begin(grace_seconds=10)
            await trio.sleep(1)
            nursery.start_soon(send)
        assert trio.current_time() == 35
        await send()
        assert trio.current_time() == 35


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"\x81\x02{}", b"\x88"),  # unmasked: the peer is told 1002
        (b"\x88\x82\x00\x00\x00\x00\x03\xea", b"\x88\x02\x03\xea"),  # the peer's own 1002 comes back once
    ],
)
async def test_a_peer_that_breaks_off_gets_exactly_one_close_frame(frame: bytes, answer: bytes) -> None:
    ours, theirs = memory_stream_pair()
    head = parse_head(PREFIX + b"\r\n", max_bytes=999).head
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            connection = await accept_websocket(nursery, ours, head, max_message_bytes=100, handshake_seconds=5)
            await theirs.send_all(frame)
            with pytest.raises(trio_websocket.ConnectionClosed):
                await connection.get_message()
        received = b""
        while piece := await theirs.receive_some():
            received += piece
    said = received.partition(b"\r\n\r\n")[2]
    assert said.startswith(answer)
    assert said[2:4] == (1002).to_bytes(2, "big")
    assert len(said) == 2 + said[1]


@asynccontextmanager
async def accepted(max_message_bytes: int) -> AsyncIterator[tuple[trio_websocket.WebSocketConnection, trio.abc.Stream]]:
    ours, theirs = memory_stream_pair()
    head = parse_head(PREFIX + b"\r\n", max_bytes=999).head
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            yield (
                await accept_websocket(nursery, ours, head, max_message_bytes=max_message_bytes, handshake_seconds=5),
                theirs,
            )
            nursery.cancel_scope.cancel()


def frame(opcode: int, data: bytes) -> bytes:
    """A masked frame; with opcode + 0x80 the last of its message."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([opcode]) + size + bytes(4) + data


async def test_large_messages_come_through_whole_in_one_frame_or_many() -> None:
    body = bytes(range(256)) * 200
    async with accepted(100_000) as (connection, theirs):
        await theirs.send_all(frame(0x82, body))
        assert await connection.get_message() == body
        pieces = [body[start : start + 100] for start in range(0, len(body), 100)]
        await theirs.send_all(frame(2, b"") + b"".join(frame(0, piece) for piece in pieces) + frame(0x80, b"end"))
        assert await connection.get_message() == body + b"end"
        for number in range(20_000):
            await theirs.send_all(frame(0x82, b"%d" % number))
            assert await connection.get_message() == b"%d" % number


async def test_messages_that_nobody_comes_for_are_left_to_the_peer() -> None:
    ours, theirs = memory_stream_pair()
    head = parse_head(PREFIX + b"\r\n", max_bytes=999).head
    counted = Counted(ours)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            await accept_websocket(nursery, counted, head, max_message_bytes=60_000, handshake_seconds=5)
            await theirs.send_all(frame(0x82, bytes(50_000)) * 20)
            await trio.testing.wait_all_tasks_blocked()
            assert 50_000 < counted.received_bytes < 60_000
            nursery.cancel_scope.cancel()


class Counted(ReplayedStream):
    """Counts what is taken from it."""

    received_bytes = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        received = await super().receive_some(max_bytes)
        self.received_bytes += len(received)
        return received


@pytest.mark.parametrize("piece", [b"x", b""])
async def test_a_message_in_tiny_fragments_is_1008(piece: bytes) -> None:
    async with accepted(1_000_000) as (connection, theirs):
        await theirs.send_all(frame(2, piece) + frame(0, piece) * 10_000)
        with pytest.raises(trio_websocket.ConnectionClosed):
            await connection.get_message()
        received = await theirs.receive_some()
        assert received.partition(b"\r\n\r\n")[2].startswith(b"\x88\x19\x03\xf0too many tiny")


async def test_a_flood_of_tiny_frames_leaves_others_their_turn() -> None:
    turns = 0
    async with accepted(1_000) as (connection, theirs):

        async def run() -> None:
            nonlocal turns
            while True:
                await trio.sleep(0)  # noqa: ASYNC115 - trio.lowlevel is for door/outbound.py alone
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await theirs.send_all(frame(0x8A, b"") * 6_400 + frame(0x82, b"end"))
            assert await connection.get_message() == b"end"
            nursery.cancel_scope.cancel()
    assert turns >= 100
