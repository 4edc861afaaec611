"""Both forms of the protocol from a client's side, written without our codecs: plain dictionaries in and out."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf.message import Message

from framecast.protocol import json_codec, protobuf_codec
from framecast.protocol.codec import Codec
from framecast.protocol.schema import client_pb2

Content = dict[str, Any]
PAYLOADS = frozenset({"data", "conn_info", "chan_info"})


class Form(Protocol):
    """What a client writes and reads."""

    codec: Codec
    garbage: bytes
    """Stands where a command should, and is none."""

    def write(self, command: Content, *, strange: bool = False) -> bytes:
        """One command, `strange` with a field that nobody knows."""

    def join(self, commands: list[bytes]) -> bytes:
        """Several commands as one message."""

    def read(self, message: bytes) -> list[Content]:
        """What the server says in one message, without what is there by default."""


class JsonForm:
    """One object per line."""

    codec: Codec = json_codec
    garbage = b'{"id":7,"rpc":'

    def write(self, command: Content, *, strange: bool = False) -> bytes:
        return json.dumps(command | ({"future": {"id": [1]}} if strange else {})).encode()

    def join(self, commands: list[bytes]) -> bytes:
        return b"\n".join(commands)

    def read(self, message: bytes) -> list[Content]:
        return [stripped(json.loads(line)) for line in message.split(b"\n")]


class ProtobufForm:
    """Each message behind its length."""

    codec: Codec = protobuf_codec
    garbage = b"\x01\x0c"

    def write(self, command: Content, *, strange: bool = False) -> bytes:
        body = _fill(client_pb2.Command(), command).SerializeToString() + (b"\xa2\x06\x01x" if strange else b"")
        return _length(len(body)) + body

    def join(self, commands: list[bytes]) -> bytes:
        return b"".join(commands)

    def read(self, message: bytes) -> list[Content]:
        found = []
        while message:
            size = message[0] & 0x7F | (message[1] << 7 if message[0] > 0x7F else 0)
            start = 2 if message[0] > 0x7F else 1
            found.append(stripped(_read(client_pb2.Reply.FromString(message[start : start + size]))))
            message = message[start + size :]
        return found


def stripped(content: Content) -> Content:
    """The same without what both forms leave out, or may."""
    left: Content = {}
    for key, value in content.items():
        if key in PAYLOADS:
            left[key] = value
        elif isinstance(value, dict):
            left[key] = stripped(value)
        elif isinstance(value, list | tuple) and value:
            left[key] = [stripped(one) for one in value]
        elif value:
            left[key] = value
    return left


def _length(size: int) -> bytes:
    assert size < 1 << 14
    return bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])


def _fill(message: Message, content: Content) -> Message:
    for name, value in content.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.type == field.TYPE_BYTES:
            setattr(message, name, json.dumps(value).encode())
        elif name == "subs":
            for key, entry in value.items():
                _fill(getattr(message, name)[key], entry)
        elif isinstance(value, dict):
            getattr(message, name).SetInParent()
            _fill(getattr(message, name), value)
        else:
            setattr(message, name, value)
    return message


def _read(message: Message) -> Content:
    found: Content = {}
    for field, value in message.ListFields():
        if field.type == field.TYPE_BYTES:
            found[field.name] = json.loads(value)
        elif isinstance(value, Message):
            found[field.name] = _read(value)
        elif isinstance(value, str | int):
            found[field.name] = value
        elif isinstance(value, Mapping):
            found[field.name] = {key: _read(value[key]) for key in value}
        else:
            found[field.name] = [_read(one) for one in value]
    return found
