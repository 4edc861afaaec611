"""A GOAWAY that only says goodbye is taken out of the frames, wherever they are cut; everything else passes."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.grpc.frames import Farewell, FrameGate, OversizedFrameError

MAX_FRAME_BYTES = 100
GOAWAY = 7


def frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + (1).to_bytes(4, "big") + payload


def goaway(last_stream_id: int, code: int, words: bytes = b"") -> bytes:
    return frame(GOAWAY, struct.pack(">II", last_stream_id, code) + words)


OTHERS = st.builds(frame, st.integers(0, 20).filter(lambda kind: kind != GOAWAY), st.binary(max_size=60))
FAREWELLS = st.builds(goaway, st.integers(0, 2**32 - 1), st.just(0), st.binary(max_size=60))
ERRORS = st.builds(goaway, st.integers(0, 2**31 - 1), st.integers(1, 13), st.binary(max_size=60))
MALFORMED = st.builds(frame, st.just(GOAWAY), st.binary(max_size=7))


@given(
    frames=st.lists(st.one_of(OTHERS, FAREWELLS, ERRORS, MALFORMED), max_size=10),
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
    assert passed == b"".join(item for item, out in zip(frames, is_farewell, strict=True) if not out)
    assert farewells == [
        Farewell(int.from_bytes(item[9:13], "big") & 0x7FFFFFFF)
        for item, out in zip(frames, is_farewell, strict=True)
        if out
    ]
    assert gate.frames == len(frames)


@pytest.mark.parametrize("kind", [0, GOAWAY])
def test_a_frame_that_will_be_too_large_is_refused_at_its_head(kind: int) -> None:
    gate = FrameGate(MAX_FRAME_BYTES)
    fits = frame(kind, b"\xff" * MAX_FRAME_BYTES)
    assert gate.pass_on(fits) == (fits, [])
    with pytest.raises(OversizedFrameError, match="101 bytes, and 100 are allowed"):
        gate.pass_on(frame(kind, bytes(MAX_FRAME_BYTES + 1))[:9])
