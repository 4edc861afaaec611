"""The Protobuf form: what is read, what is refused where, what is written."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from centrifuge.protocol import client_pb2 as sdk  # type: ignore[import-untyped]  # it ships no types
from hypothesis import example, given
from hypothesis import strategies as st
from message_contents import (
    Contents,
    said,
    split_lengths,
    with_length,
    write_protobuf,
)
from msgspec import Raw

from framecast.errors import PeerError
from framecast.protocol import json_codec, protobuf_codec
from framecast.protocol.messages import (
    METHODS,
    Command,
    ConnectResult,
    Empty,
    Ping,
    Pong,
    Publication,
    Push,
    PushBody,
    Reply,
    SubscribeRequest,
    SubscribeResult,
)
from framecast.protocol.schema import client_pb2 as ours
from patience import PATIENCE_SECONDS

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "golden" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
]
BROKEN = PeerError(3501, "bad request")


def names_of(message: str | bytes) -> list[str]:
    """The message's methods in order; "3501" stands for the protocol error that ends it."""
    names = []
    for item in protobuf_codec.decode(message):
        if isinstance(item, PeerError):
            names.append(str(item.code))
        else:
            names.append(item.method if isinstance(item, Command) else "pong")
    return names


def command(**content: Any) -> bytes:
    return with_length(write_protobuf(ours.Command(), content).SerializeToString())


def subscribe_of(message: bytes) -> SubscribeRequest:
    [item] = protobuf_codec.decode(message)
    assert isinstance(item, Command)
    assert isinstance(item.request, SubscribeRequest)
    return item.request


# Golden samples.


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["case"]))
def test_golden_client_messages_say_what_their_json_says(sample: dict[str, Any]) -> None:
    message = bytes.fromhex(sample["client_protobuf"])
    assert names_of(message) == sample["methods"]
    assert [said(item) for item in protobuf_codec.decode(message)] == [
        said(item) for item in json_codec.decode(sample["client"])
    ]
    assert names_of(message + b"\x05") == [*sample["methods"], "3501"]
    assert names_of(message + b"\x00") == [*sample["methods"], "pong"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["case"]))
def test_golden_client_messages_cut_anywhere_break_after_what_is_whole(sample: dict[str, Any]) -> None:
    message = bytes.fromhex(sample["client_protobuf"])
    ends = [0]
    for body in split_lengths(message):
        ends.append(ends[-1] + len(with_length(body)))
    for cut in range(len(message)):
        whole = sample["methods"][: sum(end <= cut for end in ends[1:])]
        assert names_of(message[:cut]) == [*whole, *(["3501"] if cut == 0 or cut not in ends else [])]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["case"]))
def test_golden_server_messages_are_written_byte_for_byte(sample: dict[str, Any]) -> None:
    messages: list[Reply | Push | Ping] = []
    for line in sample["server"].split("\n"):
        kind: type[Reply | Push | Ping] = Push if "push" in line else Reply if line != "{}" else Ping
        messages.append(msgspec.json.decode(line, type=kind))
    assert protobuf_codec.encode(*messages).hex() == sample["server_protobuf"]


def test_what_was_seen_on_the_wire_is_read_and_written() -> None:
    client = "be6c0f0e-2a43-4c0f-8b43-0a3a6f0b8f51"
    result = ConnectResult(client, version="0.0.0 OSS", ping=25, pong=True)
    seen = b"\x39\x08\x01\x2a\x35\x0a\x24" + client.encode() + b"\x12\x090.0.0 OSS\x38\x19\x40\x01"
    assert protobuf_codec.encode(Reply(1, connect=result)) == seen
    assert protobuf_codec.encode(Reply(2, subscribe=SubscribeResult())).hex() == "0408023200"
    seen = bytes.fromhex("1622141207") + b"plain:p" + bytes.fromhex("22092207") + b'{"a":1}'
    assert protobuf_codec.encode(Push(PushBody("plain:p", pub=Publication(Raw(b'{"a":1}'))))) == seen
    assert protobuf_codec.encode(Ping()) == b"\x00"
    assert protobuf_codec.encode_push(PushBody()) == b"\x00"
    assert names_of(bytes.fromhex("0408012200")) == ["connect"]
    assert subscribe_of(bytes.fromhex("0d08022a090a07") + b"plain:p") == SubscribeRequest(channel="plain:p")
    assert names_of(b"\x00") == ["pong"]


