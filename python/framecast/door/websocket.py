"""One subscriber's WebSocket: its messages, the answers to its control frames, the closing handshake.

Driven over wsproto in the task that reads. Whoever sends messages does so beside it, through the same stream: here only
control frames are said. At rest it is as good as nothing: what follows frames is made when bytes come, and kept only
while a frame or a message is under way, so that idle connections do not pay for it.
"""

from typing import NoReturn, Protocol

import trio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from framecast.door.crumbs import PIECES_PER_TURN, FrameMeter

_RECEIVE_BYTES = 4_096
"""Clients' messages are small, and what one read brings is held until it is asked for."""

TOO_BIG = 1009


class WebSocketEnded(Exception):  # noqa: N818 - what peers do, no failure of ours
    """No more messages will come."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the WebSocket has ended: {code}")
        self.code = code
        """The peer's, or ours where the peer broke the rules; None where the connection just ended."""


class QueueingStream(Protocol):
    """What a WebSocket needs of its connection: sending that does not wait."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As a stream of Trio's."""

    def send(self, data: bytes) -> None:
        """Queue bytes. BrokenResourceError or ClosedResourceError when nothing can be said any more."""


class _Follower:
    """Follows frames, while there is one."""

    __slots__ = ("events", "frames", "message", "meter")

    def __init__(self) -> None:
        self.meter = FrameMeter()
        self.frames = Connection(ConnectionType.SERVER)
        self.events = self.frames.events()
        self.message = bytearray()


class WebSocket:
    """One accepted WebSocket. One task at a time receives or closes; the owner of the stream closes that afterwards."""

    __slots__ = ("_code", "_ended", "_follower", "_max_message_bytes", "_said_close", "_stream", "_unread")

    def __init__(self, stream: QueueingStream, *, max_message_bytes: int) -> None:
        self._stream = stream
        self._max_message_bytes = max_message_bytes
        self._follower: _Follower | None = None
        self._unread: bytes | bytearray = b""
        self._said_close = False
        self._ended = False
        self._code: int | None = None

    async def receive(self) -> bytes:
        """One message, text as its bytes. WebSocketEnded when there will be none; cancelled, it has taken nothing."""
        while True:
            message = self._next_message()
            if message is not None:
                return message
            await self._receive_more()

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake. What comes before the peer's answer is dropped; the caller sets the deadline."""
        if not self._ended:
            self._say_close(CloseConnection(code, reason))
        try:
            while True:
                await self.receive()
        except WebSocketEnded:
            return

    def _next_message(self) -> bytes | None:
        """The next whole message of what was received. None when more must be received first."""
        if self._ended:
            raise WebSocketEnded(self._code)
        if self._follower is None:
            return None
        for event in self._follower.events:
            message = self._take(self._follower, event)
            if message is not None:
                return message
        if self._follower.meter.at_rest:
            self._follower = None
        else:
            self._follower.events = self._follower.frames.events()
        return None

    async def _receive_more(self) -> None:
        """Receive, and look at no more frames at once than make one turn."""
        if self._unread:
            await trio.sleep(0)  # noqa: ASYNC115 - trio.lowlevel is for door/outbound.py alone
            received = self._unread
        else:
            try:
                received = await self._stream.receive_some(_RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                received = b""
            if not received:
                self._end(None)
        if self._follower is None:
            self._follower = _Follower()
        end = self._follower.meter.follow(received, PIECES_PER_TURN)
        self._unread = received[end:]
        if self._follower.meter.crumbs:
            self._break(1008, "too many tiny fragments")
        self._follower.frames.receive_data(bytes(received[:end]))

    def _take(self, follower: _Follower, event: Event) -> bytes | None:
        """Do what an event asks for; the message that it completes, if it does."""
        match event:
            case TextMessage(data=data):
                return self._add(follower, data.encode(), finished=event.message_finished)
            case BytesMessage(data=data):
                return self._add(follower, bytes(data), finished=event.message_finished)
            case Ping():
                self._say(event.response())
            case CloseConnection() if follower.frames.state is ConnectionState.REMOTE_CLOSING:
                self._say_close(event.response())
                self._end(event.code)
            case CloseConnection():  # wsproto's way to say that the peer broke the protocol
                self._break(event.code, event.reason or "")
        return None

    def _add(self, follower: _Follower, piece: bytes, *, finished: bool) -> bytes | None:
        if len(follower.message) + len(piece) > self._max_message_bytes:
            self._break(TOO_BIG, f"message larger than {self._max_message_bytes} bytes")
        if finished and not follower.message:
            return piece
        follower.message += piece
        if not finished:
            return None
        message = bytes(follower.message)
        follower.message.clear()
        return message

    def _break(self, code: int, reason: str) -> NoReturn:
        self._say_close(CloseConnection(code, reason))
        self._end(code)

    def _end(self, code: int | None) -> NoReturn:
        self._ended, self._code = True, code
        self._follower, self._unread = None, b""
        raise WebSocketEnded(code)

    def _say_close(self, close: CloseConnection) -> None:
        self._say(close)
        self._said_close = True

    def _say(self, event: Event) -> None:
        """Queue a control frame, unless ours was the last word."""
        if self._said_close:
            return
        try:
            self._stream.send(Connection(ConnectionType.SERVER).send(event))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # whoever reads finds the end
