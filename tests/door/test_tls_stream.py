"""A stream over TLS: what is said arrives, in whatever pieces, and both may end it as over plain TCP."""

import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from certificates import Files, make_certificate
from framecast.door.certificate import load_certificate
from framecast.door.direct import DirectStream
from framecast.door.tls import TlsStream
from framecast.settings import Server
from patience import PATIENCE_SECONDS

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
Client = trio.SSLStream[trio.SocketStream]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("made"))


def open_ends(
    made: Files, context: ssl.SSLContext, *, word_seconds: float = PATIENCE_SECONDS
) -> tuple[TlsStream, Client]:
    """Both ends of a connection that has not begun."""
    certificate = load_certificate(Server(tls_cert=str(made.cert), tls_key=str(made.key)))
    assert certificate is not None
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stream = TlsStream(certificate.server.begin(), DirectStream(trio.SocketStream(ours)), word_seconds=word_seconds)
    return stream, trio.SSLStream(trio.SocketStream(theirs), context, server_hostname="localhost")


@asynccontextmanager
async def connected(
    made: Files, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, *, word_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[TlsStream, Client]]:
    context = made.client_context()
    context.maximum_version = newest
    stream, client = open_ends(made, context, word_seconds=word_seconds)
    ends = stream.transport_stream, client.transport_stream
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.do_handshake)
            await client.do_handshake()
        try:
            yield stream, client
        finally:
            for end in ends:
                await trio.aclose_forcefully(end)


async def receive_all(stream: trio.abc.ReceiveStream) -> bytes:
    received = bytearray()
    while piece := await stream.receive_some(10_000):
        assert len(piece) <= 10_000
        received += piece
    return bytes(received)


@pytest.mark.parametrize("newest", VERSIONS)
async def test_what_is_said_arrives_either_way_and_so_does_the_end(made: Files, newest: ssl.TLSVersion) -> None:
    said, asked = bytes(range(256)) * 4_000, b"x" * 300_000
    heard: list[bytes] = []
    async with connected(made, newest) as (stream, client):

        async def listen() -> None:
            heard.append(await receive_all(client))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, asked)
            assert [await stream.receive_some(1), await stream.receive_some(2)] == [b"x", b"xx"]
            received = 3
            while received < len(asked):
                received += len(await stream.receive_some())
            nursery.start_soon(listen)
            await stream.send_all(memoryview(said))
            await stream.send_eof()
    assert heard == [said]


@pytest.mark.parametrize("newest", VERSIONS)
async def test_the_peers_goodbye_is_the_end_while_its_connection_stays_open(
    made: Files, newest: ssl.TLSVersion
) -> None:
    async with connected(made, newest) as (stream, client):
        await client.send_all(b"last words")

        async def part() -> None:
            await client.unwrap()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(part)
            assert await receive_all(stream) == b"last words"
            assert await stream.receive_some() == b""
            await stream.send_eof()


async def test_who_is_cancelled_while_the_session_speaks_has_lost_nothing(made: Files) -> None:
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = made.client_context().wrap_bio(came, goes, server_hostname="localhost")
    stream, ends = open_ends(made, made.client_context())
    below, peer = stream.transport_stream, ends.transport_stream
    with trio.fail_after(PATIENCE_SECONDS):
        async with below, peer, trio.open_nursery() as nursery:

            async def receive() -> None:
                pytest.fail(f"{await stream.receive_some()!r} though nobody takes what is to be said")

            nursery.start_soon(receive)
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            await peer.send_all(goes.read())
            while True:
                came.write(await peer.receive_some())
                with suppress(ssl.SSLWantReadError):
                    client.do_handshake()
                    break
            with suppress(BlockingIOError):
                while True:
                    os.write(below.socket.fileno(), bytes(4096))
            client.write(b"behind what is answered with tickets")
            await peer.send_all(goes.read())
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            with trio.fail_after(PATIENCE_SECONDS, shield=True):
                assert await stream.receive_some() == b"behind what is answered with tickets"


async def test_what_is_here_already_is_received_in_turn_with_others(made: Files) -> None:
    async with connected(made) as (stream, client):
        await client.send_all(b"xyz")
        turns = []

        async def other() -> None:
            turns.append("other")

        async with trio.open_nursery() as nursery:
            await stream.receive_some(1)
            nursery.start_soon(other)
            for _ in range(2):  # whoever was ready at the same time may come behind us once
                await stream.receive_some(1)
            assert turns == ["other"]


async def test_the_end_of_the_connection_without_a_goodbye_is_the_end(made: Files) -> None:
    async with connected(made) as (stream, client):
        await client.send_all(b"cut")
        await client.transport_stream.send_eof()
        assert await receive_all(stream) == b"cut"


async def test_what_breaks_the_protocol_breaks_the_stream_and_the_peer_is_told(made: Files) -> None:
    async with connected(made) as (stream, client):
        await client.transport_stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError, match="corrupt message"):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError) as told:
            await client.receive_some()
        assert "alert" in str(told.value.__cause__).lower()


async def test_a_handshake_that_cannot_be_says_why_to_both(made: Files) -> None:
    context = made.client_context()
    context.set_alpn_protocols(["h2"])
    stream, client = open_ends(made, context)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery, client.transport_stream, stream.transport_stream:

            async def begin() -> None:
                with pytest.raises(trio.BrokenResourceError, match="any known protocol"):
                    await stream.do_handshake()

            nursery.start_soon(begin)
            with pytest.raises(trio.BrokenResourceError) as told:
                await client.do_handshake()
    assert "no application protocol" in str(told.value.__cause__).lower()


async def test_a_handshake_that_ends_in_the_middle_is_told(made: Files) -> None:
    stream, client = open_ends(made, made.client_context())
    async with stream.transport_stream:
        await client.transport_stream.send_all(b"\x16\x03\x01\x02\x00\x01")
        await client.transport_stream.aclose()
        with pytest.raises(trio.BrokenResourceError, match="left"):
            await stream.do_handshake()


async def test_one_task_sends_at_a_time_and_a_second_is_told(made: Files) -> None:
    async with connected(made) as (stream, client), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"x" * 1_000_000)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.send_all(b"y")
        with pytest.raises(trio.BusyResourceError):
            await stream.send_eof()
        received = 0
        while received < 1_000_000:
            received += len(await client.receive_some())


async def test_nothing_is_sent_behind_the_goodbye_and_it_is_said_once(made: Files) -> None:
    async with connected(made) as (stream, client):
        await stream.send_eof()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        await client.send_all(b"still heard")
        assert await stream.receive_some() == b"still heard"
        await stream.aclose()
        await stream.aclose()
        assert await receive_all(client) == b""


async def test_closing_waits_for_no_peer_longer_than_it_may(made: Files) -> None:
    async with connected(made, word_seconds=0.05) as (stream, _client):
        with trio.move_on_after(0.05):
            await stream.send_all(b"x" * 1_000_000)
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()


async def test_closing_in_a_cancelled_scope_closes_and_hides_no_exception(made: Files) -> None:
    async with connected(made) as (stream, client):
        with trio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(ZeroDivisionError):
                async with stream:
                    raise ZeroDivisionError
        await receive_all(client.transport_stream)


async def test_hypercorn_finds_what_it_looks_for(made: Files) -> None:
    async with connected(made) as (stream, _client):
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() is None
        assert stream.transport_stream.socket is stream.socket
