"""Frames of a client, written by wsproto and read by the core: the same however they are cut, and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from framecast._core import Broken, Closed, FrameReader, Pinged, close_frame, ping_frame, pong_frame, text_frame

Told = bytes | tuple[object, ...]


def make_reader(max_message_bytes: int = 1_000_000) -> FrameReader:
    return FrameReader(max_message_bytes=max_message_bytes, free_fragments=100, fragment_bytes=8)


def read(reader: FrameReader, data: bytes, size: int) -> list[Told]:
    """What the reader tells of `data`, in pieces of `size` bytes."""
    told: list[Told] = []
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        while (event := reader.next_event()) is not None:
            told.append(as_told(event))
    return told


def as_told(event: bytes | Pinged | Closed | Broken) -> Told:
    match event:
        case bytes():
            return event
        case Pinged(payload=payload):
            return ("ping", payload)
        case Closed(code=code, reason=reason):
            return ("close", code, reason)
        case Broken(code=code):
            return ("broken", code)


def as_said(event: Event) -> list[Told]:
    match event:
        case TextMessage(data=text):
            return [text.encode()]
        case BytesMessage(data=data):
            return [bytes(data)]
        case Ping(payload=payload):
            return [("ping", bytes(payload))]
        case CloseConnection(code=code, reason=reason):
            return [("close", int(code), reason or "")]
    return []


WORDS = st.one_of(
    st.builds(TextMessage, st.text(max_size=50)),
    st.builds(BytesMessage, st.one_of(st.binary(max_size=200), st.sampled_from([b"x" * 65_535, b"x" * 65_536]))),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)
CLOSES = st.builds(CloseConnection, st.sampled_from([1000, 1001, 1011, 3000, 4999]), st.text(max_size=30))


@given(st.lists(WORDS, max_size=12), CLOSES, st.binary(max_size=20), st.integers(1, 70_000))
def test_what_another_library_writes_is_read_the_same_however_it_is_cut(
    words: list[Event], close: CloseConnection, trailing: bytes, size: int
) -> None:
    client = Connection(ConnectionType.CLIENT)
    data = b"".join(client.send(word) for word in [*words, close])
    told = [one for word in [*words, close] for one in as_said(word)]
    assert read(make_reader(), data + trailing, max(size, len(data) // 500)) == told


@given(st.binary(max_size=300), st.integers(1, 30))
def test_any_bytes_are_told_of_the_same_whole_and_in_pieces(data: bytes, size: int) -> None:
    whole = read(make_reader(100), data, len(data) + 1)
    assert read(make_reader(100), data, size) == whole
    assert all(len(one) <= 100 for one in whole if isinstance(one, bytes))


def test_what_it_holds_is_what_came_and_not_what_was_announced() -> None:
    reader = make_reader(2_000_000)
    reader.feed(b"\x82\xff" + (1_000_000).to_bytes(8, "big") + bytes(4) + bytes(10))
    assert state(reader) == (24, False)
    assert reader.next_event() is None
    assert state(reader) == (10, False)
    reader.feed(bytes(999_990) + b"\x8a\x80")
    assert reader.next_event() == bytes(1_000_000)
    assert state(reader) == (2, False)
    assert reader.next_event() is None
    assert state(reader) == (0, False)
    reader.feed(bytearray(4))
    assert reader.next_event() is None
    assert state(reader) == (0, True)


def state(reader: FrameReader) -> tuple[int, bool]:
    return reader.held_bytes, reader.at_rest


def test_it_is_fed_only_when_it_has_told_all() -> None:
    reader = make_reader()
    reader.feed(b"\x89\x80\0\0\0\0")
    with pytest.raises(RuntimeError, match="when it has told all"):
        reader.feed(b"")


@given(st.text(max_size=70_000), st.binary(max_size=125), st.sampled_from([1000, 3001, 1005]), st.text(max_size=100))
def test_another_library_reads_what_we_say(text: str, payload: bytes, code: int, reason: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(text) + ping_frame() + pong_frame(payload) + close_frame(code, reason))
    *words, close = client.events()
    assert words == [TextMessage(text), Ping(b""), Pong(payload)]
    assert isinstance(close, CloseConnection)
    assert close.code == code
    cut = reason.encode()[:123].decode("utf-8", "ignore")
    assert (close.reason or "") == ("" if code == 1005 else cut)
