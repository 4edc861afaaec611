"""Of a server's WebSocket what a subscriber must know: frames put together from pieces, and ours to it. No I/O."""

import json
import struct

TEXT, CLOSE = 0x1, 0x8
UNMASKED = b"\0\0\0\0"
"""A key that changes nothing: frames of clients must have one."""


class EndedError(Exception):
    """The server ended the connection."""


class FrameReader:
    """Takes the bytes of a connection behind its upgrade, gives whole messages."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> list[bytes]:
        """The messages that are whole by now. EndedError where the server says that it closes."""
        data = self._rest + piece
        messages, at = [], 0
        while (found := _find_frame(data, at)) is not None:
            kind, begin, end = found
            if kind == CLOSE:
                raise EndedError(f"the server closed: {data[begin + 2 : end].decode(errors='replace')}")
            if kind == TEXT:
                messages.append(data[begin:end])
            at = end
        self._rest = data[at:]
        return messages


def _find_frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, beginning and end of the payload of the frame that begins here; None while it is not whole."""
    if len(data) < at + 2:
        return None
    size, begin = data[at + 1], at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, begin = int.from_bytes(data[begin : begin + width], "big"), begin + width
    if len(data) < begin + size:
        return None
    return data[at] & 0x0F, begin, begin + size


def encode_commands(commands: list[object]) -> bytes:
    """One message of these commands, as a frame."""
    payload = b"\n".join(json.dumps(command).encode() for command in commands)
    if len(payload) < 126:
        head = struct.pack("!BB", 0x81, 0x80 | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", 0x81, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x81, 0x80 | 127, len(payload))
    return head + UNMASKED + payload
