"""WriterStream under a real trio-websocket connection, over real sockets."""

import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
import trio_websocket

from framecast._core import Fanout
from framecast.door.direct import DirectStream
from framecast.door.outbound import Reading, WriterEvents, WriterStream
from patience import PATIENCE_SECONDS


@pytest.fixture
async def writer(nursery: trio.Nursery) -> AsyncIterator[WriterEvents]:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout:
        events = WriterEvents(fanout)
        await nursery.start(events.run)
        yield events


async def connect() -> tuple[DirectStream, trio.SocketStream]:
    """Both ends of a TCP connection: the accepted one first."""
    with trio.socket.socket() as listening:
        await listening.bind(("127.0.0.1", 0))
        listening.listen()
        theirs = await trio.open_tcp_stream("127.0.0.1", listening.getsockname()[1])
        ours, _ = await listening.accept()
    return DirectStream(trio.SocketStream(ours)), theirs


def adopt(
    writer: WriterEvents,
    ours: DirectStream,
    *,
    max_queue_bytes: int = 1 << 24,
    write_seconds: float = 60,
    close_flush_seconds: float = 5,
) -> WriterStream:
    return writer.adopt(
        ours,
        max_queue_bytes=max_queue_bytes,
        write_seconds=write_seconds,
        close_flush_seconds=close_flush_seconds,
    )


async def until(happened: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not happened():  # noqa: ASYNC110 -- what is waited for happens in another thread
            await trio.sleep(0.001)


def open_descriptors() -> set[str]:
    return {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


async def test_websocket_over_it_keeps_framing_and_order_until_nothing_follows_the_close(
    writer: WriterEvents, nursery: trio.Nursery
) -> None:
    ours, theirs = await connect()
    ours.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, 16_384)
    stream = adopt(writer, ours, max_queue_bytes=1 << 30)
    fanout = writer.fanout
    fanout.subscribe(stream.connection, "a", "a")
    publishing = threading.Event()
    published = 0

    def publish() -> None:
        nonlocal published
        filler = "x" * 100_000
        while not publishing.wait(0.001):
            size = 0 if published % 5 else 100_000
            taken = fanout.publish("a", json.dumps([published, filler[:size]]).encode(), 0)
            published += taken

    async def serve() -> None:
        request = await trio_websocket.wrap_server_stream(nursery, stream)
        server = await request.accept()
        thread = threading.Thread(target=publish)
        thread.start()
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            while True:
                command = await server.get_message()
                stream.send_message(b'{"reply":%d}' % int(command))
        publishing.set()
        thread.join()
        await server.aclose()
        await stream.aclose()

    numbers: list[int] = []
    replies: list[int] = []
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as both:
            both.start_soon(serve)
            client = await trio_websocket.wrap_client_stream(both, theirs, "localhost", "/")
            for turn in range(30):
                both.start_soon(client.ping)
                await client.send_message(str(turn))
            while len(replies) < 30 or len(numbers) < 100:
                message = json.loads(await client.get_message())
                if "reply" in message:
                    replies.append(message["reply"])
                else:
                    numbers.append(message["push"]["pub"]["data"][0])
            await client.aclose(1000)
            assert client.closed is not None
            assert client.closed.code == 1000
    assert replies == list(range(30))
    assert numbers == list(range(len(numbers)))
    assert published >= len(numbers)
    assert not stream.overflowed


async def test_nothing_follows_a_close(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours)
    writer.fanout.subscribe(stream.connection, "a", "a")
    await stream.send_all(b"\x81\x01x")
    await stream.send_all(bytearray(b"\x88\x00"))
    assert writer.fanout.publish("a", b"1", 1) == 0
    with pytest.raises(trio.BrokenResourceError, match="Close"):
        stream.send_message(b"late")
    await stream.aclose()
    received = b"".join([part async for part in theirs])
    assert received == b"\x81\x01x\x88\x00"
    await theirs.aclose()


async def test_slow_reader_is_cut_and_its_stream_says_why(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours, max_queue_bytes=1 << 20)
    writer.fanout.subscribe(stream.connection, "a", "a")
    data = b'"%s"' % (b"x" * 100_000)
    with trio.fail_after(PATIENCE_SECONDS):
        while writer.fanout.publish("a", data, 0):
            await trio.lowlevel.checkpoint()  # publishing alone never lets another task run
        assert await stream.receive_some() == b""
    assert stream.overflowed
    with pytest.raises(trio.BrokenResourceError, match="too slowly"):
        await stream.send_all(b"late")
    with pytest.raises(trio.BrokenResourceError, match="too slowly"):
        stream.send_message(b"late")
    await stream.aclose()
    await theirs.aclose()


async def test_reader_that_takes_nothing_is_cut_and_its_stream_says_why(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours, write_seconds=0.05)
    await stream.send_all(bytes(1 << 23))
    with trio.fail_after(PATIENCE_SECONDS):
        assert await stream.receive_some() == b""
    assert (stream.stalled, stream.overflowed) == (True, False)
    with pytest.raises(trio.BrokenResourceError, match="read nothing"):
        stream.send_message(b"late")
    with pytest.raises(trio.BrokenResourceError, match="read nothing"):
        await stream.send_eof()
    await stream.aclose()
    await theirs.aclose()


async def test_who_finds_it_cut_knows_the_reason_before_the_writer_has_said_so(nursery: trio.Nursery) -> None:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout:
        writer = WriterEvents(fanout)  # which nobody runs yet
        pairs = [await connect() for _ in range(2)]
        speaking, hearing = (adopt(writer, ours, max_queue_bytes=10) for ours, _ in pairs)
        with pytest.raises(trio.BrokenResourceError, match="too slowly"):
            speaking.send_message(b"eleven byte")
        assert not fanout.send(hearing.connection, b"eleven byte")
        with trio.fail_after(PATIENCE_SECONDS):
            assert await hearing.receive_some() == b""
        assert (speaking.overflowed, hearing.overflowed) == (True, True)
        await nursery.start(writer.run)
        for stream, (_, theirs) in zip((speaking, hearing), pairs, strict=True):
            await stream.aclose()
            await theirs.aclose()


async def test_peer_that_left_breaks_the_stream(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours)
    await theirs.aclose()
    with trio.fail_after(PATIENCE_SECONDS), pytest.raises(trio.BrokenResourceError):  # noqa: PT012
        while True:  # which of the sends finds out is the kernel's choice
            await stream.send_all(b"to nobody")
    await until(lambda: stream.broken)
    await stream.aclose()


async def test_messages_are_framed_as_the_peer_reads_and_only_a_websocket_says_goodbye(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    reading = Reading(protocol="protobuf", framing="stream", unidirectional=True)
    stream = writer.adopt(ours, max_queue_bytes=1000, write_seconds=60, close_flush_seconds=1, reading=reading)
    writer.fanout.subscribe(stream.connection, "a", "a")
    await stream.send_all(b"\x88 begins a Close only in a WebSocket;")
    stream.send_message(b"\x00")
    assert writer.fanout.publish("a", b"1", 0) == 1
    await stream.aclose()
    received = b"".join([piece async for piece in theirs])
    assert received == b"\x88 begins a Close only in a WebSocket;\x00\x08\x12\x01a\x22\x03\x22\x011"
    await theirs.aclose()


async def test_reading_stamps_the_time(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours)
    before = stream.last_received
    await until(lambda: trio.current_time() > before)
    await theirs.send_all(b"head")
    assert await stream.receive_some() == b"head"
    assert stream.last_received > before
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()
    await theirs.aclose()


async def test_aclose_writes_out_what_was_queued(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours, max_queue_bytes=1 << 25)
    await stream.send_all(b"x" * (1 << 24))
    received = 0

    async def read() -> None:
        nonlocal received
        async for part in theirs:
            received += len(part)

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as both:
            both.start_soon(read)
            await stream.aclose()
            await stream.aclose()
    assert received == 1 << 24
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"late")
    await theirs.aclose()


async def test_send_eof_follows_what_was_queued_and_reading_goes_on(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours)
    await stream.send_all(b"last words")
    await stream.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"late")
    assert b"".join([part async for part in theirs]) == b"last words"
    await theirs.send_all(b"answer")
    assert await stream.receive_some() == b"answer"
    await stream.aclose()
    await theirs.aclose()


