"""What messages may hold, as plain values: drawn at random, written and read in both forms without our codecs."""

import json
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct

from framecast.errors import PeerError
from framecast.protocol.messages import Command, Pong

Contents = dict[str, Any]

# Numbers by the fields' names; all others are uint32.
NUMBERS = {
    "offset": (0, 2**53 - 1),
    "time": (0, 2**53 - 1),
    "flag": (-(2**63), 2**63 - 1),
    "limit": (-(2**31), 2**31 - 1),
    "type": (-(2**31), 2**31 - 1),
}
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
NEWER_THAN_THE_SDK = {"Publication.epoch", "SubscribeRequest.type"}
"""Fields that the published Python SDK does not know; it skips them."""

PAYLOADS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def contents(kind: type[Struct], *, defaults: bool = True) -> st.SearchStrategy[Contents]:
    """Contents of `kind`; without `defaults` no field is there that proto3 could not tell from an absent one.

    Left out is `tf`, the one field that the two forms spell differently.
    """
    fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name != "tf"}
    drawn = {name: values(name, field.type, defaults=defaults) for name, field in fields.items()}
    required = {name: values for name, values in drawn.items() if fields[name].required}
    return st.fixed_dictionaries(
        required, optional={name: values for name, values in drawn.items() if name not in required}
    )


def values(name: str, kind: Any, *, defaults: bool) -> st.SearchStrategy[Any]:
    """Values of one field."""
    if get_origin(kind) in {UnionType, Union}:
        # What is encoded already says the same in another way.
        [kind] = [part for part in get_args(kind) if part not in (type(None), Raw)]
    if isinstance(kind, type) and issubclass(kind, Struct):
        return contents(kind, defaults=defaults)
    if kind is Raw:
        return PAYLOADS
    drawn: st.SearchStrategy[Any]
    if get_origin(kind) is dict:
        entry = get_args(kind)[1]
        entries = values("", entry, defaults=defaults or entry is str)
        drawn = st.dictionaries(st.text(max_size=3), entries, max_size=3)
    elif get_origin(kind) is tuple:
        drawn = st.lists(values("", get_args(kind)[0], defaults=defaults), max_size=3)
    elif kind is str:
        drawn = st.text(max_size=8)
    elif kind is bool:
        drawn = st.booleans()
    else:
        assert kind is int or any(isinstance(part, Meta) for part in getattr(kind, "__metadata__", ()))
        low, high = NUMBERS.get(name, (0, 2**32 - 1))
        drawn = st.integers(low, high)
    return drawn if defaults else drawn.filter(bool)


def is_map(field: Any) -> bool:
    """Whether a described field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def part_of(field: Any) -> Descriptor | None:
    """What is described of a field's messages, or of its entries'."""
    kind: Descriptor | None = field.message_type
    return kind.fields_by_name["value"].message_type if kind is not None and is_map(field) else kind


def write_protobuf(message: Message, content: Contents) -> Message:
    """Fill `message`; payloads become JSON text."""
    for name, value in content.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if is_map(field):
            for key, item in value.items():
                if isinstance(item, dict):
                    write_protobuf(getattr(message, name)[key], item)
                else:
                    getattr(message, name)[key] = item
        elif isinstance(value, list) and field.type != field.TYPE_BYTES:
            for item in value:
                write_protobuf(getattr(message, name).add(), item)
        elif field.message_type is not None:
            getattr(message, name).SetInParent()
            write_protobuf(getattr(message, name), value)
        else:
            setattr(message, name, json.dumps(value).encode() if field.type == field.TYPE_BYTES else value)
    return message


def read_protobuf(message: Message) -> Contents:
    """What is set in `message`; payloads are read as JSON."""
    found: Contents = {}
    for field, value in message.ListFields():
        if is_map(field):
            found[field.name] = {
                key: read_protobuf(value[key]) if isinstance(value[key], Message) else value[key] for key in value
            }
        elif isinstance(value, Message):
            found[field.name] = read_protobuf(value)
        elif field.type == field.TYPE_BYTES:
            found[field.name] = json.loads(value)
        else:
            scalar = isinstance(value, str | int)
            found[field.name] = value if scalar else [read_protobuf(item) for item in value]
    return found


def without_defaults(content: Contents, kind: Descriptor) -> Contents:
    """What is left of `content` in proto3: empty messages and payloads stay, other fields that hold a default go.

    Those that `kind` is too old for go too.
    """
    left: Contents = {}
    for name, value in content.items():
        if f"{kind.name}.{name}" in NEWER_THAN_THE_SDK and name not in kind.fields_by_name:
            continue
        field = kind.fields_by_name[name]
        part = part_of(field)
        if field.type == field.TYPE_BYTES:
            left[name] = value
        elif is_map(field):
            entries = {key: without_defaults(item, part) if part else item for key, item in value.items()}
            left.update({name: entries} if entries else {})
        elif isinstance(value, list) and part:
            items = [without_defaults(item, part) for item in value]
            left.update({name: items} if items else {})
        elif part:
            left[name] = without_defaults(value, part)
        elif value:
            left[name] = value
    return left


def said(item: Command | Pong | PeerError) -> Any:
    """What an item says, without what it says by default."""

    def of_struct(content: Struct) -> Contents:
        found = {name: getattr(content, name) for name in content.__struct_fields__}
        return {key: of_struct(value) if isinstance(value, Struct) else value for key, value in found.items() if value}

    return (item.id, item.method, of_struct(item.request)) if isinstance(item, Command) else item


def with_length(body: bytes) -> bytes:
    """`body` behind its length, for bodies below 2 MiB."""
    length = len(body)
    if length < 0x80:
        return bytes([length]) + body
    if length < 0x4000:
        return bytes([length & 0x7F | 0x80, length >> 7]) + body
    return bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14]) + body


def split_lengths(message: bytes) -> list[bytes]:
    """The bodies of a well-formed message."""
    bodies = []
    while message:
        end = next(place for place, byte in enumerate(message) if byte < 0x80) + 1
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(message[:end]))
        assert end + length <= len(message)
        bodies.append(message[end : end + length])
        message = message[end + length :]
    return bodies
