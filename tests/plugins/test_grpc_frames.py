"""A GOAWAY that only says goodbye is taken out of the frames, wherever they are cut; everything else passes.

DATA frames that lie one behind the other may pass as one: what they hold is the same.
"""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.grpc.frames import Farewell, FrameGate, OversizedFrameError

MAX_FRAME_BYTES = 100
DATA, GOAWAY = 0, 7


def frame(kind: int, payload: bytes, flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def split(data: bytes) -> list[bytes]:
    frames = []
    while data:
        end = 9 + int.from_bytes(data[:3], "big")
        frames.append(data[:end])
        data = data[end:]
    return frames


def is_plain_data(item: bytes) -> bool:
    """Data and nothing else: neither padded nor the last, nor empty."""
    return item[3:5] == bytes([DATA, 0]) and len(item) > 9


def contents(frames: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The heads without their lengths, and what they hold; plain data of one stream in a row is one."""
    found: list[tuple[bytes, bytes]] = []
    joinable = False
    for item in frames:
        head, payload = item[3:9], item[9:]
        if joinable and is_plain_data(item) and found[-1][0] == head:
            payload = found.pop()[1] + payload
        found.append((head, payload))
        joinable = is_plain_data(item)
    return found


def goaway(last_stream_id: int, code: int, words: bytes = b"") -> bytes:
    return frame(GOAWAY, struct.pack(">II", last_stream_id, code) + words)


OTHERS = st.builds(frame, st.integers(0, 20).filter(lambda kind: kind != GOAWAY), st.binary(max_size=60))
PIECES = st.builds(frame, st.just(DATA), st.binary(max_size=30), st.sampled_from([0, 0, 1, 8]), st.sampled_from([1, 3]))
FAREWELLS = st.builds(goaway, st.integers(0, 2**32 - 1), st.just(0), st.binary(max_size=60))
ERRORS = st.builds(goaway, st.integers(0, 2**31 - 1), st.integers(1, 13), st.binary(max_size=60))
MALFORMED = st.builds(frame, st.just(GOAWAY), st.binary(max_size=7))


@given(
    frames=st.lists(st.one_of(OTHERS, PIECES, PIECES, PIECES, FAREWELLS, ERRORS, MALFORMED), max_size=20),
    places=st.lists(st.integers(min_value=0), max_size=12),
)
def test_farewells_are_taken_out_and_the_rest_passes_in_order(frames: list[bytes], places: list[int]) -> None:
    data = b"".join(frames)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    gate = FrameGate(MAX_FRAME_BYTES)
    passed, farewells = b"", []
    for begin, end in pairwise(edges):
        part, found = gate.pass_on(data[begin:end])
        passed += part
        farewells += found
    is_farewell = [item[3] == GOAWAY and len(item) >= 17 and item[13:17] == bytes(4) for item in frames]
    kept = [item for item, out in zip(frames, is_farewell, strict=True) if not out]
    assert contents(split(passed)) == contents(kept)
    assert all(len(item) <= 9 + MAX_FRAME_BYTES for item in split(passed))
    assert gate.joined == len(kept) - len(split(passed))
    assert farewells == [
        Farewell(int.from_bytes(item[9:13], "big") & 0x7FFFFFFF)
        for item, out in zip(frames, is_farewell, strict=True)
        if out
    ]
    assert gate.frames == len(frames)


def test_small_messages_pass_as_few_frames_and_none_larger_than_is_allowed() -> None:
    gate = FrameGate(MAX_FRAME_BYTES)
    passed, _ = gate.pass_on(b"".join(frame(DATA, bytes([number]) * 30) for number in range(7)))
    assert [len(item) - 9 for item in split(passed)] == [90, 90, 30]
    assert b"".join(item[9:] for item in split(passed)) == b"".join(bytes([number]) * 30 for number in range(7))
    assert (gate.frames, gate.joined) == (7, 4)


@pytest.mark.parametrize(
    "other",
    [frame(DATA, b"", 0), frame(DATA, b"\0x", 8), frame(DATA, b"x", 1), frame(DATA, b"x", 0, 3), frame(6, bytes(8))],
    ids=["empty", "padded", "last", "of another stream", "of another kind"],
)
def test_what_is_not_plain_data_of_the_stream_passes_as_it_came(other: bytes) -> None:
    alike = [] if is_plain_data(other) else [other, other]
    frames = [frame(DATA, b"a"), other, *alike, frame(DATA, b"b")]
    gate = FrameGate(MAX_FRAME_BYTES)
    assert gate.pass_on(b"".join(frames)) == (b"".join(frames), [])
    assert (gate.frames, gate.joined) == (len(frames), 0)


@pytest.mark.parametrize("kind", [0, GOAWAY])
def test_a_frame_that_will_be_too_large_is_refused_at_its_head(kind: int) -> None:
    gate = FrameGate(MAX_FRAME_BYTES)
    fits = frame(kind, b"\xff" * MAX_FRAME_BYTES)
    assert gate.pass_on(fits) == (fits, [])
    with pytest.raises(OversizedFrameError, match="101 bytes, and 100 are allowed"):
        gate.pass_on(frame(kind, bytes(MAX_FRAME_BYTES + 1))[:9])
