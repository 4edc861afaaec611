"""Connections of the core and their peers' ends, and a naive reading of what arrives there.

The Protobuf reader knows field numbers and two wire types, nothing of the schema: what it is for is to disagree.
"""

import contextlib
import json
import selectors
import socket
from collections.abc import Iterator
from typing import Any, Literal

from framecast._core import Event, Fanout
from patience import PATIENCE_SECONDS

Protocol = Literal["json", "protobuf"]
Framing = Literal["websocket", "stream", "sse"]
READERS: list[tuple[Protocol, Framing]] = [
    ("json", "websocket"),
    ("json", "stream"),
    ("json", "sse"),
    ("protobuf", "websocket"),
    ("protobuf", "stream"),
]


class Peer:
    """The other end of one connection, and how it reads."""

    def __init__(
        self,
        fanout: Fanout,
        *,
        protocol: Protocol = "json",
        framing: Framing = "websocket",
        unidirectional: bool = False,
    ) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.settimeout(PATIENCE_SECONDS)
        self._protocol = protocol
        self._framing = framing
        self.connection = fanout.add(
            self._ours.fileno(),
            1 << 24,
            protocol=protocol,
            framing=framing,
            unidirectional=unidirectional,
            write_seconds=60,
        )
        self._unread = b""

    def receive(self) -> dict[str, Any]:
        """The next message: the JSON object, or the Protobuf fields by number."""
        payload = getattr(self, f"_{self._framing}")()
        return json.loads(payload) if self._protocol == "json" else read_delimited(payload)

    def close(self) -> None:
        """Only after the core has let go of the descriptor."""
        self._ours.close()
        self._theirs.close()

    def _websocket(self) -> bytes:
        first, length = self._exactly(2)
        assert first == (0x81 if self._protocol == "json" else 0x82)
        if length > 125:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        return self._exactly(length)

    def _stream(self) -> bytes:
        if self._protocol == "json":
            return self._up_to(b"\n")
        prefix = self._exactly(1)
        while prefix[-1] >= 0x80:
            prefix += self._exactly(1)
        return prefix + self._exactly(read_varint(prefix, 0)[0])

    def _sse(self) -> bytes:
        event = self._up_to(b"\n\n")
        assert event.startswith(b"data: ")
        assert not {10, 13} & set(event)
        return event[6:]

    def _up_to(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._read()
        found, self._unread = self._unread.split(end, 1)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._read()
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _read(self) -> None:
        data = self._theirs.recv(1 << 16)
        assert data, "the connection was cut"
        self._unread += data


@contextlib.contextmanager
def peers_of(fanout: Fanout) -> Iterator[list[Peer]]:
    """A list of peers that are closed when the core has let go of them."""
    peers: list[Peer] = []
    try:
        yield peers
    finally:
        fanout.close()
        for peer in peers:
            peer.close()


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where what follows begins."""
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at


def read_fields(message: bytes) -> dict[int, Any]:
    """Fields by number, each an int or bytes. No field of ours occurs twice."""
    fields: dict[int, Any] = {}
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        assert tag >> 3 not in fields
        number, at = read_varint(message, at)
        if tag & 7 == 2:
            fields[tag >> 3] = message[at : at + number]
            assert len(fields[tag >> 3]) == number
            at += number
        else:
            assert tag & 7 == 0
            fields[tag >> 3] = number
    return fields


def read_delimited(payload: bytes) -> dict[str, Any]:
    """One message with its length before it, with the names that JSON has."""
    length, at = read_varint(payload, 0)
    assert len(payload) - at == length
    fields = read_fields(payload[at:])
    return {"push": _push(fields[4])} if 4 in fields and 2 not in fields else _push(payload[at:])


def _push(message: bytes) -> dict[str, Any]:
    fields = read_fields(message)
    named: dict[str, Any] = {"channel": fields.pop(2).decode()}
    ((number, inner),) = fields.items()
    inside = read_fields(inner)
    if number == 4:
        named["pub"] = pub = {"data": inside.pop(4), "info": inside.pop(5, None)}
        pub |= {{6: "offset", 8: "delta"}[number]: value for number, value in inside.items()}
        if pub["info"] is None:
            del pub["info"]
        else:
            pub["info"] = _info(pub["info"])
    else:
        named[{5: "join", 6: "leave"}[number]] = {"info": _info(inside.pop(1))}
        assert not inside
    return named


def _info(message: bytes) -> dict[str, Any]:
    fields = {"user": "", "client": ""}
    for number, value in read_fields(message).items():
        fields[{1: "user", 2: "client", 3: "conn_info", 4: "chan_info"}[number]] = (
            value.decode() if number < 3 else json.loads(value)
        )
    return fields


def wait_for(fanout: Fanout, kind: str) -> list[Event]:
    """Events up to and including the first of `kind`, each waited for on the descriptor as Trio does."""
    events: list[Event] = []
    with selectors.DefaultSelector() as selector:
        selector.register(fanout.event_fd, selectors.EVENT_READ)
        while not any(event.kind == kind for event in events):
            assert selector.select(PATIENCE_SECONDS), f"no {kind}, only {events}"
            events += fanout.take_events()
        assert not selector.select(0), "taking the events makes the descriptor unreadable"
    return events
