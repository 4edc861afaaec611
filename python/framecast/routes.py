"""Which request goes to which room. The ways to push over HTTP know their own paths; here they are asked in order.

Of subscribers' WebSockets it is also the room: between the door, which knows no clients, and `client`, no sockets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog
import trio

from framecast.accounts.gate import Visitors
from framecast.accounts.identity import Identity
from framecast.api.accounts.login import PATHS as LOGIN_PATHS
from framecast.api.streaming import PATHS as STREAMING_PATHS
from framecast.client.connection import refuse, serve_subscriber
from framecast.client.newcomer import Newcomer
from framecast.client.rooms import Rooms as SubscriberRooms
from framecast.client.roster import Roster
from framecast.door.answer import linger
from framecast.door.asgi import AppRoom
from framecast.door.connection import ExchangeRoom, Rooms, TakeOver
from framecast.door.direct import DirectStream
from framecast.door.foreign import PageCheck
from framecast.door.head import RequestHead
from framecast.door.origin import check_host
from framecast.door.outbound import Reading, WriterEvents, WriterStream
from framecast.door.proxies import NO_PROXIES, TrustedProxies
from framecast.door.tls import TlsStream
from framecast.door.upgrade import encode_switch, offered_subprotocols
from framecast.door.websocket import WebSocket
from framecast.ingest.websocket import PushSockets
from framecast.protocol.codec import CODECS, Codec, negotiate
from framecast.protocol.codes import CloseCode
from framecast.settings import Server, Settings

log = structlog.get_logger(__name__)

SUBSCRIBERS_PATH = "/api/live/ws"

TEXT, BINARY = Reading(protocol="json"), Reading(protocol="protobuf")

FindRoom = Callable[[RequestHead], ExchangeRoom | None]


@dataclass(frozen=True, slots=True)
class SubscriberSockets:
    """The room behind ``/api/live/ws``: gives each subscriber a writer-backed stream and a session."""

    visitors: Visitors
    rooms: SubscriberRooms
    roster: Roster
    events: WriterEvents
    limits: Server

    async def admit(self, head: RequestHead) -> TakeOver:
        """Return the room for a checked upgrade. Refusal 401, or 503 while Live is switched off or ending."""
        visitor = await self.visitors(head)
        self.roster.check_open()
        return partial(self._serve, _read_arrival(head, visitor))

    async def _serve(self, arrival: "_Arrival", stream: trio.abc.Stream) -> None:
        if not isinstance(stream, DirectStream | TlsStream):
            raise TypeError(f"subscribers need a socket, or TLS over one, not {type(stream).__name__}")
        limits = self.limits
        async with self._adopt(arrival, stream) as outbound:
            websocket = await self._serve_websocket(arrival, outbound)
            if not websocket.ended_by_peer:
                await linger(outbound, seconds=limits.linger_seconds, max_bytes=limits.linger_bytes)

    def _adopt(self, arrival: "_Arrival", stream: DirectStream | TlsStream) -> WriterStream:
        limits = self.rooms.settings
        return self.events.adopt(
            stream,
            max_queue_bytes=limits.queue_bytes,
            write_seconds=limits.write_seconds,
            close_flush_seconds=limits.close_seconds,
            reading=BINARY if arrival.codec.BINARY else TEXT,
        )

    async def _serve_websocket(self, arrival: "_Arrival", outbound: WriterStream) -> WebSocket:
        """Serve it to its end; what has ended."""
        limits = self.rooms.settings
        outbound.send(arrival.switch)
        websocket = WebSocket(outbound, max_message_bytes=limits.message_bytes)
        with self.roster.place(arrival.address) as place:
            if place is None:
                full = CloseCode.CONNECTION_LIMIT
                await refuse(websocket, full.code, full.reason, seconds=limits.close_seconds)
                return websocket
            newcomer = Newcomer(
                transport=websocket,
                outbox=outbound,
                codec=arrival.codec,
                place=place,
                visitor=arrival.visitor,
                with_cookies=arrival.with_cookies,
            )
            await serve_subscriber(newcomer, self.rooms)
        return websocket


class _Arrival(msgspec.Struct, frozen=True):
    """What is kept of a subscriber's request: its head is a kilobyte or more, for as long as somebody has it."""

    visitor: Identity | None
    address: str
    codec: Codec
    switch: bytes
    """The answer that accepts it."""
    with_cookies: bool


def _read_arrival(head: RequestHead, visitor: Identity | None) -> _Arrival:
    name, subprotocol = negotiate(offered_subprotocols(head), head.query)
    return _Arrival(
        visitor=visitor,
        address=head.peer,
        codec=CODECS[name],
        switch=encode_switch(head, subprotocol),
        with_cookies=head.find(b"cookie") is not None,
    )


def build_check(settings: Settings) -> Callable[[RequestHead], None]:
    """What every request must keep to, wherever it goes: the name it came under, and the page it came from."""
    pages = PageCheck(settings.server, settings.live)

    def check(head: RequestHead) -> None:
        if settings.server.dev:
            check_host(head)
        pages.check(head, whatever_method=head.path in STREAMING_PATHS or head.path in LOGIN_PATHS)

    return check


def build_rooms(
    check: Callable[[RequestHead], None],
    subscribers: SubscriberSockets,
    exchanges: Sequence[FindRoom],
    push_sockets: PushSockets,
    app: AppRoom,
    *,
    proxies: TrustedProxies = NO_PROXIES,
) -> Rooms:
    """Join paths and rooms; of `exchanges` the first that knows a request serves it."""

    async def admit_websocket(head: RequestHead) -> TakeOver:
        if head.path == SUBSCRIBERS_PATH:
            return await subscribers.admit(head)
        return await push_sockets.admit(head)

    def find_exchange(head: RequestHead) -> ExchangeRoom | None:
        return next((room for find in exchanges if (room := find(head)) is not None), None)

    return Rooms(
        check=check, admit_websocket=admit_websocket, find_exchange=find_exchange, app=app.serve, proxies=proxies
    )
