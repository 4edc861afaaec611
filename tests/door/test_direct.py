"""The lean stream beneath requests, over real sockets."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from framecast.door.answer import linger
from framecast.door.direct import DirectStream
from framecast.door.exchange import Disconnected, send_in_time

PATIENCE_SECONDS = 60
LARGE = b"x" * 8_000_000


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[DirectStream, trio.SocketStream]]:
    ours, theirs = trio.socket.socketpair()
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.SocketStream(ours) as below, trio.SocketStream(theirs) as peer:
            yield DirectStream(below), peer


async def test_what_was_sent_is_received_and_then_the_end() -> None:
    async with connected() as (stream, peer):
        await peer.send_all(b"one two")
        assert await stream.receive_some(4) == b"one "
        assert await stream.receive_some() == b"two"
        await peer.send_eof()
        assert await stream.receive_some() == b""


async def test_a_peer_sees_at_once_that_nothing_more_is_sent_and_may_send_on() -> None:
    async with connected() as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(partial(linger, stream, seconds=2 * PATIENCE_SECONDS, max_bytes=100))
        assert await peer.receive_some() == b""
        await peer.send_all(b"what was under way")
        await peer.send_eof()


async def test_receiving_lets_others_go_on_though_there_is_something_to_receive() -> None:
    async with connected() as (stream, peer):
        await peer.send_all(b"xy")
        turns = []

        async def other() -> None:
            turns.append("other")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(2):  # whoever was ready at the same time may come behind us once
                await stream.receive_some(1)
            assert turns == ["other"]


async def test_a_large_answer_is_sent_whole_while_the_peer_reads() -> None:
    async with connected() as (stream, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_in_time, stream, LARGE, PATIENCE_SECONDS)
            received = bytearray()
            while len(received) < len(LARGE):
                received += await peer.receive_some()
        assert received == LARGE


async def test_a_peer_that_takes_only_a_part_is_given_up_in_time() -> None:
    async with connected() as (stream, _):
        with pytest.raises(Disconnected):
            await send_in_time(stream, LARGE, 0.01)


async def test_a_peer_that_has_left_takes_nothing() -> None:
    async with connected() as (stream, peer):
        await peer.aclose()
        with pytest.raises(Disconnected):
            await send_in_time(stream, b"answer", PATIENCE_SECONDS)


async def test_a_reset_is_a_broken_connection() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with trio.fail_after(PATIENCE_SECONDS), listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as below:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            with pytest.raises(trio.BrokenResourceError):
                await DirectStream(below).receive_some()


async def test_a_closed_connection_is_neither_read_nor_written() -> None:
    async with connected() as (stream, _):
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await stream.receive_some()

            nursery.start_soon(receive)
            await wait_all_tasks_blocked()
            await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            stream.send_now(b"x")
