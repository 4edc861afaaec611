"""The register as a whole: opened over a database, kept going by one task, asked by whoever changes accounts."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from framecast.accounts.directory.directory import Directory, read_directory
from framecast.accounts.register.desk import Desk
from framecast.accounts.register.orgs import Orgs
from framecast.accounts.register.service_tokens import ServiceTokens
from framecast.accounts.register.sessions import Sessions
from framecast.accounts.register.users import Users
from framecast.accounts.revocation import Announce
from framecast.errors import Refusal
from framecast.settings import Accounts
from framecast.store.clerk import Clerk
from framecast.store.database import Database


@dataclass(frozen=True, slots=True)
class Register:
    """All that changes accounts, over one directory."""

    desk: Desk
    orgs: Orgs
    users: Users
    service_tokens: ServiceTokens
    sessions: Sessions

    @property
    def directory(self) -> Directory:
        """Everything that is known of accounts."""
        return self.desk.directory

    def announce_to(self, announce: Announce) -> None:
        """Have the connections of what is revoked ended by `announce`."""
        self.desk.announce = announce

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make changes, and end what is over by itself, until cancelled. Must outlive whoever asks for a change."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.desk.clerk.run)
            nursery.start_soon(self._end_what_is_over)
            nursery.start_soon(self._save_seen)
            task_status.started()

    async def _end_what_is_over(self) -> None:
        while True:
            for end in (self.service_tokens.expire, self.sessions.end_idle):
                with suppress(Refusal):  # what could not be written is written later, and lets nobody in meanwhile
                    await end()
            await trio.sleep(self.desk.limits.check_seconds)

    async def _save_seen(self) -> None:
        while True:
            await trio.sleep(self.desk.limits.session_seen_seconds)
            with suppress(Refusal):  # then a session may seem idle for longer than it is, after a restart
                await self.sessions.save_seen()


async def open_register(database: Database, limits: Accounts, clock: Callable[[], float]) -> Register:
    """The register over what the database holds. ConfigurationError when that cannot be read."""
    directory = await database.read(lambda connection: read_directory(connection, limits, clock))
    desk = Desk(directory, Clerk(database, limits, "accounts"), limits)
    return Register(desk, Orgs(desk), Users(desk), ServiceTokens(desk), Sessions(desk))
