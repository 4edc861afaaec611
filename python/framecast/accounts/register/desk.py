"""What every kind of change works with."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from framecast.accounts.directory.directory import Directory
from framecast.accounts.register.last_admin import LastAdmin
from framecast.accounts.revocation import Announce, Revocation
from framecast.settings import Accounts
from framecast.store.clerk import Change, Clerk

T = TypeVar("T")


def _tell_nobody(revocation: Revocation) -> None:
    del revocation


@dataclass(slots=True)
class Desk:
    """Shared by the parts of one register."""

    directory: Directory
    clerk: Clerk
    limits: Accounts
    announce: Announce = _tell_nobody
    """Ends connections; whoever serves some puts it here."""
    last_admin: LastAdmin = field(init=False)
    """To be asked by every change that takes rights away."""

    def __post_init__(self) -> None:
        self.last_admin = LastAdmin(self.directory, self.limits)

    async def make(self, change: Change[T]) -> T:
        """See `Clerk.make`."""
        return await self.clerk.make(change)

    async def write(self, statements: Callable[[sqlite3.Connection], T]) -> T:
        """See `Clerk.write`."""
        return await self.clerk.write(statements)

    def now(self) -> float:
        """Unix seconds that never go back."""
        return self.directory.clock()
