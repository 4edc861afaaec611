"""How the body of one request is told from what comes behind it: by its Content-Length, or chunk by chunk. Sans-io.

A body of known length needs no parser: its bytes are counted. Chunks have a grammar of their own, with extensions and
trailers, and h11 reads them, with its own opinion of their head.
"""

from typing import Protocol

import h11

from framecast.door.crumbs import Pieces
from framecast.errors import Refusal


class IncomingBody(Protocol):
    """A body while it arrives. Owned by the connection's task."""

    @property
    def declared_bytes(self) -> int | None:
        """Its whole length; None where nobody knows that before the end."""

    @property
    def ended(self) -> bool:
        """Whether all of it was taken."""

    @property
    def rest(self) -> bytes:
        """What was received and not taken; what comes behind the body, once that has ended."""

    def receive(self, data: bytes) -> None:
        """Take in what arrived; it is never b""."""

    def take(self) -> bytes | None:
        """The next piece, b"" at the end, None when more must be received first. Refusal 400 for bad framing."""

    def take_whole(self) -> bytes | None:
        """All of it, where nothing of it was taken and it is known to have arrived; else None, and nothing is taken."""


class CountedBody:
    """A body of known length; 0 where a request has none."""

    __slots__ = ("_left", "declared_bytes", "rest")

    def __init__(self, length: int) -> None:
        self.declared_bytes = length
        self._left = length
        self.rest = b""

    @property
    def ended(self) -> bool:
        """See the role."""
        return not self._left

    def receive(self, data: bytes) -> None:
        """See the role."""
        self.rest = self.rest + data if self.rest else data

    def take(self) -> bytes | None:
        """See the role."""
        if not self._left:
            return b""
        piece = self.rest[: self._left]
        self.rest = self.rest[len(piece) :]
        self._left -= len(piece)
        return piece or None

    def take_whole(self) -> bytes | None:
        """See the role."""
        left, rest = self._left, self.rest
        if len(rest) < left:
            return None
        self._left = 0
        if len(rest) == left:
            self.rest = b""
            return rest
        self.rest = rest[left:]
        return rest[:left]


class ChunkedBody:
    """A body in chunks, none of which says how many follow."""

    declared_bytes = None

    def __init__(self, raw_head: bytes, *, max_head_bytes: int) -> None:
        """Refusal 400 when h11 does not take the head; lines of chunks may be as long as one."""
        self._chunks = Pieces()
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=max(max_head_bytes, len(raw_head)))
        self._protocol.receive_data(raw_head)
        self._next_event()
        self.ended = False

    @property
    def rest(self) -> bytes:
        """See the role."""
        return bytes(self._protocol.trailing_data[0])

    def receive(self, data: bytes) -> None:
        """See the role."""
        self._protocol.receive_data(data)

    def take(self) -> bytes | None:
        """See the role. Refusal 400 for thousands of tiny chunks as well."""
        while not self.ended:
            event = self._next_event()
            if event is h11.NEED_DATA:
                return None
            if not isinstance(event, h11.Data):
                self.ended = True
                break
            if self._chunks.add(len(event.data), ends=event.chunk_end):
                raise Refusal(400, "bad request body: too many tiny chunks")
            if event.data:
                return bytes(event.data)
        return b""

    def take_whole(self) -> bytes | None:
        """See the role. Never: the last chunk is not known before it is read."""
        return None

    def _next_event(self) -> object:
        try:
            return self._protocol.next_event()
        except h11.RemoteProtocolError as error:
            raise Refusal(400, f"bad request body: {error}") from None
