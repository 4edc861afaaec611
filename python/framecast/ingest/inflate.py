"""Inflates gzip bodies without trusting them: no more comes out, and no more work is done, than the limits say."""

import zlib

from framecast.errors import Refusal

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_FEED_BYTES = 16_384
"""Fed in pieces: zlib copies what it does not use, and a body of many small members would be copied whole each time."""


class Inflation:
    """One gzip body being inflated, in as many steps as its reader likes. A step may run in a thread."""

    def __init__(self, raw: bytes, *, max_bytes: int, max_members: int, named: str = "push.body_bytes") -> None:
        """`named` is what the limit of bytes is called."""
        self._raw = memoryview(raw)
        self._place = 0
        self._pending = b""
        self._out = bytearray()
        self._max_bytes = max_bytes
        self._named = named
        self._members_left = max_members
        self._member: zlib._Decompress | None = None

    def step(self, at_most: int) -> bool:
        """Inflate until about `at_most` bytes came out in all; return whether the body has ended.

        Refusal 400 for what is no complete gzip, 413 when it is larger than the limit.
        """
        goal = min(at_most, self._max_bytes + 1)
        while len(self._out) < goal:
            if not self._pending and self._place < len(self._raw):
                self._pending = bytes(self._raw[self._place : self._place + _FEED_BYTES])
                self._place += len(self._pending)
            if self._member is None:
                if not self._pending:
                    return True
                self._begin_member()
            self._inflate_some(goal - len(self._out))
        if len(self._out) > self._max_bytes:
            message = f"the body is larger than {self._max_bytes} bytes when inflated ({self._named})"
            raise Refusal(413, message, reason="body_limit")
        return False

    def take(self) -> bytes:
        """The whole inflated body."""
        return bytes(self._out)

    def _begin_member(self) -> None:
        if self._place == len(self._pending) and not self._pending.startswith(b"\x1f"):
            raise Refusal(400, "the body is not gzip, though Content-Encoding says so", reason="bad_gzip")
        self._members_left -= 1
        if self._members_left < 0:
            raise Refusal(400, "the gzip body has too many members (push.gzip_members)", reason="gzip_member_limit")
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    def _inflate_some(self, room: int) -> None:
        member = self._member
        if member is None:
            return
        before = (len(self._pending), len(self._out))
        try:
            self._out += member.decompress(self._pending, room)
        except zlib.error as error:
            reason = str(error).partition(": ")[2] or "bad data"
            raise Refusal(400, f"the gzip body is damaged: {reason}", reason="bad_gzip") from None
        if member.eof:
            self._pending = member.unused_data
            self._member = None
            return
        self._pending = member.unconsumed_tail
        at_end = not self._pending and self._place >= len(self._raw)
        if at_end and (0, len(self._out)) == before:
            raise Refusal(400, "the gzip body is cut off", reason="bad_gzip")
