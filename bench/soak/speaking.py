"""The client's side of the Centrifuge protocol v2 in JSON and in Protobuf, as far as a soak needs it. No I/O.

Not the server's own codecs, which would understand their own mistakes.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from framecast.protocol.schema import client_pb2 as schema


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame on the channel, of its past or live."""

    frame: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connected:
    """The server took us in; `session` and `node` are for requests beside a stream."""

    session: str
    node: str


@dataclass(frozen=True, slots=True)
class Pinged:
    """An answer is due."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The server refused or ended something."""

    words: str


Event = Heard | Connected | Pinged | Ended


class Tongue(Protocol):
    """How one speaks."""

    @property
    def subprotocol(self) -> str | None:
        """Of the WebSocket, if one must be asked for."""

    def greet(self, channel: str) -> str | bytes:
        """Connect and subscribe, in one message."""

    def pong(self) -> str | bytes:
        """The answer to a ping."""

    def read(self, message: str | bytes) -> Iterable[Event]:
        """What a message says."""


class Json:
    """Objects, one a line. Pushes in the envelope of a reply, or bare where nobody can answer."""

    subprotocol = None

    def greet(self, channel: str) -> str:
        return "\n".join(
            json.dumps(command) for command in ({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": channel}})
        )

    def pong(self) -> str:
        return "{}"

    def read(self, message: str | bytes) -> Iterator[Event]:
        text = message if isinstance(message, str) else message.decode()
        for line in filter(None, text.split("\n")):
            yield from self._read_object(json.loads(line))

    def _read_object(self, said: dict[str, Any]) -> Iterator[Event]:
        if not said:
            yield Pinged()
        if "error" in said:
            yield Ended(json.dumps(said["error"]))
        push = said.get("push", said)
        for reason in ("disconnect", "unsubscribe"):
            if reason in push:
                yield Ended(f"{reason} {json.dumps(push[reason])}")
        if "connect" in push:
            yield Connected(push["connect"].get("session", ""), push["connect"].get("node", ""))
        begun = [*push.get("connect", {}).get("subs", {}).values(), push.get("subscribe", {})]
        for subscription in begun:
            if subscription.get("data"):
                yield Heard(subscription["data"])
            yield from (Heard(publication["data"]) for publication in subscription.get("publications", ()))
        if "pub" in push:
            yield Heard(push["pub"]["data"])


class Protobuf:
    """Messages behind their lengths."""

    subprotocol = "centrifuge-protobuf"

    def greet(self, channel: str) -> bytes:
        connect = schema.Command(id=1, connect=schema.ConnectRequest())
        subscribe = schema.Command(id=2, subscribe=schema.SubscribeRequest(channel=channel))
        return b"".join(map(_with_length, (connect, subscribe)))

    def pong(self) -> bytes:
        return _with_length(schema.Command())

    def read(self, message: str | bytes) -> Iterator[Event]:
        assert isinstance(message, bytes)
        at = 0
        while at < len(message):
            length, at = _read_length(message, at)
            yield from self._read_reply(schema.Reply.FromString(message[at : at + length]))
            at += length

    def _read_reply(self, reply: schema.Reply) -> Iterator[Event]:
        if not reply.ByteSize():
            yield Pinged()
        if reply.HasField("error"):
            yield Ended(str(reply.error).strip())
        if reply.HasField("connect"):
            yield Connected(reply.connect.session, reply.connect.node)
        if reply.subscribe.data:
            yield Heard(json.loads(reply.subscribe.data))
        for publication in reply.subscribe.publications:
            yield Heard(json.loads(publication.data))
        push = reply.push
        for reason in (push.disconnect, push.unsubscribe):
            if reason.code:
                yield Ended(str(reason).strip())
        if push.HasField("pub"):
            yield Heard(json.loads(push.pub.data))


def _with_length(command: schema.Command) -> bytes:
    body = command.SerializeToString()
    assert len(body) < 128, "a command of ours has a length of one byte"
    return bytes([len(body)]) + body


def _read_length(message: bytes, at: int) -> tuple[int, int]:
    """A varint (https://protobuf.dev/programming-guides/encoding/#varints), and where it ends."""
    length = shift = 0
    while message[at] >= 128:
        length |= (message[at] & 127) << shift
        shift += 7
        at += 1
    return length | message[at] << shift, at + 1


JSON, PROTOBUF = Json(), Protobuf()
