"""Both forms say the same, and the schema is the protocol's.

The judge is the Python SDK's own description of the protocol, where it knows a message.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from centrifuge.protocol import client_pb2 as sdk  # type: ignore[import-untyped]  # it ships no types
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from message_contents import (
    NEWER_THAN_THE_SDK,
    Contents,
    contents,
    is_map,
    part_of,
    read_protobuf,
    said,
    split_lengths,
    with_length,
    without_defaults,
    write_protobuf,
)
from msgspec import Struct

from framecast.errors import PeerError
from framecast.protocol import json_codec, protobuf_codec
from framecast.protocol.messages import Envelope, Push, PushBody, Reply
from framecast.protocol.schema import client_pb2 as ours


def test_the_schema_is_the_protocols() -> None:
    for name, mine in ours.DESCRIPTOR.message_types_by_name.items():
        theirs = sdk.DESCRIPTOR.message_types_by_name[name].fields_by_name
        for field in mine.fields:
            described = f"{name}.{field.name}"
            assert (field.name in theirs) == (described not in NEWER_THAN_THE_SDK), described
            if field.name not in theirs:
                continue
            their = theirs[field.name]
            assert (field.number, is_map(field)) == (their.number, is_map(their)), described
            if described != "SubscribeRequest.tf":
                assert field.type == their.type, described
                names = [kind and kind.name for kind in (field.message_type, their.message_type)]
                assert names[0] == names[1], described


@pytest.mark.parametrize(
    ("kind", "described"),
    [(Envelope, ours.Command.DESCRIPTOR), (Reply, ours.Reply.DESCRIPTOR), (PushBody, ours.Push.DESCRIPTOR)],
)
def test_schema_and_messages_name_the_same_fields(kind: type[Struct], described: Descriptor) -> None:
    checked = 0
    for struct, descriptor in pairs_of(kind, described):
        besides = {"push"} if struct is Reply else set()
        assert set(struct.__struct_fields__) | besides == {field.name for field in descriptor.fields}, struct
        checked += 1
    assert checked > 8


def pairs_of(kind: type[Struct], described: Descriptor) -> Iterator[tuple[type[Struct], Descriptor]]:
    """Every struct that is part of `kind`, with its description."""
    yield kind, described
    for field in msgspec.structs.fields(kind):
        below = part_of(described.fields_by_name[field.name])
        for struct in structs_in(field.type):
            assert below is not None
            yield from pairs_of(struct, below)


def structs_in(kind: Any) -> Iterator[type[Struct]]:
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in getattr(kind, "__args__", ()):
        yield from structs_in(part)


@given(contents(Envelope, defaults=False))
@pytest.mark.parametrize("schema", [ours, sdk], ids=["ours", "sdk"])
def test_a_command_says_the_same_in_both_forms(schema: Any, content: Contents) -> None:
    content = without_defaults(content, schema.Command.DESCRIPTOR)
    written = with_length(write_protobuf(schema.Command(), content).SerializeToString())
    [by_protobuf] = protobuf_codec.decode(written)
    [by_json] = json_codec.decode(json.dumps(content))
    if isinstance(by_json, PeerError):
        assert isinstance(by_protobuf, PeerError)
    else:
        assert said(by_protobuf) == said(by_json)


@given(contents(Reply).filter(lambda content: content["id"] > 0))
def test_a_reply_says_the_same_in_both_forms(content: Contents) -> None:
    reply = msgspec.json.decode(json.dumps(content), type=Reply)
    [body] = split_lengths(protobuf_codec.encode(reply))
    expect_both_to_say(content, body, json_codec.encode(reply), "Reply")


@given(contents(PushBody))
def test_a_push_says_the_same_in_both_forms_bare_and_wrapped(content: Contents) -> None:
    push = msgspec.json.decode(json.dumps(content), type=PushBody)
    [bare] = split_lengths(protobuf_codec.encode_push(push))
    expect_both_to_say(content, bare, json_codec.encode_push(push), "Push")
    [wrapped] = split_lengths(protobuf_codec.encode(Push(push)))
    expect_both_to_say({"push": content}, wrapped, json_codec.encode(Push(push)), "Reply")


def expect_both_to_say(content: Contents, protobuf: bytes, text: bytes, name: str) -> None:
    for schema in (ours, sdk):
        kind = getattr(schema, name)
        left = without_defaults(content, kind.DESCRIPTOR)
        assert read_protobuf(kind.FromString(protobuf)) == left
        assert without_defaults(json.loads(text), kind.DESCRIPTOR) == left
    assert b"\n" not in text
