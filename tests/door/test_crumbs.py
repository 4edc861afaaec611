"""What counts as crumbs, and frames followed as a WebSocket library reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Event, Ping

from framecast.door.crumbs import FrameMeter, Pieces


@pytest.mark.parametrize(("size", "crumbs"), [(0, True), (1, True), (7, True), (8, False), (240, False)])
def test_ten_thousand_pieces_may_have_any_size_and_more_must_have_eight_bytes(size: int, crumbs: bool) -> None:
    pieces = Pieces()
    assert not any(pieces.add(size) for _ in range(10_000))
    assert pieces.add(size) is crumbs
    pieces.clear()
    assert not pieces.add(size)


def test_a_piece_that_arrives_byte_by_byte_is_one() -> None:
    pieces = Pieces()
    assert not any(pieces.add(1, ends=number % 10 == 0) for number in range(200_000))


EVENTS = st.one_of(
    st.builds(
        BytesMessage,
        st.one_of(st.binary(max_size=200), st.sampled_from([b"x" * 65_535, b"x" * 65_536])),
        message_finished=st.booleans(),
    ),
    st.builds(Ping, st.binary(max_size=125)),
)


@given(st.lists(EVENTS, max_size=20), st.integers(1, 5), st.integers(1, 400))
def test_frames_are_followed_however_they_are_cut(events: list[Event], max_frames: int, size: int) -> None:
    peer, meter = Connection(ConnectionType.CLIENT), FrameMeter()
    sent = [peer.send(event) for event in events]
    # where each frame's payload begins, as its length says
    heads = [
        sum(map(len, sent[:number])) + len(data) - payload(event) for number, (event, data) in paired(events, sent)
    ]
    whole, place = b"".join(sent), 0
    while place < len(whole):
        taken = meter.follow(whole[place : place + size], max_frames)
        passed = [head for head in heads if place < head <= place + taken]
        assert len(passed) <= max_frames
        if taken < len(whole[place : place + size]):
            assert passed[-1] == place + taken
            assert len(passed) == max_frames
        place += taken
    assert not meter.crumbs


def payload(event: Event) -> int:
    if isinstance(event, Ping):
        return len(event.payload)
    return len(event.data) if isinstance(event, BytesMessage) else 0


def paired(events: list[Event], sent: list[bytes]) -> list[tuple[int, tuple[Event, bytes]]]:
    return list(enumerate(zip(events, sent, strict=True)))


@pytest.mark.parametrize(
    ("frame", "crumbs"),
    [
        (b"\x00\x81\0\0\0\0x", True),
        (b"\x00\x80\0\0\0\0", True),
        (b"\x80\x81\0\0\0\0x", False),  # each ends its message
        (b"\x8a\x80\0\0\0\0", False),  # pongs
        (b"\x00\x88\0\0\0\0xxxxxxxx", False),
    ],
)
def test_a_message_in_crumbs_is_seen(frame: bytes, crumbs: bool) -> None:
    meter = FrameMeter()
    for _ in range(20):
        meter.follow(frame * 1_000, 1_000_000)
    assert meter.crumbs is crumbs
