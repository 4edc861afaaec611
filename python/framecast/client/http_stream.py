"""Subscribers that hear by the answer to an HTTP request, which goes on for as long as they stay.

A pair of sockets stands for the connection (door/relay.py), and what comes out of it goes on into the answer.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from framecast.accounts.identity import Identity
from framecast.client.connection import NORMAL, refuse, serve_subscriber
from framecast.client.emulation import EmulatedSessions, Mailbox
from framecast.client.listener import check_channels
from framecast.client.newcomer import Newcomer
from framecast.client.rooms import Rooms
from framecast.client.roster import Roster
from framecast.client.transport import Emulated
from framecast.door.direct import DirectStream
from framecast.door.outbound import Reading, WriterEvents, WriterStream
from framecast.door.relay import carry, open_pair
from framecast.errors import Refusal
from framecast.protocol.codec import CODECS, Codec
from framecast.protocol.codes import CloseCode
from framecast.protocol.emulation import EmulationRequest
from framecast.protocol.messages import Disconnect, Push, PushBody
from framecast.protocol.unidirectional import UnidirectionalCodec

log = structlog.get_logger(__name__)

PIECE_BYTES = 16_384
"""Of one piece of the answer, at most."""


class Answer(Protocol):
    """The answer to the request that a client hears by."""

    async def begin(self) -> None:
        """Send its head; from then on the request cannot be refused any more."""

    async def write(self, data: bytes) -> None:
        """Send the next bytes, waiting for the peer."""

    async def wait_left(self) -> None:
        """Return when the peer has left."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A client's request for a stream."""

    visitor: Identity | None
    """Whom the door let in; None for somebody who must bring a token."""

    address: str
    """The IP address it comes from."""

    first: bytes
    """The first frame of commands."""

    reading: Reading

    listens_to: tuple[str, ...] | None = None
    """The channels of one who only listens; None for one who speaks."""

    with_cookies: bool = False
    """As of the newcomer that it becomes."""

    @property
    def codec(self) -> Codec:
        """What is said in which form."""
        codec = CODECS[self.reading.protocol]
        return UnidirectionalCodec(codec) if self.reading.unidirectional else codec


class HttpStreams:
    """Serves subscribers over HTTP streams and takes the commands that they send beside them. One for the server."""

    def __init__(self, rooms: Rooms, roster: Roster, events: WriterEvents) -> None:
        self._rooms = rooms
        self._roster = roster
        self._events = events
        self._sessions = EmulatedSessions(rooms.settings)

    def check_open(self) -> None:
        """Refusal 503 while Live is switched off or ending: to be asked before the answer begins."""
        self._roster.check_open()

    def check_channels(self, channels: Sequence[str], visitor: Identity | None) -> None:
        """Refusal 400, 403 or 404 for channels that nobody could listen to, as above."""
        check_channels(channels, visitor, self._rooms)

    async def deliver(self, sender: Identity | None, request: EmulationRequest) -> None:
        """Hand a frame of commands to its session. Refusal 404 or 429."""
        await self._sessions.deliver(sender, Emulated(request.session, request.node), request.frame)

    async def serve(self, opening: Opening, answer: Answer) -> None:
        """Serve one client to its end. The caller ends the answer.

        Refusal 503, before the answer begins, when the system has no sockets left.
        """
        try:
            ours, theirs = open_pair()
        except OSError as error:
            log.debug("no sockets for a stream", error=error.strerror)
            raise Refusal(503, f"no stream can be opened now: {error.strerror}; try again", temporary=True) from None
        async with theirs:
            try:
                await answer.begin()
                outbound = self._adopt(ours, opening.reading)
            except BaseException:
                await trio.aclose_forcefully(ours)
                raise
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._converse, opening, outbound)
                await _pump(theirs, answer)

    def _adopt(self, ours: DirectStream, reading: Reading) -> WriterStream:
        limits = self._rooms.settings
        return self._events.adopt(
            ours,
            max_queue_bytes=limits.queue_bytes,
            write_seconds=limits.write_seconds,
            close_flush_seconds=limits.close_seconds,
            reading=reading,
        )

    async def _converse(self, opening: Opening, outbound: WriterStream) -> None:
        """The session, or the word that there is none to be had. Whatever is said still goes out."""
        try:
            with self._sessions.open(opening.visitor) as mailbox, self._roster.place(opening.address) as place:
                transport = HttpStreamTransport(opening.first, mailbox, outbound, opening.codec)
                if place is None:
                    full = CloseCode.CONNECTION_LIMIT
                    await refuse(transport, full.code, full.reason, seconds=self._rooms.settings.close_seconds)
                    return
                newcomer = Newcomer(
                    transport=transport,
                    outbox=outbound,
                    codec=transport.codec,
                    place=place,
                    visitor=opening.visitor,
                    with_cookies=opening.with_cookies,
                    emulated=mailbox.address if opening.listens_to is None else None,
                    listens_to=opening.listens_to,
                )
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_await_end, outbound, mailbox)
                    await serve_subscriber(newcomer, self._rooms)
                    nursery.cancel_scope.cancel()
        finally:
            await outbound.aclose()


async def _await_end(outbound: WriterStream, mailbox: Mailbox) -> None:
    """The pair ends as any socket does: when the peer has left, or when the core has cut the connection."""
    with contextlib.suppress(trio.BrokenResourceError):
        while await outbound.receive_some():
            pass  # nobody writes this way
    mailbox.close()


async def _pump(pair: trio.SocketStream, answer: Answer) -> None:
    """Carry everything from the pair into the answer; end with either, and then both ends are closed."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_close_when_left, answer, pair)
        await carry(pair, answer.write, piece_bytes=PIECE_BYTES)
        nursery.cancel_scope.cancel()


async def _close_when_left(answer: Answer, pair: trio.SocketStream) -> None:
    await answer.wait_left()
    await pair.aclose()


class HttpStreamTransport:
    """One client's frames: the first came with the request for the stream, the others come by its mailbox."""

    def __init__(self, first: bytes, mailbox: Mailbox, outbound: WriterStream, codec: Codec) -> None:
        self._first: bytes | None = first
        self._mailbox = mailbox
        self._outbound = outbound
        self.codec = codec

    async def receive(self) -> bytes:
        """The next frame; PeerLeft when the stream is at its end."""
        frame, self._first = self._first, None
        if frame is None:
            frame = await self._mailbox.get()
        self._outbound.last_received = trio.current_time()
        return frame

    async def close(self, code: int, reason: str) -> None:
        """Say so by a `disconnect` push: a stream has no close codes (centrifuge's handler_http_stream.go).

        Who was refused knows it already, and gets no second word.
        """
        if code == NORMAL:
            return
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # then nobody hears it
            self._outbound.send_message(self.codec.encode(Push(PushBody(disconnect=Disconnect(code, reason)))))
