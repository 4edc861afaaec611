"""A subscriber's WebSocket: what comes through, what is answered, what ends it."""

import random
from collections.abc import Sequence

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from framecast.door.websocket import WebSocket, WebSocketEnded
from patience import PATIENCE_SECONDS


class Peer:
    """The other end: gives its bytes in pieces of a size, and reads what is queued for it."""

    def __init__(self, *pieces: bytes) -> None:
        self.frames = Connection(ConnectionType.CLIENT)
        self.pieces = list(pieces)
        self.received_bytes = 0
        self.stays = False
        """Whether it is silent at the end, instead of leaving."""
        self.broken = False
        self.said = b""

    def cut(self, data: bytes, size: int) -> None:
        self.pieces += [data[start : start + size] for start in range(0, len(data), size)]

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        assert max_bytes is not None
        if not self.pieces:
            if self.stays:
                await trio.sleep_forever()
            if self.broken:
                raise trio.BrokenResourceError
            return b""
        piece = self.pieces[0][:max_bytes]
        self.pieces[0] = self.pieces[0][max_bytes:]
        if not self.pieces[0]:
            self.pieces.pop(0)
        self.received_bytes += len(piece)
        return piece

    def send(self, data: bytes) -> None:
        if self.broken:
            raise trio.BrokenResourceError
        self.said += data

    def heard(self) -> list[Event]:
        self.frames.receive_data(self.said)
        self.said = b""
        return list(self.frames.events())


