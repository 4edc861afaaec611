"""One subscriber's connection: the one place where its transport, its session and the rooms meet.

An idle connection is one task, which reads. While what it does about that waits for something, a second one reads on.
Its times are kept by the schedule of all connections, and of the server's end it hears from the roster. Whoever finds a
reason to end notes it and cancels the task; the goodbye is said once, at the end. Everything goes out through the
outbox, because only there order is kept with the publications of the core.
"""

from dataclasses import dataclass
from functools import partial
from math import inf

import structlog
import trio

from framecast.client import metrics
from framecast.client.actions import Connect, Refresh, RefreshSubscription, Subscribe
from framecast.client.commands import Commands
from framecast.client.inbox import Inbox
from framecast.client.member import Member
from framecast.client.names import new_name
from framecast.client.newcomer import Newcomer
from framecast.client.noticing import Beside, Noticing
from framecast.client.rooms import Rooms
from framecast.client.session import Session
from framecast.client.subscribing import Subscribing
from framecast.client.timekeeping import Due, Timekeeping
from framecast.client.transport import Transport
from framecast.errors import PeerError, PeerLeft, Refusal
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Command, Ping, Pong, Push, Reply

log = structlog.get_logger(__name__)

NORMAL = 1000

MAY_RUN_OUT = (Connect, Subscribe, Refresh, RefreshSubscription)
"""What may bring a token that runs out."""

COMMANDS_PER_TURN = 8
"""Carried out before the others get a turn, where none of them waits: less than a millisecond."""


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


ENDINGS = {
    Due.STALE: _ending(CloseCode.STALE),
    Due.REFUSED: REFUSED,
    Due.NO_PONG: _ending(CloseCode.NO_PONG),
}


async def serve_subscriber(newcomer: Newcomer, rooms: Rooms) -> None:
    """Serve one client until it ends, for whatever reason; then the core has left all its channels.

    Raises nothing of its own: what goes wrong inside ends this connection only. The caller owns the stream beneath
    and closes it afterwards. When cancelled there is no goodbye; to have one, set `rooms.stopping` first.
    """
    client = new_name()
    outbox = newcomer.outbox
    session = Session(client, settings=rooms.settings, publishable=newcomer.codec.publishable)
    connection = _Connection(Member(session=session, rooms=rooms, newcomer=newcomer))
    label = "cancelled"
    log.debug("subscriber_opened", client=client, connection=outbox.connection)
    metrics.CONNECTIONS.inc()
    try:
        try:
            ending = await connection.run()
        finally:
            rooms.hub.leave(outbox.connection)
        label = ending.label
        if ending.code is not None:
            await _close(newcomer.transport, ending.code, ending.reason, seconds=rooms.settings.close_seconds)
    finally:
        metrics.CONNECTIONS.dec()
        metrics.CLOSES.add(1, label)
        log.debug("subscriber_closed", client=client, connection=outbox.connection, code=label)


async def refuse(transport: Transport, code: int, reason: str, *, seconds: float) -> None:
    """Turn away a client that will not be served, such as one past the connection limit (3504)."""
    metrics.CLOSES.add(1, str(code))
    await _close(transport, code, reason, seconds=seconds)


async def _close(transport: Transport, code: int, reason: str, *, seconds: float) -> None:
    # Shielded, so that a cancellation meanwhile does not cut the close frame off, but never for longer than the scopes
    # around allow: a server that goes down has a deadline of its own.
    until = min(trio.current_time() + seconds, trio.current_effective_deadline())
    with trio.move_on_at(until, shield=True):
        await transport.close(code, reason)


