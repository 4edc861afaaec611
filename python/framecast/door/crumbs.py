"""Messages and bodies in tiny pieces: how many are handled in one turn, and when they are too many and too small.

Each piece costs as much as a large one, and a peer can send thousands in what one read brings.
"""

PIECES_PER_TURN = 64
"""Frames or chunks handled between two checkpoints: less than a millisecond, so that ten floods are felt as ten."""

_FREE_PIECES = 10_000
_PIECE_BYTES = 8
"""No settings: Telegraf's chunks have 240 bytes and its frames 4,096, a line of its own for each chunk has more than 8,
and who sends fewer than 10,000 pieces may cut them as small as it likes."""


class Pieces:
    """Counts the pieces of one message or body."""

    def __init__(self) -> None:
        self._count = 0
        self._bytes = 0

    def add(self, size: int, *, ends: bool = True) -> bool:
        """Count `size` bytes, with which a piece `ends` or not; return whether the pieces have become crumbs."""
        self._count += ends
        self._bytes += size
        return self._count > _FREE_PIECES and self._bytes < self._count * _PIECE_BYTES

    def clear(self) -> None:
        """Begin the next message."""
        self._count = self._bytes = 0


class FrameMeter:
    """Follows the frames of a WebSocket in what is received (RFC 6455 §5.2), without judging them.

    For a WebSocket library that keeps every fragment of a message, however small, and handles what one read brings in
    one go.
    """

    def __init__(self) -> None:
        self.crumbs = False
        self._pieces = Pieces()
        self._header = bytearray()
        self._payload_left = 0
        self._in_message = False

    @property
    def at_rest(self) -> bool:
        """Whether what came ends where a message, or a control frame between two, does."""
        return not (self._header or self._payload_left or self._in_message)

    def follow(self, data: bytes | bytearray | memoryview, max_frames: int) -> int:
        """Go on through `data`, at most to the head of its `max_frames`-th frame; return how far."""
        place, end = 0, len(data)
        while place < end and max_frames > 0 and not self.crumbs:
            if self._payload_left:
                step = min(self._payload_left, end - place)
                self._payload_left -= step
                place += step
                continue
            self._header.append(data[place])
            place += 1
            if len(self._header) >= 2 and len(self._header) == self._header_bytes():
                self._begin_frame()
                max_frames -= 1
        return place

    def _header_bytes(self) -> int:
        length = self._header[1] & 0x7F
        return 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if self._header[1] & 0x80 else 0)

    def _begin_frame(self) -> None:
        first, length = self._header[0], self._header[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self._header[2 : 4 if length == 126 else 10], "big")
        self._header.clear()
        self._payload_left = length
        if first & 0x08:  # a control frame: no part of the message it comes within
            return
        self._in_message = not first & 0x80
        if first & 0x80:
            self._pieces.clear()
        else:
            self.crumbs = self._pieces.add(length)
