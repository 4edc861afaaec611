"""The protocol for those who only listen: bare pushes instead of replies, nothing to answer.

A listener is a client whose one command, `connect`, is said for it. What would be the reply is a `connect` push, and a
refusal is a `disconnect` push, with the codes that centrifuge gives it then (its unidirectional transports), and final
ones for what does not change by coming back.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Raw

from framecast.errors import PeerError
from framecast.protocol.codec import Codec
from framecast.protocol.codes import CloseCode, ErrorCode
from framecast.protocol.messages import Command, Disconnect, Error, Ping, Pong, Publication, Push, PushBody, Reply

REFUSED: Mapping[int, CloseCode] = {
    ErrorCode.UNAUTHORIZED.code: CloseCode.INVALID_TOKEN,
    ErrorCode.PERMISSION_DENIED.code: CloseCode.PERMISSION_DENIED,
    400: CloseCode.BAD_REQUEST,
    403: CloseCode.PERMISSION_DENIED,
    404: CloseCode.PERMISSION_DENIED,
    ErrorCode.TOKEN_EXPIRED.code: CloseCode.CONNECTION_EXPIRED,
    ErrorCode.EXPIRED.code: CloseCode.CONNECTION_EXPIRED,
    ErrorCode.TOO_MANY_REQUESTS.code: CloseCode.TOO_MANY_REQUESTS,
}


class UnidirectionalCodec:
    """Another codec's messages without their wrapping."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.NAME = codec.NAME
        self.BINARY = codec.BINARY
        self.PONG = codec.PONG

    def decode(self, message: str | bytes | bytearray) -> Iterator[Command | Pong | PeerError]:
        """Read the command that was said for the client."""
        return self._codec.decode(message)

    def encode(self, *messages: Reply | Push | Ping) -> bytes:
        """Write one message as a push; ValueError for more, and for a reply that a listener cannot have asked for."""
        [message] = messages
        return self._codec.encode_push(_unwrap(message))

    def encode_publications(self, publications: Sequence[Publication]) -> bytes:
        """As the other codec's."""
        return self._codec.encode_publications(publications)

    def publishable(self, data: Raw) -> bytes:
        """As the other codec's."""
        return self._codec.publishable(data)

    def encode_push(self, push: PushBody) -> bytes:
        """As the other codec's."""
        return self._codec.encode_push(push)


def _unwrap(message: Reply | Push | Ping) -> PushBody:
    match message:
        case Push(push=push):
            return push
        case Ping():
            return PushBody()
        case Reply(error=Error(code=code)):
            close = REFUSED.get(code, CloseCode.INTERNAL)
            return PushBody(disconnect=Disconnect(close.code, close.reason))
        case Reply(connect=connect) if connect is not None:
            return PushBody(connect=connect)
    raise ValueError("a listener asks for nothing but to be connected")
