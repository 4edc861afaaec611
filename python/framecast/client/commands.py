"""Carries out what a client asks for: where the session's word becomes a deed in the other rooms.

One command is finished before the next begins. Whatever comes of it, it is answered: a failure in here costs one
command and no connection.
"""

from collections.abc import Callable

import structlog
import trio

from framecast.accounts.identity import Identity
from framecast.channels.beginning import Begin
from framecast.client import metrics
from framecast.client.actions import Action, Connect, Publish, Refuse, Subscribe, Unsubscribe
from framecast.client.rooms import Outbox, Rooms
from framecast.client.session import Session
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import ErrorCode

log = structlog.get_logger(__name__)

ROOM_POLL_SECONDS = 0.02
ROOM_POLL_MOST_SECONDS = 0.25
"""Between looks for room in the queue: at first, and when it lasts. Many slow readers at once must cost little."""


class Commands:
    """The deeds of one connection. `send` queues a reply."""

    def __init__(
        self, session: Session, outbox: Outbox, subscriber: Identity, rooms: Rooms, send: Callable[[bytes], None]
    ) -> None:
        self._session = session
        self._outbox = outbox
        self._subscriber = subscriber
        self._rooms = rooms
        self._settings = rooms.settings
        self._send = send
        self._log = log.bind(client=session.client, connection=outbox.connection)

    async def carry_out(self, action: Action) -> None:
        """Do what a command asks for and answer it, whatever comes of it."""
        try:
            with trio.fail_after(self._settings.command_seconds):
                await self._perform(action)
        except PeerError:
            raise
        except Refusal as refusal:
            self._refuse(action, refusal)
        except trio.TooSlowError:
            self._log.warning("command_timed_out", command=type(action).__name__)
            self._refuse(action, ErrorCode.INTERNAL.refusal())
        except Exception:  # noqa: BLE001 - one command's failure is answered, logged and costs no connection
            self._log.exception("command_failed", command=type(action).__name__)
            self._refuse(action, ErrorCode.INTERNAL.refusal())

    async def _perform(self, action: Action) -> None:
        match action:
            case Connect():
                self._rooms.admit(self._subscriber)
                self._send(self._session.connected(action))
            case Subscribe():
                await self._subscribe(action)
            case Unsubscribe():
                if action.address is not None:
                    self._rooms.hub.unsubscribe(self._outbox.connection, action.address)
                self._send(self._session.unsubscribed(action))
            case Publish():
                scope = self._rooms.scopes.find(action.address)
                await scope.publish(self._subscriber, action.address, action.data)
                self._send(self._session.published(action))
            case Refuse():
                # Raised from here, it would hold this frame and the frame it, until the collector comes by.
                self._refuse(action, action.refusal)

    async def _subscribe(self, action: Subscribe) -> None:
        scope = self._rooms.scopes.find(action.address)
        await self._await_room()
        begin = await scope.subscribe(self._subscriber, action.address, action.data)
        try:
            self._begin(action, begin)
        except Refusal:
            # The scope may have begun the channel for this client, which may name ever new ones.
            self._rooms.hub.unsubscribe(self._outbox.connection, action.address)
            raise

    def _begin(self, action: Subscribe, begin: Begin) -> None:
        # One step, without a checkpoint: no publication falls between the beginning and the subscription, and none
        # overtakes the reply. The hub comes before the reply because it may refuse.
        beginning = begin(action.returning)
        if action.returning is not None:
            metrics.RECOVERIES.labels("recovered" if beginning.recovered else "unrecovered").inc()
        if action.all_or_nothing and not beginning.recovered:
            raise ErrorCode.UNRECOVERABLE_POSITION.refusal()
        self._rooms.hub.subscribe(self._outbox.connection, action.address, action.channel)
        self._send(self._session.subscribed(action, beginning))

    async def _await_room(self) -> None:
        """Wait until a channel's past fits the queue; Refusal 111 when the client reads too slowly for that.

        A dashboard subscribes to many channels at once: their pasts together may be more than the queue holds, and
        would cut a client that reads well. The queue is polled: only the writer thread knows when it empties, and an
        event for it would be paid for by every connection that never waits here.
        """
        patience = trio.current_time() + self._settings.room_seconds
        pause = ROOM_POLL_SECONDS
        while self._outbox.queued_bytes > self._settings.queue_bytes // 4:
            left = patience - trio.current_time()
            if left <= 0:
                raise ErrorCode.TOO_MANY_REQUESTS.refusal("too many requests: the client reads too slowly")
            await trio.sleep(min(pause, left))
            pause = min(2 * pause, ROOM_POLL_MOST_SECONDS)

    def _refuse(self, action: Action, refusal: Refusal) -> None:
        metrics.ERROR_REPLIES.labels(str(refusal.code)).inc()
        self._send(self._session.refused(action, refusal))
