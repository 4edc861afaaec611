"""Channels that live while somebody is subscribed, without a server: who is there, and what fills them."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from framecast.channels.address import Address
from framecast.channels.hub import Followed
from framecast.channels.lifetime import Lifetimes
from framecast.channels.outsiders import Outsiders, Run
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import Sources
from patience import PATIENCE_SECONDS


def channel(path: str) -> Address:
    return Address(1, "plugin", "p", path)


class Board:
    """Who is subscribed, as the hub tells it."""

    def __init__(self) -> None:
        self.counts: Counter[Address] = Counter()
        self.ended: list[tuple[Address, UnsubscribeCode]] = []
        self.any_ended = trio.Event()
        self.forgotten: list[Address] = []
        self._followers: list[Followed] = []

    def follow(self, followed: Followed) -> None:
        self._followers.append(followed)

    def join(self, address: Address) -> None:
        self.counts[address] += 1
        if self.counts[address] == 1:
            self._tell(address)

    def leave(self, address: Address) -> None:
        self.counts[address] -= 1
        if not self.counts[address]:
            self._tell(address)

    def end(self, address: Address, code: UnsubscribeCode) -> None:
        self.ended.append((address, code))
        self.any_ended.set()
        if self.counts.pop(address, 0):
            self._tell(address)

    def forget(self, address: Address) -> None:
        self.forgotten.append(address)
        self.end(address, UnsubscribeCode.INSUFFICIENT_STATE)

    def _tell(self, address: Address) -> None:
        for followed in self._followers:
            followed(address, bool(self.counts[address]))


async def forever(run: Run) -> None:
    await trio.sleep_forever()


@dataclass
class Scripted:
    """A source that does what it is told, and remembers when it was run."""

    work: Callable[[Run], Awaitable[object]] = forever
    identity: Hashable = None
    began: list[float] = field(default_factory=list)
    """Seconds since the source was made."""
    running: int = 0
    most_running: int = 0
    made: float = field(default_factory=trio.current_time)

    async def run(self, run: Run) -> None:
        self.began.append(round(trio.current_time() - self.made, 6))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await self.work(run)
        finally:
            self.running -= 1


class Place:
    """Lifetimes over a board."""

    def __init__(self, limits: Sources) -> None:
        self.board = Board()
        self.outsiders = Outsiders()
        self.lifetimes = Lifetimes(self.board, self.outsiders, limits)
        self.abandoned = 0

    def abandon(self) -> None:
        """What stands for the end of the process: Trio waits for the rest, which tests let end."""
        self.abandoned += 1

    def subscribe(self, address: Address, source: Scripted) -> None:
        self.lifetimes.claim(address, source)
        self.board.join(address)


@asynccontextmanager
async def place(limits: Sources | None = None) -> AsyncIterator[Place]:
    limits = limits or Sources()
    here = Place(limits)
    with trio.fail_after(PATIENCE_SECONDS * 100):
        async with here.outsiders.open(limits.stop_seconds, here.abandon), trio.open_nursery() as nursery:
            await nursery.start(here.lifetimes.run)
            yield here
            nursery.cancel_scope.cancel()
