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
from framecast.door.head import HeadReader, RequestHead
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
    """What holds for every first request: the names and origins it may come under."""

    admit_websocket: Callable[[RequestHead], Awaitable[TakeOver]]
    """The room for a valid WebSocket request; Refusal 404 when there is none at its path. May wait to learn who asks,
    under deadlines of its own."""

    find_exchange: Callable[[RequestHead], ExchangeRoom | None]
    """The room that answers this request itself; None leaves it to the application."""

    app: TakeOver
    """The application: gets the connection with the request's bytes still to be read."""

    proxies: TrustedProxies = NO_PROXIES
    """Whose word counts about who the client is. The application has to ask for itself: it gets the bytes."""

    closing: Closing = field(default_factory=Closing)
    """Begun when the server goes down: idle connections end, others after their answer, if it is taken in time."""


async def serve_connection(stream: trio.abc.Stream, rooms: Rooms, limits: Server) -> None:
    """Serve one connection to its end. The caller closes the stream."""
    take_over = await _serve_requests(stream, rooms, limits)
    # Nothing of the requests is kept by now: a connection that is taken over may stay for days.
    await take_over(stream)


async def _serve_requests(stream: trio.abc.Stream, rooms: Rooms, limits: Server) -> TakeOver:
    """Serve requests up to the last; what the connection is left to then."""
    peer = find_peer(stream)
    if isinstance(stream, trio.SocketStream):
        stream = DirectStream(stream)
    reader = HeadReader(stream, limits, rooms.closing, peer=peer)
    try:
        while (take_over := await _serve_next(stream, reader, rooms, limits)) is None:
            pass
    except Refusal as refusal:
        log.debug("request refused", status=refusal.code, reason=refusal.message)
        await _send_last(stream, refusal_answer(refusal), limits)
    except Disconnected:
        log.debug("peer left")
    else:
        return take_over
    return _leave


async def _serve_next(stream: trio.abc.Stream, reader: HeadReader, rooms: Rooms, limits: Server) -> TakeOver | None:
    """Serve the next request. None when a further one may follow; else what the connection is left to."""
    received = await reader.next_request()
    if received is None:
        return _leave
    head = rooms.proxies.see_through(received.head)
    rooms.check(head)
    if head.wants_websocket:
        check_upgrade(head, reader.take_rest())
        return await rooms.admit_websocket(head)
    room = rooms.find_exchange(head)
    if room is None:
        return _replay(rooms, head, reader.take_rest(), limits)
    exchange = Exchange(stream, head, received.body, reader.take_rest(), send_seconds=limits.send_seconds)
    if await exchange.answer(await _answer(room, exchange), last=rooms.closing.begun):
        reader.give_back(exchange.take_rest())
        return None
    return partial(linger, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)


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
    if not isinstance(stream, trio.SocketStream | TlsStream):
        return ""
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""


async def _leave(stream: trio.abc.Stream) -> None:
    """The peer has gone or had nothing more to say."""


def _replay(rooms: Rooms, head: RequestHead, rest: bytes, limits: Server) -> TakeOver:
    """Leave the connection to the application, the request first.

    An offer to change to HTTP/2 in clear text is taken out: a server may ignore it (RFC 9110 §7.8), and then there
    is one protocol less that a connection can turn into behind the door.
    """
    raw = _UPGRADE_LINE.sub(b"", head.raw)

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
