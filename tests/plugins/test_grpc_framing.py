"""Messages come out as they were put in, however the bytes between are cut, and nothing too large is ever held."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.grpc.framing import MessageAssembler, encode_message
from framecast.plugins.host.grpc.status import GrpcError, StatusCode

MESSAGES = st.lists(st.binary(max_size=40), max_size=8)
LIMIT = 1_000


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(messages=MESSAGES, places=st.lists(st.integers(min_value=0), max_size=12))
def test_messages_come_out_whole_wherever_the_bytes_are_cut(messages: list[bytes], places: list[int]) -> None:
    assembler = MessageAssembler(LIMIT)
    for piece in cut(b"".join(map(encode_message, messages)), places):
        assembler.feed(piece)
    assert list(assembler.complete) == messages
    assert assembler.begun_bytes == 0


@given(messages=MESSAGES, rest=st.binary(max_size=30))
def test_byte_by_byte_is_as_good_as_whole(messages: list[bytes], rest: bytes) -> None:
    data = b"".join(map(encode_message, messages)) + encode_message(rest)[:-1]
    whole, bytewise = MessageAssembler(LIMIT), MessageAssembler(LIMIT)
    whole.feed(data)
    for place in range(len(data)):
        bytewise.feed(data[place : place + 1])
    assert whole.complete == bytewise.complete
    assert whole.begun_bytes == bytewise.begun_bytes == len(encode_message(rest)) - 1


def test_a_message_is_prefixed_with_its_length_and_a_flag_of_zero() -> None:
    assert encode_message(b"abc") == b"\0\0\0\0\3abc"


def test_a_message_above_the_limit_is_refused_before_its_first_byte_is_here() -> None:
    assembler = MessageAssembler(LIMIT)
    with pytest.raises(GrpcError, match="1,001 bytes, and 1,000 are allowed") as caught:
        assembler.feed(struct.pack(">BI", 0, LIMIT + 1))
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED


def test_a_message_of_exactly_the_limit_passes() -> None:
    assembler = MessageAssembler(LIMIT)
    assembler.feed(encode_message(bytes(LIMIT)))
    assert [len(message) for message in assembler.complete] == [LIMIT]


@pytest.mark.parametrize("flag", [1, 2, 255])
def test_compressed_messages_and_other_flags_are_refused(flag: int) -> None:
    with pytest.raises(GrpcError, match=f"flag {flag}") as caught:
        MessageAssembler(LIMIT).feed(struct.pack(">BI", flag, 1) + b"x")
    assert caught.value.code is StatusCode.INTERNAL


def test_what_was_complete_before_a_broken_message_stays() -> None:
    assembler = MessageAssembler(LIMIT)
    with pytest.raises(GrpcError):
        assembler.feed(encode_message(b"good") + b"\xff\0\0\0\0")
    assert list(assembler.complete) == [b"good"]
