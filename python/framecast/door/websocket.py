"""One subscriber's WebSocket: its messages, the answers to its control frames, the closing handshake.

Frames are read by the core, in the task that receives. Whoever sends messages does so beside it, through the same
stream: here only control frames are said. At rest it is as good as nothing: the reader of frames is made when bytes
come, and kept only while a frame or a message is under way, so that idle connections do not pay for it.
"""

from typing import NoReturn, Protocol

import trio

from framecast._core import Broken, Closed, FrameReader, Pinged, close_frame, pong_frame
from framecast.door.crumbs import FREE_PIECES, PIECE_BYTES, PIECES_PER_TURN
from framecast.errors import PeerLeft

_RECEIVE_BYTES = 4_096
"""Clients' messages are small, and what one read brings is held until it is asked for."""

TOO_BIG = 1009


class WebSocketEnded(PeerLeft):
    """No more messages will come."""

    def __init__(self, code: int | None, *, too_big: bool = False) -> None:
        super().__init__(too_big=too_big)
        self.code = code
        """The peer's, or ours where the peer broke the rules; None where the connection just ended."""


class QueueingStream(Protocol):
    """What a WebSocket needs of its connection: sending that does not wait."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As a stream of Trio's."""

    def send(self, data: bytes) -> None:
        """Queue bytes. BrokenResourceError or ClosedResourceError when nothing can be said any more."""


class WebSocket:
    """One accepted WebSocket. One task at a time receives or closes; the owner of the stream closes that afterwards."""

    __slots__ = (
        "_code",
        "_ended",
        "_events",
        "_max_message_bytes",
        "_reader",
        "_said_close",
        "_stream",
        "ended_by_peer",
    )

    def __init__(self, stream: QueueingStream, *, max_message_bytes: int) -> None:
        self._stream = stream
        self._max_message_bytes = max_message_bytes
        self._reader: FrameReader | None = None
        self._events = 0
        """Of what the last read brought, and those that were handled since the others had their turn."""
        self._said_close = False
        self._ended = False
        self._code: int | None = None
        self.ended_by_peer = False
        """Whether the peer has said its last: it has closed the WebSocket, or the connection."""

    async def receive(self) -> bytes:
        """One message, text as its bytes. WebSocketEnded when there will be none; cancelled, it has taken nothing."""
        while not self._ended:
            reader = self._reader
            if reader is None:
                await self._receive_more()
                continue
            if self._events == PIECES_PER_TURN:
                await trio.lowlevel.checkpoint()
                self._events = 0
            event = reader.next_event()
            if isinstance(event, bytes):
                self._events += 1
                return event
            if event is not None:
                self._events += 1
                self._answer(event)
            elif reader.at_rest:
                self._reader = None
            else:
                await self._receive_more()
        raise self._what_ended_it()

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake. What comes before the peer's answer is dropped; the caller sets the deadline."""
        if not self._ended:
            self._say_close(code, reason)
        try:
            while True:
                await self.receive()
        except WebSocketEnded:
            return

    async def _receive_more(self) -> None:
        try:
            received = await self._stream.receive_some(_RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            received = b""
        if not received:
            self.ended_by_peer = True
            self._end(None)
        if self._reader is None:
            self._reader = FrameReader(
                max_message_bytes=self._max_message_bytes, free_fragments=FREE_PIECES, fragment_bytes=PIECE_BYTES
            )
        self._reader.feed(received)
        self._events = 0

    def _answer(self, event: Pinged | Closed | Broken) -> None:
        """Answer what is no message."""
        if isinstance(event, Pinged):
            self._say(pong_frame(event.payload))
            return
        too_big = event.code == TOO_BIG and isinstance(event, Broken)
        reason = f"message larger than {self._max_message_bytes} bytes" if too_big else event.reason
        self._say_close(event.code, reason)
        self.ended_by_peer = isinstance(event, Closed)
        self._end(event.code)

    def _end(self, code: int | None) -> NoReturn:
        self._ended, self._code, self._reader = True, code, None
        raise self._what_ended_it()

    def _what_ended_it(self) -> WebSocketEnded:
        # A peer may close with that code as well: then it is something of ours that was too big for it.
        return WebSocketEnded(self._code, too_big=self._code == TOO_BIG and not self.ended_by_peer)

    def _say_close(self, code: int, reason: str) -> None:
        self._say(close_frame(code, reason))
        self._said_close = True

    def _say(self, frame: bytes) -> None:
        """Queue a control frame, unless ours was the last word."""
        if self._said_close:
            return
        try:
            self._stream.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # whoever reads finds the end
