"""The protocol's JSON form: one object per line, any number of lines per WebSocket message, both ways."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from framecast.errors import PeerError
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Command, Envelope, Ping, Pong, Publication, Push, PushBody, Reply, read_command
from framecast.protocol.payload import without_line_breaks

NAME = "json"
BINARY = False
PONG = b"{}"

NEWLINE = b"\n"

_decoder = msgspec.json.Decoder(Envelope)
_encoder = msgspec.json.Encoder()


def decode(message: str | bytes | bytearray) -> Iterator[Command | Pong | PeerError]:
    """Read the commands of one message, in order and one at a time; never raises.

    Where the message breaks the protocol the last item is PeerError 3501, so that the commands before it are carried
    out first, as centrifuge does. One newline at the end is allowed; an empty message or line is not. Text or binary
    makes no difference.
    """
    data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else bytes(message)
    start = 0
    while True:
        end = data.find(NEWLINE, start)
        line = data[start:] if end < 0 else data[start:end]
        try:
            yield _decode_line(line)
        except PeerError as broken:
            yield broken
            return
        if end < 0 or end + 1 == len(data):
            return
        start = end + 1


def _decode_line(line: bytes) -> Command | Pong:
    try:
        # msgspec checks the encoding only of the strings it keeps; payloads go on to other clients as they are.
        str(line, "utf-8")
        envelope = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CloseCode.BAD_REQUEST.error() from None
    return read_command(envelope)


def encode(*messages: Reply | Push | Ping) -> bytes:
    """Write replies and pushes as one WebSocket message.

    Payloads are embedded as they are, except that line breaks are taken out.
    """
    return NEWLINE.join([without_line_breaks(_encoder.encode(message)) for message in messages])


def encode_push(push: PushBody) -> bytes:
    """Write one push as clients of unidirectional transports get it: bare, without a line break at the end."""
    return without_line_breaks(_encoder.encode(push))


def encode_publications(publications: Sequence[Publication]) -> bytes:
    """Write the publications of a subscribe result, for any number of results."""
    return without_line_breaks(_encoder.encode(publications))


def publishable(data: Raw) -> bytes:
    """The payload of a command as JSON text on one line. That it is JSON was seen when the command was read."""
    return without_line_breaks(bytes(data))