# What breaks the protocol.


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x80" * 10 + b"\x00",
        b"\x80" * 20,
        b"\xff" * 9 + b"\x01",
        b"\xff\xff\xff\xff\x0f",
        b"\x80",
        b"\x01",
        b"\x01\x08",
        with_length(b"\x00\x00"),
        with_length(b"\x08" + b"\x80" * 10 + b"\x01"),
        with_length(b"\x0c"),
        with_length(b"\x0f\x00"),
        with_length(b"\x0b" * 1_000),
        with_length(b"\x0b" * 1_000 + b"\x0c" * 1_000),
        with_length(b"\x22\x7f"),
        with_length(b"\x08\x05\x2a\x02\x0a\x7f"),
        with_length(b"\x08\x05\x2a\x03\x0a\x01\xff"),
        with_length(b"\x08\x05\x2a\x05\x0a\x03\xed\xa0\x80"),
        with_length(b"\x08\x05\x22\x09\x32\x07\x0a\x01k\x12\x02\xc3\x28"),
        command(id=5),
        command(id=5, subscribe={}),
        command(id=5, subscribe={"channel": "a", "offset": 2**53}),
        command(id=5, subscribe={"channel": "a", "offset": 2**64 - 1}),
        command(id=5, history={"channel": "a", "since": {"offset": 2**53}}),
        command(id=5, connect={"subs": {"a": {"offset": 2**53}}}),
    ],
    ids=lambda broken: repr(broken[:40]),
)
def test_a_broken_message_ends_after_the_commands_before_it(broken: bytes) -> None:
    assert names_of(broken) == ["3501"]
    [item] = protobuf_codec.decode(broken)
    assert isinstance(item, PeerError)
    assert (item.code, item.reason) == (BROKEN.code, BROKEN.reason)
    if broken:
        assert names_of(bytes.fromhex("0408012200") + broken) == ["connect", "3501"]


@pytest.mark.parametrize("method", [m for m in METHODS if m not in {"connect", "ping", "rpc", "send", "refresh"}])
def test_a_missing_channel_breaks_the_protocol(method: str) -> None:
    assert names_of(command(id=1, **{method: {}})) == ["3501"]
    assert names_of(command(id=1, **{method: {"channel": "a"}})) == [method]


def test_without_an_id_everything_but_send_is_a_pong() -> None:
    without_id: list[Contents] = [{}, {"subscribe": {}}, {"connect": {}}, {"connect": {}, "send": {}}]
    for content in without_id:
        assert names_of(command(**content)) == ["pong"]
    assert names_of(command(send={})) == ["send"]
    assert names_of(command(id=3, send={})) == ["send"]


def test_numbers_reach_to_the_ends_of_their_fields() -> None:
    assert subscribe_of(command(id=2**32 - 1, subscribe={"channel": "a", "offset": 2**53 - 1})).offset == 2**53 - 1
    [item] = protobuf_codec.decode(command(id=2**32 - 1, history={"channel": "a", "limit": -(2**31)}))
    assert isinstance(item, Command)
    assert item.id == 2**32 - 1
    # No writer of this schema makes it; every reader takes the lower 32 bits.
    [item] = protobuf_codec.decode(with_length(b"\x08\x85\x80\x80\x80\x10\x22\x00"))
    assert isinstance(item, Command)
    assert item.id == 5


def test_fields_of_tomorrow_and_of_other_types_are_skipped() -> None:
    tomorrow = b"\xa0\x06\x01\xa2\x06\x01x\xa5\x06abcd\xa1\x06abcdefgh\xa3\x06\x08\x01\xa4\x06"
    body = command(id=5, presence={"channel": "a"})[1:]
    assert names_of(with_length(tomorrow + body + tomorrow)) == ["presence"]
    # An id that is text is no id.
    assert names_of(with_length(b"\x0a\x01\x05" + command(connect={})[1:])) == ["pong"]


def test_a_tags_filter_is_seen_and_not_read() -> None:
    body = write_protobuf(sdk.Command(), {"id": 5, "subscribe": {"channel": "a"}})
    body.subscribe.tf.SetInParent()  # type: ignore[attr-defined]  # a Message, to the writer
    assert bytes(subscribe_of(with_length(body.SerializeToString())).tf) == b""
    node = body.subscribe.tf  # type: ignore[attr-defined]  # a Message, to the writer
    for _ in range(300):
        node = node.nodes.add()
    assert bytes(subscribe_of(with_length(body.SerializeToString())).tf) != b""