async def test_aclose_waits_no_longer_than_told_for_a_peer_that_does_not_read(writer: WriterEvents) -> None:
    ours, theirs = await connect()
    stream = adopt(writer, ours, max_queue_bytes=1 << 26, close_flush_seconds=0.05)
    await stream.send_all(bytes(1 << 25))
    with trio.fail_after(PATIENCE_SECONDS):
        await stream.aclose()
    assert ours.socket.fileno() == -1
    assert writer.fanout.statistics().connections == 0
    await theirs.aclose()


async def test_aclose_in_a_cancelled_scope_keeps_the_real_exception_and_flushes(
    writer: WriterEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framecast.door.outbound.LAST_PASS_SECONDS", PATIENCE_SECONDS)  # when it gets its turn
    ours, theirs = await connect()
    stream = adopt(writer, ours)
    with pytest.raises(LookupError, match="real"), trio.CancelScope() as scope:  # noqa: PT012
        async with stream:
            await stream.send_all(b"last words")
            scope.cancel()
            raise LookupError("the real one")
    assert ours.socket.fileno() == -1
    assert b"".join([part async for part in theirs]) == b"last words"
    await theirs.aclose()


async def test_writer_that_does_not_answer_costs_a_descriptor_and_not_a_foreign_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("framecast.door.outbound._RELEASE_SECONDS", 0.01)
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout:
        ours, theirs = await connect()
        # Nobody runs the events: as if the writer were stuck.
        stream = adopt(WriterEvents(fanout), ours, close_flush_seconds=0.01)
        descriptor = ours.socket.fileno()
        await stream.aclose()
        assert await theirs.receive_some() == b"", "the peer learns of the end all the same"
        os.fstat(descriptor)
        assert ours.socket.fileno() == -1
    os.close(descriptor)
    await theirs.aclose()


async def test_no_descriptor_is_left_behind(writer: WriterEvents) -> None:
    before = open_descriptors()
    for turn in range(20):
        ours, theirs = await connect()
        stream = adopt(writer, ours, max_queue_bytes=1000)
        if turn % 2:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(b"x" * (1500 if turn % 5 else 10))
        if turn % 3 == 0:
            await theirs.aclose()
        await stream.aclose()
        await theirs.aclose()
    assert open_descriptors() == before
    assert writer.fanout.statistics().connections == 0
    assert writer._streams == {}
