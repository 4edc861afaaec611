"""One accepted connection: request head by request head to the room that serves it.

The rooms are given from outside; the door knows no paths. A WebSocket room and the application take a connection
over for good, an exchange room answers one request and the loop goes on with the next, in order.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from framecast.door.answer import Answer, encode_answer, linger, refusal_answer
from framecast.door.closing import Closing
from framecast.door.direct import DirectStream
from framecast.door.exchange import Disconnected, Exchange, send_in_time
from framecast.door.head import HeadReader, Received, RequestHead
from framecast.door.proxies import NO_PROXIES, TrustedProxies
from framecast.door.replay import ReplayedStream
from framecast.door.tls import TlsStream
from framecast.door.upgrade import check_upgrade
from framecast.errors import Refusal
from framecast.settings import Server

log = structlog.get_logger(__name__)

TakeOver = Callable[[trio.abc.Stream], Awaitable[None]]
"""Serves a stream to its end. It may not raise Refusal: the request is accepted by then."""

ExchangeRoom = Callable[[Exchange], Awaitable[Answer]]
"""Answers one request; may raise Refusal and Disconnected."""

_UPGRADE_LINE = re.compile(rb"(?<=\r\n)(?:upgrade|http2-settings):[^\r]*\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where requests go. Each callable may raise Refusal."""

    check: Callable[[RequestHead], None]
    """What holds for every request read here: the names and origins it may come under. Its head says all about that,
    so those that follow with the same head are not asked again."""

    admit_websocket: Callable[[RequestHead], Awaitable[TakeOver]]
    """The room for a valid WebSocket request; Refusal 404 when there is none at its path. May wait to learn who asks,
    under deadlines of its own."""

    find_exchange: Callable[[RequestHead], ExchangeRoom | None]
    """The room that answers this request itself, and all those of the connection that follow it with the same head;
    None leaves it to the application."""

    app: TakeOver
    """The application: gets the connection with the request's bytes still to be read."""

    proxies: TrustedProxies = NO_PROXIES
    """Whose word counts about who the client is. The application has to ask for itself: it gets the bytes."""

    closing: Closing = field(default_factory=Closing)
    """Begun when the server goes down: idle connections end, others after their answer, if it is taken in time."""


async def serve_connection(stream: trio.abc.Stream, rooms: Rooms, limits: Server) -> None:
    """Serve one connection to its end. The caller closes the stream."""
    # Nothing of the requests is kept then, what takes over included: a connection may stay for days.
    await (await _serve_requests(stream, rooms, limits))(stream)


async def _serve_requests(stream: trio.abc.Stream, rooms: Rooms, limits: Server) -> TakeOver:
    """Serve requests up to the last; what the connection is left to then."""
    peer = find_peer(stream)
    reader = HeadReader(stream, limits, rooms.closing, peer=peer)
    requests = _Requests(stream, reader, rooms, limits)
    try:
        with reader.scope:
            while (take_over := await requests.serve_next()) is None:
                pass
            return take_over
        reader.check_late()
    except Refusal as refusal:
        log.debug("request refused", status=refusal.code, reason=refusal.message)
        await _send_last(stream, refusal_answer(refusal), limits)
    except Disconnected:
        log.debug("peer left")
    return _leave


class _Requests:
    """The requests of one connection. What is found out about one holds for all that have the same head behind it."""

    def __init__(self, stream: trio.abc.Stream, reader: HeadReader, rooms: Rooms, limits: Server) -> None:
        self._stream = stream
        self._reader = reader
        self._rooms = rooms
        self._limits = limits
        self._head: RequestHead | None = None
        """Of the last request that an exchange room answered."""
        self._seen: RequestHead
        """The same, with who is behind the proxies."""
        self._room: ExchangeRoom

    async def serve_next(self) -> TakeOver | None:
        """Serve the next request. None when a further one may follow; else what the connection is left to."""
        received = await self._reader.next_request()
        if received is None:
            return _leave
        if received.head is not self._head:
            take_over = await self._find_room(received)
            if take_over is not None:
                return take_over
        limits, reader = self._limits, self._reader
        exchange = Exchange(
            self._stream, self._seen, received.body, reader.take_rest(), send_seconds=limits.send_seconds
        )
        if await exchange.answer(await _answer(self._room, exchange), last=self._rooms.closing.begun):
            reader.give_back(exchange.take_rest())
            return None
        return partial(linger, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)

    async def _find_room(self, received: Received) -> TakeOver | None:
        """Look for the room that answers such requests, and keep it; or what takes the connection over."""
        rooms = self._rooms
        head = rooms.proxies.see_through(received.head)
        rooms.check(head)
        if head.wants_websocket:
            check_upgrade(head, self._reader.take_rest(), with_body=not received.body.ended)
            return await rooms.admit_websocket(head)
        room = rooms.find_exchange(head)
        if room is None:
            return _replay(rooms, received.raw, self._reader.take_rest(), self._limits)
        self._head, self._seen, self._room = received.head, head, room
        return None


async def _answer(room: ExchangeRoom, exchange: Exchange) -> Answer:
    """What the room answers; a bug in it costs this request a 500 and is logged once."""
    try:
        return await room(exchange)
    except Refusal as refusal:
        return refusal_answer(refusal)
    except Disconnected:
        raise
    except Exception:
        log.exception("request failed", path=exchange.head.path)
        return refusal_answer(Refusal(500, "Internal Server Error: the server's log has the details"))


def find_peer(stream: trio.abc.Stream) -> str:
    """The IP address at the other end; "" when it is gone already, or is no socket's."""
    if not isinstance(stream, DirectStream | TlsStream):
        return ""
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""


async def _leave(stream: trio.abc.Stream) -> None:
    """The peer has gone or had nothing more to say."""


def _replay(rooms: Rooms, raw_head: bytes, rest: bytes, limits: Server) -> TakeOver:
    """Leave the connection to the application, the request first.

    An offer to change to HTTP/2 in clear text is taken out: a server may ignore it (RFC 9110 §7.8), and then there
    is one protocol less that a connection can turn into behind the door.
    """
    raw = _UPGRADE_LINE.sub(b"", raw_head)

    async def take_over(stream: trio.abc.Stream) -> None:
        replayed = ReplayedStream(stream, raw + rest, send_seconds=limits.send_seconds, closing=rooms.closing)
        await rooms.app(replayed)

    return take_over


async def _send_last(stream: trio.abc.Stream, answer: Answer, limits: Server) -> None:
    """Answer a request that was refused before it was read, in a way that the peer can read."""
    try:
        await send_in_time(stream, encode_answer(answer, keep=False), limits.send_seconds)
    except Disconnected:
        return
    await linger(stream, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)
