"""The protocol's Protobuf form: each message behind its length, any number of them per WebSocket message, both ways.

The messages are those of messages.py, whose fields have the same names in schema/client.proto. Absent and default are
one in proto3, so a request's field that holds its default reads as absent.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Protobuf
from msgspec import Raw, Struct

from framecast.errors import PeerError
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Command, Envelope, Ping, Pong, Publication, Push, PushBody, Reply, read_command
from framecast.protocol.payload import check_payload
from framecast.protocol.schema import client_pb2

NAME = "protobuf"
BINARY = True
PONG = b"\0"

MAX_LENGTH_BYTES = 10
"""What an unsigned varint of 64 bits takes at most; leading zeros may fill it."""


PUBLICATIONS = "publications"


def decode(message: str | bytes | bytearray) -> Iterator[Command | Pong | PeerError]:
    """Read the commands of one message, in order and one at a time; never raises.

    Where the message breaks the protocol the last item is PeerError 3501, so that the commands before it are carried
    out first, as centrifuge does; an empty message breaks it. Text or binary makes no difference. Payloads are any
    bytes: `publishable` checks those that others get.

    Numbers too large for their field lose their upper bits, as in every Protobuf reader, but an offset of 2^53 or more
    breaks the protocol as it does in JSON.
    """
    data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else bytes(message)
    at = 0
    while True:
        try:
            length, start = _read_length(data, at)
            at = start + length
            if at > len(data):
                raise CloseCode.BAD_REQUEST.error()
            yield _decode_command(data[start:at])
        except PeerError as broken:
            yield broken
            return
        if at == len(data):
            return


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    """The length that stands at `at`, and where what it measures begins."""
    length = 0
    for place, byte in enumerate(data[at : at + MAX_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return length, at + place + 1
    raise CloseCode.BAD_REQUEST.error()


def _decode_command(body: bytes) -> Command | Pong:
    try:
        command = client_pb2.Command.FromString(body)
        envelope = msgspec.convert(_read_fields(command), Envelope)
    except (DecodeError, UnicodeDecodeError, msgspec.ValidationError):
        # Broken UTF-8 is a DecodeError of the compiled protobuf and a UnicodeDecodeError of the one in pure Python.
        raise CloseCode.BAD_REQUEST.error() from None
    return read_command(envelope)


def _read_fields(message: Protobuf) -> dict[str, object]:
    """What is set in `message`, by name."""
    return {field.name: _read_value(value) for field, value in message.ListFields()}


def _read_value(value: object) -> object:
    match value:
        case Protobuf():
            return _read_fields(value)
        case bytes():
            return Raw(value)
        case Mapping():
            return {key: _read_value(item) for key, item in value.items()}
    return value


def encode(*messages: Reply | Push | Ping) -> bytes:
    """Write replies and pushes as one WebSocket message; payloads are their bytes as they are."""
    return b"".join(_encode_message(client_pb2.Reply(), message) for message in messages)


def encode_push(push: PushBody) -> bytes:
    """Write one push as clients of unidirectional transports get it: bare, behind its length."""
    return _encode_message(client_pb2.Push(), push)


def encode_publications(publications: Sequence[Publication]) -> bytes:
    """Write the publications of a subscribe result, for any number of results: a message with this one field."""
    result = client_pb2.SubscribeResult()
    for publication in publications:
        _write_fields(result.publications.add(), publication)
    return result.SerializeToString()


def publishable(data: Raw) -> bytes:
    """The payload of a command as JSON text on one line. Refusal 107 when it is no JSON, as JSON clients get it too."""
    return check_payload(bytes(data))


def _encode_message(message: Protobuf, content: Struct) -> bytes:
    _write_fields(message, content)
    body = message.SerializeToString()
    return _write_length(len(body)) + body


def _write_length(length: int) -> bytes:
    written = bytearray()
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    return bytes(written)


def _write_fields(message: Protobuf, content: Struct) -> None:
    for name, default in _defaults(type(content)):
        value = getattr(content, name)
        if value is default or value == default:
            # As in JSON. A past of thousands of publications is written in one go, and most of their fields are these.
            continue
        match value:
            case Raw() if name == PUBLICATIONS:
                message.MergeFromString(bytes(value))
            case Raw():
                setattr(message, name, bytes(value))
            case Struct():
                # An empty result has to be there all the same.
                getattr(message, name).SetInParent()
                _write_fields(getattr(message, name), value)
            case tuple():
                entries = getattr(message, name)
                for part in value:
                    _write_fields(entries.add(), part)
            case dict():
                _write_entries(getattr(message, name), value)
            case _:
                setattr(message, name, value)


@cache
def _defaults(kind: type[Struct]) -> tuple[tuple[str, object], ...]:
    """The fields of a message, each with its default or what nothing equals."""
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    required = (object(),) * (len(names) - len(defaults))
    return tuple(zip(names, (*required, *defaults), strict=True))


def _write_entries(target: Any, entries: dict[str, str | Struct]) -> None:
    for key, value in entries.items():
        if isinstance(value, Struct):
            # Asking for an entry makes it.
            _write_fields(target[key], value)
        else:
            target[key] = value
