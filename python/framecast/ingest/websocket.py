"""``GET /api/live/push/{stream}`` as a WebSocket: one message, one batch.

The server sends no data, as Telegraf expects, unless ``?ack=1`` asks for an acknowledgement of each message.

One task per socket, over the core's reader of frames: what arrives while we close is read and pushed like anything
else, since Telegraf counts it as delivered, and any byte is a sign of life: Telegraf's pongs are empty.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import structlog
import trio

from framecast import metrics
from framecast._core import Broken, Closed, FrameReader, Pinged, close_frame, ping_frame, pong_frame, text_frame
from framecast.accounts.connected import Hits
from framecast.accounts.identity import Identity
from framecast.door.answer import linger
from framecast.door.connection import TakeOver
from framecast.door.crumbs import FREE_PIECES, PIECE_BYTES, PIECES_PER_TURN
from framecast.door.exchange import Disconnected, send_in_time
from framecast.door.head import RequestHead
from framecast.door.upgrade import encode_switch
from framecast.errors import PeerError, Refusal
from framecast.ingest.acknowledgement import acknowledge, acknowledge_refusal
from framecast.ingest.body import BodyLimit, find_limit
from framecast.ingest.held import Held
from framecast.ingest.precision import find_precision
from framecast.ingest.push import (
    FRAME_FORMAT,
    Intake,
    decode_stream_id,
    find_target,
    is_yes,
    parse_frame_format,
)
from framecast.settings import FrameFormat, Push, Server

log = structlog.get_logger(__name__)

PushMessage = Callable[[bytes], Awaitable[str | None]]
"""Pushes one message; returns the text to answer it with, if any."""


_READ_BYTES = 65_536

_MESSAGE_PIECES = 4
"""What pushing a message costs, in pieces of a turn. Its bytes do not count: a read has few."""

_TOO_BIG = 1009


class PushSockets:
    """Every push WebSocket of the server."""

    def __init__(self, intake: Intake, limits: Server) -> None:
        self._intake = intake
        self._limits = limits
        self._sockets: dict[PushSocket, Identity] = {}
        self._stopping = False

    async def admit(self, head: RequestHead) -> TakeOver:
        """Return the room for a checked upgrade on a push path. Refusal 400, 401, 403, 404 or 503.

        Not 429: a Telegraf whose first two tries are refused ends. Its messages wait instead.
        """
        encoded = find_target(head.path)
        if encoded is None:
            raise Refusal(404, "no WebSocket is served on this path")
        identity = await self._intake.admit(head)
        stream_id = decode_stream_id(encoded)
        self._intake.check_may_push(identity, stream_id, head)
        query = dict(parse_qsl(head.query))
        frame_format = parse_frame_format(query.get(FRAME_FORMAT, ""))
        precision = find_precision(query.get("precision", ""))
        limit = self._intake.limits.max_sockets
        if self._stopping:
            raise Refusal(503, "this server is shutting down", temporary=True)
        if len(self._sockets) >= limit:
            raise Refusal(503, f"there are {limit} push WebSockets already (push.max_sockets)", temporary=True)
        push = partial(
            self._push,
            identity,
            stream_id,
            precision=precision,
            frame_format=frame_format,
            ack=is_yes(query.get("ack", "")),
        )
        return partial(self._serve, head, push, _Sender(self._intake, identity, stream_id, head.peer))

    def stop(self) -> None:
        """Have every socket closed with 1001 by its own task, which reads on for at most `push.close_seconds`."""
        self._stopping = True
        for socket in self._sockets:
            socket.stop()

    def identities(self) -> list[Identity]:
        """Of the sender on each socket."""
        return list(self._sockets.values())

    def end(self, hits: Hits, *, may_return: bool) -> None:
        """Close the sockets of senders whom `hits` names with 1008, and push nothing more of theirs.

        Senders come again whatever the code says; who may not is refused then, so `may_return` changes nothing here.
        """
        for socket, identity in self._sockets.items():
            if hits(identity):
                socket.end(PeerError(1008, "what let this socket in has ended or changed: connect again"))

    async def _serve(self, head: RequestHead, push: PushMessage, sender: "_Sender", stream: trio.abc.Stream) -> None:
        with self._intake.budget.hold() as held:
            identity = sender.identity
            socket = PushSocket(stream, push, sender, held, self._intake.limits)
            socket.rest(sender.rest_after(0))
            if identity.lasts_until is not None:
                socket.ends_at = trio.current_time() + identity.lasts_until - time.time()
            self._sockets[socket] = identity
            metrics.push_sockets.inc()
            try:
                await socket.run(encode_switch(head), self._limits)
            finally:
                metrics.push_sockets.dec()
                del self._sockets[socket]

    async def _push(
        self,
        identity: Identity,
        stream_id: str,
        body: bytes,
        *,
        precision: str,
        frame_format: FrameFormat | None,
        ack: bool,
    ) -> str | None:
        if not body:
            return acknowledge(None) if ack else None
        try:
            result = await self._intake.push(identity, stream_id, body, precision=precision, frame_format=frame_format)
        except Refusal as refusal:
            metrics.push_messages.add(1, "refused")
            self._intake.complain(identity, stream_id, count=1, example=refusal.message)
            return acknowledge_refusal(refusal) if ack else None
        metrics.push_messages.add(1, "pushed")
        return acknowledge(result) if ack else None


@dataclass(frozen=True, slots=True)
class _Sender:
    """How much one sender may push. It may change while its socket is there."""

    intake: Intake
    identity: Identity
    stream_id: str
    address: str

    def find_limit(self) -> BodyLimit:
        """The largest message."""
        return find_limit(self.identity, self.intake.limits)

    def rest_after(self, size_bytes: int) -> float:
        """Count a message of so many bytes; for how many seconds to read no further one."""
        return self.intake.rest_after(self.identity, self.stream_id, self.address, size_bytes)

    def rest_left(self) -> float:
        """For how many seconds still, as its limits are now."""
        return self.intake.rates.rest_left(self.identity, self.address)


class PushSocket:
    """One push WebSocket. Its connection's task is the only one that reads, pushes and sends.

    A sender who is too fast is not refused, since there is no way to tell Telegraf: nothing more is read for a while,
    and its writes wait. Pings go on meanwhile, and at the server's end all is read without a rest.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        push: PushMessage,
        sender: _Sender,
        held: Held,
        limits: Push,
    ) -> None:
        self._stream = stream
        self._push = push
        self._sender = sender
        self._held = held
        self._limits = limits
        self._body_limit = sender.find_limit()
        self._reader = FrameReader(
            max_message_bytes=self._body_limit.bytes, free_fragments=FREE_PIECES, fragment_bytes=PIECE_BYTES
        )
        self._unheard = False
        """Whether the reader has more to tell: what came behind a message that was followed by a rest."""
        self._whole_by = math.inf
        self._rest_until = -math.inf
        self._waiting = trio.CancelScope()
        self._said_close = False
        self._stopping = False
        self._ending: PeerError | None = None
        self.ends_at = math.inf
        """When what let it in runs out, on Trio's clock."""
        self._close_at = math.inf
        self._send_seconds = limits.close_seconds

    def stop(self) -> None:
        """Begin the closing handshake; may be called from another task."""
        self._stopping = True
        self._waiting.cancel()

    def rest(self, seconds: float) -> None:
        """Read nothing for so long."""
        self._rest_until = trio.current_time() + seconds

    def end(self, error: PeerError) -> None:
        """Close at once, with what `error` says; may be called from another task."""
        self._ending = self._ending or error
        self._waiting.cancel()

    async def run(self, switch: bytes, server: Server) -> None:
        """Send `switch`, the handshake's answer, and serve the socket to its end."""
        self._send_seconds = server.send_seconds
        try:
            await self._send(switch)
            await self._read_messages()
        except Disconnected:
            log.debug("push socket gone")
        except PeerError as error:
            log.debug("push socket closed", code=error.code, reason=error.reason)
            await self._close(error, server)

    async def _read_messages(self) -> None:
        """Read until the closing handshake is done, the peer has left or a deadline has passed."""
        ping_seconds, silence_seconds = self._limits.ping_seconds, self._limits.silence_seconds
        now = trio.current_time()
        ping_at, silent_at = now + ping_seconds, now + silence_seconds
        while now < self._close_at:
            if self._ending is not None:
                raise self._ending
            if self._stopping and self._close_at == math.inf:
                await self._say_close(1001, "server is shutting down")
                self._close_at = now + self._limits.close_seconds
            elif now >= self.ends_at:
                raise PeerError(1008, "the token has expired")
            elif now >= self._whole_by:
                raise PeerError(1008, f"a message did not arrive within {self._limits.body_seconds:g} s")
            elif now >= silent_at:
                raise PeerError(1008, f"not one byte in {silence_seconds:g} s")
            elif now >= ping_at and self._close_at == math.inf:
                await self._send(ping_frame())
                ping_at = now + ping_seconds
            if self._rests(now):
                await self._sleep(min(ping_at, self._rest_until, self.ends_at))
                now = trio.current_time()
                silent_at = now + silence_seconds  # it is we who do not listen
                self._rest_until = min(self._rest_until, now + self._sender.rest_left())
                continue
            if not self._unheard:
                due = min(ping_at, silent_at) if self._close_at == math.inf else self._close_at
                data = await self._receive(min(due, self._whole_by, self.ends_at))
                now = trio.current_time()
                if data is None:
                    continue
                if not data:
                    return
                silent_at = now + silence_seconds  # any byte is a sign of life, not only a pong
                self._body_limit = self._sender.find_limit()
                self._reader.max_message_bytes = self._body_limit.bytes
                self._reader.feed(data)
                self._hold()
            if await self._hear():
                return
            now = trio.current_time()

    async def _hear(self) -> bool:
        """Do what the reader tells, up to the next rest; return whether the socket is closed by it."""
        self._unheard = True
        pieces = 0
        while (event := self._reader.next_event()) is not None:
            if self._ending is not None:
                raise self._ending
            if isinstance(event, bytes):
                if await self._take(event):
                    self._hold()
                    return False
                pieces += _MESSAGE_PIECES
            elif await self._answer(event):
                return True
            else:
                pieces += 1
            if pieces >= PIECES_PER_TURN:
                # One read may bring many messages, and a sender in a loop must not starve the others.
                await trio.lowlevel.checkpoint()
                pieces = 0
        self._unheard = False
        self._hold()
        whole_by = min(self._whole_by, trio.current_time() + self._limits.body_seconds)
        self._whole_by = math.inf if self._reader.at_rest else whole_by
        return False

    def _hold(self) -> None:
        """Count what is held of messages here: once for what a read brings, however many they are."""
        try:
            self._held.resize(self._reader.held_bytes)
        except Refusal as refusal:
            raise PeerError(1013, refusal.message) from None

    def _rests(self, now: float) -> bool:
        """Whether its sender was too fast. At the end nothing waits, or what it has sent already would be lost."""
        return now < self._rest_until and not self._stopping and self._ending is None

    async def _sleep(self, deadline: float) -> None:
        """Read nothing until then, or until somebody ends it."""
        with trio.CancelScope(deadline=deadline) as self._waiting:
            await trio.sleep_forever()

    async def _receive(self, deadline: float) -> bytes | bytearray | None:
        """Return received bytes, b"" when the peer has left, None when it is time to do something else."""
        if self._ending is not None or (self._stopping and self._close_at == math.inf):
            return None  # somebody said so while a ping was being sent
        with trio.CancelScope(deadline=deadline) as self._waiting:
            try:
                return await self._stream.receive_some(_READ_BYTES)
            except trio.BrokenResourceError:
                return b""
        return None

    async def _take(self, message: bytes) -> bool:
        """Push a message; return whether its sender was too fast, and nothing is to be read for a while."""
        self._whole_by = math.inf
        answer = await self._push(message)
        seconds = self._sender.rest_after(len(message))
        if seconds:
            self.rest(seconds)
        # After our Close nothing may follow: what is pushed then stays unacknowledged.
        if answer is not None and not self._said_close:
            await self._send(text_frame(answer))
        return seconds > 0 and self._rests(trio.current_time())

    async def _answer(self, event: Pinged | Closed | Broken) -> bool:
        """Do what is due for what is no message; return whether the socket is closed by it."""
        if isinstance(event, Pinged):
            if not self._said_close:
                await self._send(pong_frame(event.payload))
            return False
        if isinstance(event, Broken):
            limit = self._body_limit
            too_big = f"message larger than {limit.bytes} bytes ({limit.named})"
            raise PeerError(event.code, too_big if event.code == _TOO_BIG else event.reason)
        await self._say_close(event.code, event.reason)
        return True

    async def _close(self, error: PeerError, server: Server) -> None:
        """Say why, and let the peer read it."""
        try:
            await self._say_close(error.code, error.reason)
        except Disconnected:
            return
        await linger(self._stream, seconds=server.linger_seconds, max_bytes=server.linger_bytes)

    async def _say_close(self, code: int, reason: str) -> None:
        """Close our side, unless that is done."""
        if not self._said_close:
            self._said_close = True
            await self._send(close_frame(code, reason))

    async def _send(self, data: bytes) -> None:
        await send_in_time(self._stream, data, self._send_seconds)
