"""Requests that carry a client's commands where its transport brings only the server's messages.

The SDKs call that emulation: of a transport that goes both ways (centrifuge's emulation.go, centrifuge-js).
"""

from dataclasses import dataclass, field

import msgspec
from google.protobuf.message import DecodeError

from framecast.protocol.schema import client_pb2


@dataclass(frozen=True, slots=True)
class EmulationRequest:
    """A frame of commands, and whose it is."""

    session: str = field(repr=False)
    """What the connect reply said. Who knows it speaks for that client, so it must not get into a log."""

    node: str
    frame: bytes


class _JsonForm(msgspec.Struct, frozen=True):
    session: str
    node: str
    data: str


def parse_json(body: bytes) -> EmulationRequest:
    """Read ``{"session":…,"node":…,"data":…}``, where `data` is a string that holds the frame; else ValueError."""
    try:
        form = msgspec.json.decode(body, type=_JsonForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'not {{"session":…,"node":…,"data":"…"}}: {error}') from None
    return EmulationRequest(form.session, form.node, form.data.encode())


def parse_protobuf(body: bytes) -> EmulationRequest:
    """Read an EmulationRequest message, its `data` the frame; else ValueError."""
    try:
        form = client_pb2.EmulationRequest.FromString(body)
    except (DecodeError, UnicodeDecodeError):
        raise ValueError("not an EmulationRequest of the Centrifuge protocol") from None
    return EmulationRequest(form.session, form.node, form.data)
