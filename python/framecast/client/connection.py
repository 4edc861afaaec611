"""One subscriber's connection: the one place where its transport, its session and the rooms meet.

Four tasks share a connection: one always reads, one acts on what was read, one minds the time, one waits for the
server's end. Whoever finds a reason to end notes it and cancels the others; the goodbye is said once, at the end.
Everything goes out through the outbox, because only there order is kept with the publications of the core.
"""

import random
import uuid
from dataclasses import dataclass

import structlog
import trio

from framecast.client import metrics
from framecast.client.actions import Connect, Refresh, RefreshSubscription, Subscribe
from framecast.client.commands import Commands
from framecast.client.inbox import Inbox
from framecast.client.member import Member
from framecast.client.newcomer import Newcomer
from framecast.client.rooms import Rooms
from framecast.client.session import Session, State
from framecast.client.subscribing import Subscribing
from framecast.client.transport import PeerLeft, Transport
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Command, Ping, Pong, Push, Reply

log = structlog.get_logger(__name__)

NORMAL = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended. Without a code the peer is gone and nothing is said to it."""

    code: int | None
    reason: str
    label: str


PEER_LEFT = Ending(None, "the client left", "peer")
CUT = Ending(None, CloseCode.SLOW.reason, str(CloseCode.SLOW.code))
STALLED = Ending(None, CloseCode.WRITE_ERROR.reason, str(CloseCode.WRITE_ERROR.code))
MESSAGE_TOO_BIG = Ending(None, "message too big", "1009")
REFUSED = Ending(NORMAL, "connect refused", str(NORMAL))


def _ending(close: CloseCode) -> Ending:
    return Ending(close.code, close.reason, str(close.code))


async def serve_subscriber(newcomer: Newcomer, rooms: Rooms) -> None:
    """Serve one client until it ends, for whatever reason; then the core has left all its channels.

    Raises nothing of its own: what goes wrong inside ends this connection only. The caller owns the stream beneath
    and closes it afterwards. When cancelled there is no goodbye; to have one, set `rooms.stopping` first.
    """
    client = str(uuid.uuid4())
    outbox = newcomer.outbox
    session = Session(client, settings=rooms.settings, publishable=newcomer.codec.publishable)
    connection = _Connection(Member(session=session, rooms=rooms, newcomer=newcomer))
    label = "cancelled"
    log.debug("subscriber_opened", client=client, connection=outbox.connection)
    with metrics.CONNECTIONS.track_inprogress():
        try:
            try:
                ending = await connection.run()
            finally:
                rooms.hub.leave(outbox.connection)
            label = ending.label
            if ending.code is not None:
                await _close(newcomer.transport, ending.code, ending.reason, seconds=rooms.settings.close_seconds)
        finally:
            metrics.CLOSES.labels(label).inc()
            log.debug("subscriber_closed", client=client, connection=outbox.connection, code=label)


async def refuse(transport: Transport, code: int, reason: str, *, seconds: float) -> None:
    """Turn away a client that will not be served, such as one past the connection limit (3504)."""
    metrics.CLOSES.labels(str(code)).inc()
    await _close(transport, code, reason, seconds=seconds)


async def _close(transport: Transport, code: int, reason: str, *, seconds: float) -> None:
    # Shielded, so that a cancellation meanwhile does not cut the close frame off, but never for longer than the scopes
    # around allow: a server that goes down has a deadline of its own.
    until = min(trio.current_time() + seconds, trio.current_effective_deadline())
    with trio.move_on_at(until, shield=True):
        await transport.close(code, reason)


class _Connection:
    """The four tasks and what they share. Owned by `serve_subscriber`."""

    def __init__(self, member: Member) -> None:
        rooms, newcomer = member.rooms, member.newcomer
        self._transport = newcomer.transport
        self._outbox = newcomer.outbox
        self._codec = newcomer.codec
        self._stopping = rooms.stopping
        self._settings = rooms.settings
        self._session = member.session
        self._pace = member.pace
        self._only_listens = newcomer.listens_to is not None
        self._held = rooms.waiting.hold()
        self._inbox = Inbox(rooms.settings.message_bytes, self._held)
        self._connect_came = trio.Event()
        self._connect_answered = trio.Event()
        self._rescheduled = trio.Event()
        self._ending: Ending | None = None
        self._scope = trio.CancelScope()
        self._log = log.bind(client=member.session.client, connection=member.connection)
        member.send = self._send
        member.end = newcomer.place.end = self._close
        self._subscribing = Subscribing(member)
        self._commands = Commands(member, self._subscribing)
        rooms.hub.watch(member.connection, self._subscribing.ended)

    async def run(self) -> Ending:
        """Run until there is a reason to end, and return it."""
        try:
            with self._held, self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._act)
                    nursery.start_soon(self._mind_time)
                    nursery.start_soon(self._await_shutdown)
        except* Exception:  # noqa: BLE001 - see below
            # The supervision boundary of one connection: a bug in here must not reach its neighbours.
            self._log.exception("subscriber_failed")
            self._end(_ending(CloseCode.INTERNAL))
        return self._ending or PEER_LEFT

    def _end(self, ending: Ending) -> None:
        """Note why it ends, unless that is known already, and stop all tasks."""
        self._ending = self._ending or ending
        self._scope.cancel()

    def _close(self, close: CloseCode) -> None:
        self._end(_ending(close))

    def _lost(self) -> Ending:
        """Why nothing goes in or out any more."""
        if self._outbox.stalled:
            return STALLED
        return CUT if self._outbox.overflowed else PEER_LEFT

    async def _await_shutdown(self) -> None:
        await self._stopping.wait()
        self._end(_ending(CloseCode.SHUTDOWN))

    async def _read(self) -> None:
        """Always be reading: behind an unread message trio-websocket sees neither pings nor the end."""
        try:
            while True:
                await self._inbox.put(await self._transport.receive())
        except PeerLeft as left:
            self._ending = self._ending or (MESSAGE_TOO_BIG if left.too_big else self._lost())
        except Refusal:
            # SDKs come again after it, when there may be room.
            self._end(_ending(CloseCode.TOO_MANY_REQUESTS))
        # What was said before leaving still counts: many a script publishes and goes.
        self._scope.deadline = trio.current_time() + self._settings.close_seconds
        self._inbox.close()

    async def _act(self) -> None:
        """Carry out the commands, one after another, in the order they came."""
        try:
            while (frame := await self._inbox.get()) is not None:
                for item in self._codec.decode(frame):
                    pause = 0.0
                    if isinstance(item, Command):
                        metrics.COMMANDS.labels(item.method).inc()
                        pause = self._pace.take(trio.current_time())
                    # A message may hold thousands of commands that never wait.
                    await trio.sleep(pause)
                    await self._hear(item)
        except PeerError as broken:
            self._end(Ending(broken.code, broken.reason, str(broken.code)))
        else:
            self._end(PEER_LEFT)

    async def _hear(self, item: Command | Pong | PeerError) -> None:
        action = self._session.receive(item)
        if isinstance(action, Connect):
            self._connect_came.set()
        if action is not None:
            await self._commands.carry_out(action)
        if isinstance(action, Subscribe | Refresh | RefreshSubscription):
            # It may have brought a token that runs out.
            self._rescheduled.set()
        if isinstance(action, Connect):
            self._connect_answered.set()  # if not by its reply, then by a refusal

    def _send(self, message: Reply | Push | Ping) -> None:
        if isinstance(message, Reply) and message.connect is not None:
            # Pings begin now, whatever still has to be pushed to the newcomer.
            self._connect_answered.set()
        try:
            self._outbox.send_message(self._codec.encode(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # A client that left gets no replies, and need not: see _read.
            if self._ending is None:
                self._end(self._lost())

    async def _mind_time(self) -> None:
        """Wait for `connect`, then ping for ever."""
        with trio.move_on_after(self._settings.connect_seconds) as waiting:
            await self._connect_came.wait()
        if waiting.cancelled_caught:
            self._end(_ending(CloseCode.STALE))
            return
        # How long that takes is our business: see Commands.carry_out.
        await self._connect_answered.wait()
        if self._session.state is State.REFUSED:
            # SDKs leave by themselves as soon as they are refused.
            await trio.sleep(self._settings.close_seconds)
            self._end(REFUSED)
        else:
            try:
                await self._keep_time()
            except PeerError as expired:
                self._end(Ending(expired.code, expired.reason, str(expired.code)))

    async def _keep_time(self) -> None:
        """Ping for ever, and end what runs out. PeerError when the client itself does."""
        interval = self._settings.ping_seconds
        # Spread out, so that clients who all came back at once are not all pinged at once.
        next_ping = trio.current_time() + random.uniform(interval / 2, interval)  # noqa: S311 - no secret
        while True:
            await self._sleep_until(min(next_ping, self._session.expiry_deadline))
            now = trio.current_time()
            if self._is_silent(now):
                self._log.debug("pong_missed", silent_seconds=round(now - self._outbox.last_received, 3))
                self._end(_ending(CloseCode.NO_PONG))
                return
            self._subscribing.expire(now)
            if now >= next_ping:
                if not self._only_listens:
                    self._session.pinged(now)
                self._send(Ping())
                next_ping += interval

    def _is_silent(self, now: float) -> bool:
        # What came is looked at before anybody is called silent: a pong may stand in it.
        return now >= self._session.pong_deadline and not self._inbox.busy

    async def _sleep_until(self, deadline: float) -> None:
        """Sleep until then, or until a pong is due, or until a command may have changed either."""
        if not self._inbox.busy:
            deadline = min(deadline, self._session.pong_deadline)
        self._rescheduled = trio.Event()
        with trio.move_on_at(deadline):
            await self._rescheduled.wait()