class _Connection:
    """One client's task and what it works with. Owned by `serve_subscriber`."""

    __slots__ = (
        "_appointment",
        "_codec",
        "_commands",
        "_ending",
        "_heard",
        "_inbox",
        "_left",
        "_nursery",
        "_outbox",
        "_over",
        "_pace",
        "_reading_on",
        "_rooms",
        "_session",
        "_subscribing",
        "_time",
        "_transport",
    )

    def __init__(self, member: Member) -> None:
        rooms, newcomer = member.rooms, member.newcomer
        self._transport = newcomer.transport
        self._outbox = newcomer.outbox
        self._codec = newcomer.codec
        self._rooms = rooms
        self._session = member.session
        self._pace = member.pace
        self._heard = 0
        """Commands, and what else was said."""
        self._inbox: Inbox | None = None
        self._reading_on: Beside | None = None
        """Both are there while something that came is acted upon, since that has waited for something."""
        self._left = False
        """Whether nothing more will come."""
        self._over = False
        """Whether nothing more is acted upon."""
        self._ending: Ending | None = None
        self._nursery: trio.Nursery  # there from `run` on, which is called before anybody can end the connection
        self._time = Timekeeping(
            member.session, rooms.settings, now=trio.current_time(), answers=newcomer.listens_to is None
        )
        self._appointment = rooms.schedule.make(self._keep_time)
        member.send = self._send
        member.end = newcomer.place.end = self._close
        self._subscribing = Subscribing(member)
        self._commands = Commands(member, self._subscribing)
        rooms.hub.watch(member.connection, self._subscribing.ended)

    async def run(self) -> Ending:
        """Run until there is a reason to end, and return it."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self._rooms.stopping.is_set():
                    # Those who were here then are ended by the roster.
                    self._close(CloseCode.SHUTDOWN)
                self._reschedule()
                # Read, act on what came while reading on, and so forth until the client has left.
                while (frame := await self._read()) is not None and not self._over:
                    if not self._hear_pong(frame):
                        await self._act_on(frame)
                    del frame  # or an idle client would keep the last thing that it said
        except* Exception:  # noqa: BLE001 - see below
            # The supervision boundary of one connection: a bug in here must not reach its neighbours.
            self._fail()
        finally:
            self._rooms.schedule.cancel(self._appointment)
            self._let_go_of_inbox()
            # They know the way back here. Without it nothing of a connection that ended waits for the collector.
            del self._commands, self._subscribing
        return self._ending or PEER_LEFT

    def _fail(self) -> None:
        log.exception("subscriber_failed", client=self._session.client, connection=self._outbox.connection)
        self._close(CloseCode.INTERNAL)

    def _end(self, ending: Ending) -> None:
        """Note why it ends, unless that is known already, and stop."""
        self._ending = self._ending or ending
        self._over = True
        self._nursery.cancel_scope.cancel()

    def _close(self, close: CloseCode) -> None:
        self._end(_ending(close))

    def _break(self, error: PeerError) -> None:
        self._end(Ending(error.code, error.reason, str(error.code)))

    def _lost(self) -> Ending:
        """Why nothing goes in or out any more."""
        if self._outbox.stalled:
            return STALLED
        return CUT if self._outbox.overflowed else PEER_LEFT

    async def _read(self) -> bytes | None:
        """What comes next; None when nothing more will come. Cancelled, it has taken nothing."""
        if not self._left:
            try:
                return await self._transport.receive()
            except PeerLeft as left:
                self._left = True
                self._ending = self._ending or (MESSAGE_TOO_BIG if left.too_big else self._lost())
                if self._inbox is not None:
                    # What was said before leaving still counts: many a script publishes and goes.
                    self._nursery.cancel_scope.deadline = trio.current_time() + self._rooms.settings.close_seconds
        return None

    def _hear_pong(self, frame: bytes) -> bool:
        """Whether that was a pong and no more, as most of what idle clients say: it is heard without a task."""
        if frame != self._codec.PONG:
            return False
        try:
            self._session.receive(Pong())
        except PeerError as broken:
            self._break(broken)
        return True

    async def _act_on(self, frame: bytes) -> None:
        """Carry out what came, and what comes while that waits for something: then another task reads on.

        Somebody must be reading then: behind an unread message neither pings nor the end of the connection are seen.
        The nursery is the connection's: one for every message would be a tenth of what a newcomer costs.
        """
        rest: bytes | None = frame
        while rest is not None and not self._over:
            await Noticing(self._act(rest), self._wait)
            if self._reading_on is None or self._inbox is None:
                break
            await self._reading_on.end()
            # Something may have come in the moment in which all else was done.
            rest = self._inbox.take()
        self._let_go_of_inbox()
        self._reschedule()

    @property
    def _busy(self) -> bool:
        """Whether something that came is acted upon, for who may look: others get a turn only once that waits."""
        return self._inbox is not None

    def _wait(self) -> None:
        """What is acted upon begins to wait for something."""
        if self._inbox is None:
            self._inbox = Inbox(self._rooms.settings.message_bytes, self._rooms.waiting.hold())
        self._reading_on = Beside(self._nursery, partial(self._read_on, self._inbox))
        self._reading_on.begin()
        self._reschedule()

    def _let_go_of_inbox(self) -> None:
        """Nobody reads on any more."""
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = self._reading_on = None

    async def _read_on(self, inbox: Inbox) -> None:
        await inbox.wait_room()
        while (frame := await self._read()) is not None:
            self._keep(inbox, frame)
            await inbox.wait_room()

    def _keep(self, inbox: Inbox, frame: bytes) -> None:
        try:
            inbox.put(frame)
        except Refusal:
            # SDKs come again after it, when there may be room.
            self._close(CloseCode.TOO_MANY_REQUESTS)

    async def _act(self, message: bytes) -> None:
        """Carry out the commands, one after another, in the order they came, until there are no more."""
        frame: bytes | None = message
        try:
            while frame is not None:
                for item in self._codec.decode(frame):
                    pause = 0.0
                    if isinstance(item, Command):
                        metrics.COMMANDS.add(1, item.method)
                        pause = self._pace.take_command(trio.current_time())
                    self._heard += 1
                    # Thousands of commands that never wait may come at once, in a message or in many that were read in
                    # one go. Who has been ended is heard no more.
                    if pause or self._heard % COMMANDS_PER_TURN == 0 or self._over:
                        await trio.sleep(pause)
                    await self._hear(item)
                frame = None if self._inbox is None else self._inbox.take()
        except PeerError as broken:
            self._break(broken)

    async def _hear(self, item: Command | Pong | PeerError) -> None:
        action = self._session.receive(item)
        if action is None:
            return
        if isinstance(action, Connect):
            self._time.connect_came()
        await self._commands.carry_out(action)
        if isinstance(action, Connect):
            self._time.connect_answered(trio.current_time())  # if not by its reply, then by a refusal
        if isinstance(action, MAY_RUN_OUT):
            self._reschedule_beside()

    def _send(self, message: Reply | Push | Ping) -> None:
        if isinstance(message, Reply) and message.connect is not None:
            # Pings begin now, whatever still has to be pushed to the newcomer.
            self._time.connect_answered(trio.current_time())
            self._reschedule_beside()
        try:
            self._outbox.send_message(self._codec.encode(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # A client that left gets no replies, and need not: see _read.
            if self._ending is None:
                self._end(self._lost())

    def _reschedule_beside(self) -> None:
        """`_reschedule` while something is acted upon. Until that waits it need not be: the end of it does so."""
        if self._busy:
            self._reschedule()

    def _reschedule(self) -> None:
        self._rooms.schedule.move(self._appointment, self._time.next_look(busy=self._busy))

    def _keep_time(self, now: float) -> float:
        """Do what is due, and return when to look next. Called by the schedule, among other connections' times."""
        try:
            self._look(now)
        except PeerError as expired:
            self._break(expired)
        except Exception:  # noqa: BLE001 - the boundary of one connection, as in `run`
            self._fail()
        return inf if self._over else self._time.next_look(busy=self._busy)

    def _look(self, now: float) -> None:
        """Ping, and end what runs out. PeerError when the client itself does."""
        due = self._time.look(now, busy=self._busy)
        if due is Due.NO_PONG:
            silent_seconds = round(now - self._outbox.last_received, 3)
            log.debug("pong_missed", connection=self._outbox.connection, silent_seconds=silent_seconds)
        if due in ENDINGS:
            self._end(ENDINGS[due])
            return
        self._subscribing.expire(now)
        if due is Due.PING:
            self._send(Ping())