def test_the_type_of_a_subscription_is_seen() -> None:
    assert subscribe_of(b"\x09\x08\x05\x2a\x05\x0a\x01a\x78\x01") == SubscribeRequest(channel="a", type=1)


def test_lengths_may_be_longer_than_they_need() -> None:
    assert names_of(b"\x80" * 9 + b"\x00") == ["pong"]
    assert names_of(b"\x84\x00\x08\x01\x22\x00") == ["connect"]


def test_text_messages_are_read_as_their_bytes() -> None:
    message = command(id=1, subscribe={"channel": "é", "flag": 1})
    assert list(protobuf_codec.decode(message.decode())) == list(protobuf_codec.decode(message))
    assert list(protobuf_codec.decode(bytearray(message))) == list(protobuf_codec.decode(message))
    assert names_of("\ud800") == ["3501"]


def test_payloads_are_any_bytes() -> None:
    message = with_length(
        ours.Command(id=1, publish=ours.PublishRequest(channel="a", data=b"\x00\xff")).SerializeToString()
    )
    [item] = protobuf_codec.decode(message)
    assert isinstance(item, Command)
    assert bytes(item.request.data) == b"\x00\xff"  # type: ignore[attr-defined] # a PublishRequest
    assert bytes(subscribe_of(command(id=1, subscribe={"channel": "a"})).data) == b""


# One at a time.


def test_the_commands_after_a_break_are_never_looked_at() -> None:
    commands = protobuf_codec.decode(b"\x00\x01\x08" + b"\x00" * 1_000_000)
    assert next(commands) == Pong()
    assert isinstance(next(commands), PeerError)
    assert list(commands) == []


def test_a_message_of_very_many_commands_is_read_one_at_a_time() -> None:
    message = b"\x80\x00" * 2**19
    assert len(message) == 2**20
    tracemalloc.start()
    try:
        commands = protobuf_codec.decode(message)
        for _ in range(10_000):
            assert next(commands) == Pong()
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# What is written.


@given(st.lists(st.sampled_from([Ping(), Reply(7, publish=Empty()), Push(PushBody("a" * 200))]), max_size=5))
def test_messages_written_together_are_those_written_alone(messages: list[Reply | Push | Ping]) -> None:
    assert protobuf_codec.encode(*messages) == b"".join(protobuf_codec.encode(message) for message in messages)
    assert len(split_lengths(protobuf_codec.encode(*messages))) == len(messages)


@pytest.mark.parametrize("size", [0, 1, *range(110, 130), 16_383, 16_384, 2**20, 2**21 + 500])
def test_lengths_are_written_as_varints_of_no_more_bytes_than_needed(size: int) -> None:
    written = protobuf_codec.encode(Push(PushBody(pub=Publication(Raw(b"1" * size)))))
    [body] = split_lengths(written)
    assert sdk.Reply.FromString(body).push.pub.data == b"1" * size
    needed = max(1, -(-len(body).bit_length() // 7))
    assert len(written) == needed + len(body)


# Anything at all.

SEEDS = [bytes.fromhex(sample["client_protobuf"]) for sample in SAMPLES]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Golden messages with some bytes changed."""
    message = bytearray(b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 6))):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message)


@given(st.one_of(st.binary(), st.text(), spoiled(), st.binary().map(with_length)))
@example(with_length(b"\x0c"))
@example("\ud800")
def test_any_bytes_become_commands_and_at_most_one_error_at_the_end(message: str | bytes) -> None:
    items = list(protobuf_codec.decode(message))
    assert items
    for item in items[:-1]:
        assert not isinstance(item, PeerError)
    assert all(item.code == 3501 for item in items if isinstance(item, PeerError))


def test_pure_python_protobuf_breaks_at_the_same_text() -> None:
    program = (
        "from google.protobuf.internal.api_implementation import Type\n"
        "from framecast.protocol.protobuf_codec import decode\n"
        "print(Type(), *decode(bytes.fromhex('0708052a030a01ff')))"
    )
    environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert done.stdout.decode().strip() == "python 3501 bad request"
