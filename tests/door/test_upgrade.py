"""The WebSocket that rooms get from the door, against a real client."""

import h11
import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from framecast.door.closing import Closing
from framecast.door.head import parse_head
from framecast.door.replay import ReplayedStream
from framecast.door.upgrade import encode_switch, offered_subprotocols

PREFIX = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def test_the_switch_is_that_of_the_rfc() -> None:
    head = parse_head(PREFIX + b"\r\n", max_bytes=999).head
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in encode_switch(head)


def test_offered_subprotocols_are_read_without_what_is_no_token() -> None:
    raw = PREFIX + b"Sec-WebSocket-Protocol: a, \xff, b c,, d\r\nSec-WebSocket-Protocol: e\r\n\r\n"
    assert offered_subprotocols(parse_head(raw, max_bytes=999).head) == ["a", "d", "e"]


def test_the_switch_names_the_subprotocol_that_was_chosen_and_no_extension() -> None:
    raw = PREFIX + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=abc\r\nX-Odd: \xff\r\n\r\n"
    switch = encode_switch(parse_head(raw, max_bytes=999).head, "centrifuge-json")
    answer = h11.Connection(h11.CLIENT)
    answer.send(h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Upgrade", "websocket")]))
    answer.receive_data(switch)
    event = answer.next_event()
    assert isinstance(event, h11.InformationalResponse)
    assert event.status_code == 101
    headers = dict(event.headers)
    assert headers[b"sec-websocket-protocol"] == b"centrifuge-json"
    assert b"sec-websocket-extensions" not in headers


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
