"""One client's conversation without tasks or sockets: session and commands, with the hub in memory."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import trio
import trio.testing

from client.world import MemoryHub, MemoryScopes, Wishes, build_rooms, read_line
from framecast.accounts.identity import DEVELOPER
from framecast.client.commands import Commands
from framecast.client.member import Member
from framecast.client.newcomer import Newcomer
from framecast.client.roster import Roster
from framecast.client.session import Session
from framecast.client.subscribing import Subscribing
from framecast.protocol.codes import CloseCode
from framecast.protocol.messages import Ping, Push, Reply
from framecast.settings import Live

SETTINGS = Live(channels_per_client=3)


class EmptyOutbox:
    """Always has room."""

    connection = 1
    last_received = 0.0
    queued_bytes = 0
    waiting_bytes = 0
    overflowed = False
    stalled = False

    def send_message(self, payload: bytes) -> None:
        raise AssertionError("a desk takes messages before they are bytes")


class NoTransport:
    """A desk is handed its frames."""

    async def receive(self) -> bytes:
        raise AssertionError("nobody reads for a desk")

    async def close(self, code: int, reason: str) -> None:
        raise AssertionError("nobody closes a desk")


class Desk:
    """Carries out what a session asks for, one frame at a time."""

    def __init__(
        self,
        settings: Live = SETTINGS,
        wishes: Wishes | None = None,
        *,
        client: str = "c1",
        listens_to: Sequence[str] | None = None,
    ) -> None:
        wishes = wishes or Wishes(settings)
        self.codec = wishes.codec
        self.session = Session(client, settings=wishes.settings, publishable=self.codec.publishable)
        self.hub = MemoryHub({1: self._take}, self.codec)
        self.scopes = MemoryScopes(self.hub)
        self.wire: list[bytes] = []
        """What was said since the last time, message by message."""
        self.closed: CloseCode | None = None
        self.now = 0.0
        """What the clock shows when a frame comes in; a test may set it."""
        self.outbox = EmptyOutbox()
        self._held = ExitStack()
        place = self._held.enter_context(Roster(wishes.settings, trio.Event()).place(""))
        assert place is not None
        newcomer = Newcomer(
            transport=NoTransport(),
            outbox=self.outbox,
            codec=self.codec,
            place=place,
            visitor=DEVELOPER,
            listens_to=listens_to,
        )
        self.member = Member(
            session=self.session,
            rooms=build_rooms(wishes, self.hub, self.scopes, trio.Event()),
            newcomer=newcomer,
            send=self._send,
            end=self._end,
        )
        self.subscribing = Subscribing(self.member)
        self.commands = Commands(self.member, self.subscribing)
        self.hub.watch(1, self.subscribing.ended)

    def _send(self, message: Reply | Push | Ping) -> None:
        self._take(self.codec.encode(message))

    def _take(self, message: bytes) -> None:
        self.wire.append(message)

    def _end(self, close: CloseCode) -> None:
        self.closed = self.closed or close

    def give(self, frame: str | bytes) -> None:
        """One message in. PeerError as the session's."""
        clock = trio.testing.MockClock(autojump_threshold=0)
        clock.jump(self.now)
        trio.run(self._hear, frame, clock=clock)

    async def _hear(self, frame: str | bytes) -> None:
        for item in self.codec.decode(frame):
            action = self.session.receive(item)
            if action is not None:
                await self.commands.carry_out(action)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.session.pinged(self.now)
        self._send(Ping())

    def take(self) -> list[Any]:
        """Everything said since the last time. Of JSON clients only."""
        said, self.wire = self.wire, []
        return [read_line(line) for message in said for line in message.split(b"\n")]

    def hear(self, frame: str | bytes) -> list[Any]:
        """One message in, everything said since out. PeerError as the session's."""
        self.give(frame)
        return self.take()

    def error(self, frame: str) -> tuple[int, bool]:
        """The error that answers `frame`: code and whether it is temporary."""
        [reply] = self.hear(frame)
        assert reply["error"]["message"]
        return reply["error"]["code"], reply["error"].get("temporary", False)
