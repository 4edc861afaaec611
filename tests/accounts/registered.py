"""A register over a database of its own, and clocks that a test sets."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import trio

from framecast.accounts.clock import ForwardClock
from framecast.accounts.register.register import Register, open_register
from framecast.accounts.revocation import Revocation
from framecast.settings import Accounts, Store
from framecast.store.database import Database, open_database
from framecast.store.migrations import migrate

T = TypeVar("T")


@dataclass
class Clocks:
    """A machine's two clocks: `wall` can be set, `steady` only goes on."""

    wall: float = 1_700_000_000.0
    steady: float = 50.0

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def started(self) -> ForwardClock:
        """The clock of a process that starts now."""
        return ForwardClock(lambda: self.wall, lambda: self.steady)


@dataclass
class Office:
    register: Register
    database: Database
    revoked: list[Revocation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.register.announce_to(self.revoked.append)


@asynccontextmanager
async def registered(
    folder: Path, clocks: Clocks | None = None, limits: Accounts | None = None
) -> AsyncIterator[Office]:
    """A register that makes changes, and ends nothing by itself."""
    async with open_database(folder, Store()) as database:
        register = await open_register(database, limits or Accounts(), (clocks or Clocks()).started())
        async with trio.open_nursery() as nursery:
            await nursery.start(register.desk.clerk.run)
            yield Office(register, database)
            nursery.cancel_scope.cancel()


class PromptDatabase(Database):
    """A database without a thread, so that a clock that jumps does not jump over its work. May be out of order."""

    def __init__(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
        super().__init__(connection, Path("memory"))
        self.error: Exception | None = None
        self.go_on = trio.Event()
        """What is asked of it is done no sooner."""
        self.go_on.set()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        await self.go_on.wait()
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return work(self._connection)