def frame(opcode: int, data: bytes) -> bytes:
    """A masked frame; with opcode + 0x80 the last of its message."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([opcode]) + size + bytes(4) + data


async def read_all(websocket: WebSocket) -> tuple[list[bytes], int | None]:
    """All messages, and the code at the end."""
    messages = []
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                messages.append(await websocket.receive())
            except WebSocketEnded as ended:
                return messages, ended.code


WORDS = st.one_of(
    st.builds(TextMessage, st.text(max_size=50), message_finished=st.booleans()),
    st.builds(BytesMessage, st.binary(max_size=200), message_finished=st.booleans()),
    st.builds(BytesMessage, st.sampled_from([bytes(5_000), bytes(70_000)]), message_finished=st.booleans()),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)


def say(peer: Peer, words: Sequence[Event]) -> tuple[bytes, list[bytes], list[bytes]]:
    """What a peer sends, what its whole messages are, and its pings."""
    data, messages, pings, parts = b"", [], [], b""
    kind: type[Event] | None = None
    for word in words:
        if isinstance(word, TextMessage | BytesMessage):
            if kind not in {None, type(word)}:
                continue  # a message is of one kind
            kind = None if word.message_finished else type(word)
            parts += word.data.encode() if isinstance(word, TextMessage) else bytes(word.data)
            if word.message_finished:
                messages.append(parts)
                parts = b""
        elif isinstance(word, Ping):
            pings.append(bytes(word.payload))
        data += peer.frames.send(word)
    return data, messages, pings


@given(st.lists(WORDS, max_size=20), st.integers(1, 9_000))
def test_messages_come_through_whole_and_pings_are_answered_however_they_are_cut(words: list[Event], size: int) -> None:
    peer = Peer()
    data, messages, pings = say(peer, words)
    peer.cut(data, max(size, len(data) // 500))
    assert trio.run(read_all, WebSocket(peer, max_message_bytes=10_000_000)) == (messages, None)
    assert peer.heard() == [Pong(payload) for payload in pings]


async def test_between_two_messages_nothing_is_kept() -> None:
    peer = Peer(frame(0x81, b"{}") + frame(0x89, b"ping"), frame(0x81, b"{}")[:3], frame(0x81, b"{}")[3:])
    peer.stays = True
    websocket = WebSocket(peer, max_message_bytes=100)
    assert [await websocket.receive() for _ in range(2)] == [b"{}", b"{}"]
    with trio.move_on_after(0):
        await websocket.receive()
    assert websocket._reader is None
    peer.pieces.append(frame(1, b"the first half"))
    await trio.testing.wait_all_tasks_blocked()
    with trio.move_on_after(0.01):
        await websocket.receive()
    assert websocket._reader is not None


async def test_reading_that_is_cancelled_loses_nothing() -> None:
    """At any moment, between any two bytes."""
    chance = random.Random(8)
    sent = [b"%d" % number * chance.randrange(1, 60) for number in range(300)]
    peer = Peer()
    for message in sent:
        peer.cut(frame(1, message[:3]) + frame(0x89, b"") + frame(0x80, message[3:]), chance.randrange(1, 40))
    websocket = WebSocket(peer, max_message_bytes=1_000)
    received: list[bytes] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while len(received) < len(sent):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def cancel(scope: trio.CancelScope = scope) -> None:
                        for _ in range(chance.randrange(12)):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()

                    nursery.start_soon(cancel)
                    while len(received) < len(sent):
                        received.append(await websocket.receive())
                    nursery.cancel_scope.cancel()
    assert received == sent
    assert peer.heard() == [Pong(b"")] * 300


@pytest.mark.parametrize(
    ("sent", "code", "answer"),
    [
        (b"\x81\x02{}", 1002, 1002),  # unmasked
        (b"\xc1\x82" + bytes(4) + b"{}", 1002, 1002),  # compressed, and nobody agreed to that
        (frame(0x80, b"no message to continue"), 1002, 1002),
        (frame(0x81, b"\xff"), 1007, 1007),
        (frame(0x82, bytes(101)), 1009, 1009),
        (frame(2, bytes(60)) + frame(0x80, bytes(60)), 1009, 1009),
        (frame(0x81, "é".encode() * 51), 1009, 1009),
        (frame(0x88, b"\x03\xeabye"), 1002, 1002),  # the peer's own word comes back, once
        (frame(0x88, b"\x03\xe8"), 1000, 1000),
        (frame(0x88, b""), 1005, 1005),
        (frame(2, b"") + frame(0, b"") * 10_000, 1008, 1008),
        (b"", None, None),
        (frame(0x81, b"half")[:-1], None, None),
    ],
)
async def test_what_ends_it_is_answered_with_one_close_frame(sent: bytes, code: int | None, answer: int | None) -> None:
    peer = Peer(frame(0x81, b"before"), sent, frame(0x81, b"after"))
    websocket = WebSocket(peer, max_message_bytes=100)
    if code is None:
        peer.pieces.pop()
    peer.pieces = [piece for piece in peer.pieces if piece]
    assert await read_all(websocket) == ([b"before"], code)
    assert await read_all(websocket) == ([], code)
    await websocket.close(3000, "too late")
    assert [event.code for event in peer.heard() if isinstance(event, CloseConnection)] == ([answer] if answer else [])
    assert websocket.ended_by_peer is (code is None or sent[0] == 0x88)


@pytest.mark.parametrize(
    ("sent", "too_big"), [(frame(0x82, bytes(101)), True), (frame(0x88, b"\x03\xf1"), False), (frame(0x83, b""), False)]
)
async def test_only_what_we_turn_out_for_it_was_too_big(sent: bytes, too_big: bool) -> None:
    websocket = WebSocket(Peer(sent), max_message_bytes=100)
    for _ in range(2):
        with pytest.raises(WebSocketEnded) as ended:
            await websocket.receive()
        assert ended.value.too_big is too_big


async def test_a_message_in_tiny_fragments_is_ended_before_it_is_too_big() -> None:
    peer = Peer(frame(2, b"x") + frame(0, b"x") * 10_000)
    assert await read_all(WebSocket(peer, max_message_bytes=20_000)) == ([], 1008)
    assert peer.heard() == [CloseConnection(1008, "too many tiny fragments")]


@pytest.mark.parametrize("answers", [True, False])
async def test_closing_waits_for_the_answer_and_drops_what_comes_before_it(
    answers: bool, autojump_clock: trio.testing.MockClock
) -> None:
    peer = Peer(frame(0x81, b"a last command"), frame(0x89, b"a last ping"))
    if answers:
        peer.pieces.append(frame(0x88, b"\x0b\xb9"))
    peer.stays = True
    websocket = WebSocket(peer, max_message_bytes=100)
    with trio.move_on_after(5) as patience:
        await websocket.close(3001, "shutdown")
    assert patience.cancelled_caught is not answers
    assert websocket.ended_by_peer is answers
    assert peer.said == b"\x88\x0a\x0b\xb9shutdown", "nothing follows it"


async def test_a_reason_that_is_too_long_is_cut() -> None:
    peer = Peer()
    await WebSocket(peer, max_message_bytes=100).close(3001, "é" * 100)
    assert peer.heard() == [CloseConnection(3001, "é" * 61)]


async def test_a_connection_that_breaks_just_ends() -> None:
    peer = Peer(frame(0x89, b"ping") + frame(0x81, b"{}"))
    peer.broken = True
    websocket = WebSocket(peer, max_message_bytes=100)
    assert await read_all(websocket) == ([b"{}"], None)
    await websocket.close(3001, "shutdown")
    assert peer.said == b""


async def test_messages_that_nobody_comes_for_are_left_to_the_peer() -> None:
    peer = Peer(frame(0x82, bytes(50_000)) * 20)
    websocket = WebSocket(peer, max_message_bytes=60_000)
    assert len(await websocket.receive()) == 50_000
    assert 50_000 < peer.received_bytes < 60_000


@pytest.mark.parametrize("tiny", [frame(0x89, b""), frame(0x82, b"")])
async def test_a_flood_of_what_costs_something_leaves_others_their_turn(tiny: bytes) -> None:
    peer = Peer(tiny * 6_400 + frame(0x82, b"end"))
    turns = 0

    async def run() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        websocket = WebSocket(peer, max_message_bytes=100)
        while await websocket.receive() != b"end":
            pass
        nursery.cancel_scope.cancel()
    assert turns >= 100
