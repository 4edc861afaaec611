"""Which form of the protocol a connection speaks, and what a form can do. A connection keeps its own to the end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import parse_qs

from msgspec import Raw

from framecast.errors import PeerError
from framecast.protocol import json_codec, protobuf_codec
from framecast.protocol.messages import Command, Ping, Pong, Publication, Push, PushBody, Reply


class Codec(Protocol):
    """One form of the protocol; the modules json_codec and protobuf_codec play this role."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """As CODECS knows it."""

    @property
    def BINARY(self) -> bool:  # noqa: N802 - a constant of a module
        """Whether what is written goes out as binary WebSocket messages. What comes in may be either."""

    @property
    def PONG(self) -> bytes:  # noqa: N802 - a constant of a module
        """The message that holds a pong and nothing else, as SDKs send it; `decode` reads it as any other."""

    def decode(self, message: str | bytes | bytearray) -> Iterator[Command | Pong | PeerError]:
        """Read the commands of one message one at a time; never raises. PeerError 3501 is the last, if at all."""

    def encode(self, *messages: Reply | Push | Ping) -> bytes:
        """Write replies and pushes as one message."""

    def encode_push(self, push: PushBody) -> bytes:
        """Write one push as clients of unidirectional transports get it; an empty one is a ping."""

    def encode_publications(self, publications: Sequence[Publication]) -> bytes:
        """Write the publications of a subscribe result apart from it, for any number of results."""

    def publishable(self, data: Raw) -> bytes:
        """The payload of a command that came in this form, fit for subscribers of any. Refusal 107 when it is not."""


CODECS: Mapping[str, Codec] = {codec.NAME: codec for codec in (json_codec, protobuf_codec)}

_SUBPROTOCOLS = {"centrifuge-json": json_codec.NAME, "centrifuge-protobuf": protobuf_codec.NAME}
_QUERY_KEYS = ("format", "cf_protocol")


def negotiate(subprotocols: Sequence[str], query: str) -> tuple[str, str | None]:
    """The name of the codec that a WebSocket client asked for, and the subprotocol to echo, if any; never raises.

    `subprotocols` are those offered, in the client's order: the first that we know is echoed. `query` is the request's,
    without the question mark; where a key is repeated its first value counts. It is Protobuf as soon as one of the
    chosen subprotocol, `format` and `cf_protocol` says so, and JSON otherwise, as unknown names ask for nothing
    (centrifuge's handler_websocket.go). A browser breaks off unless what it offered is echoed, so `centrifuge-json` is
    even where the query decides for Protobuf.
    """
    chosen = next((name for name in subprotocols if name in _SUBPROTOCOLS), None)
    values = parse_qs(query, keep_blank_values=True) if query else {}
    asked = {_SUBPROTOCOLS.get(chosen or ""), *(values[key][0] for key in _QUERY_KEYS if key in values)}
    return protobuf_codec.NAME if protobuf_codec.NAME in asked else json_codec.NAME, chosen
