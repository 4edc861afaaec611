"""Makes changes one after another, whoever asks for them and whether they still wait for it; and reads, in time.

A change that was written has to be made in memory as well, or told, or a token that was revoked would go on letting in
until the next start. So it belongs to no request, which may be cancelled between the two, but to a task of its own.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import structlog
import trio

from framecast.errors import Refusal
from framecast.store.database import Database

log = structlog.get_logger(__name__)

T = TypeVar("T")
Change = Callable[[], Awaitable[T]]


class ChangeLimits(Protocol):
    """The section of the settings that says for how many changes there is room, and how long one may take."""

    @property
    def waiting_changes(self) -> int:
        """Changes that wait for their turn."""

    @property
    def change_seconds(self) -> float:
        """For one to be written."""


class Clerk:
    """The one who changes something. `run` must outlive whoever asks for a change."""

    def __init__(self, database: Database, limits: ChangeLimits, section: str) -> None:
        """`section` is where the limits are set, and what it is that is changed."""
        self._database = database
        self._limits = limits
        self._section = section
        self._not_saved, self._saved_again = f"{section} not saved", f"{section} saved again"
        self._not_read = f"{section} not read"
        self._failed = False
        self._ordered, self._waiting = trio.open_memory_channel[Change[None]](limits.waiting_changes)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make changes until cancelled."""
        task_status.started()
        async for carry_out in self._waiting:
            await carry_out()

    async def make(self, change: Change[T]) -> T:
        """What `change` returns, made when its turn comes. What it raises goes through.

        Refusal 503 when too many wait already; and when it was not made in time, though it may be made nonetheless.
        """
        errand = _Errand(change)
        try:
            self._ordered.send_nowait(errand.carry_out)
        except trio.WouldBlock:
            raise Refusal(
                503,
                f"too many changes of {self._section} are waiting at once ({self._section}.waiting_changes)",
                temporary=True,
            ) from None
        with self.in_time():
            return await errand.wait()

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """What a change may take, and what is waited for behind it. Refusal 503 when that is over."""
        with trio.move_on_after(self._limits.change_seconds) as patience:
            yield
        if patience.cancelled_caught:
            raise Refusal(
                503,
                f"the change did not take place within {self._limits.change_seconds:g} s ({self._section}."
                "change_seconds), and may nonetheless: look before you try again",
                temporary=True,
            )

    async def write(self, statements: Callable[[sqlite3.Connection], T]) -> T:
        """Within a change: what `statements` return, once they are on the disk.

        Refusal 409 for what contradicts what there is, 507 when the disk is full, 503 when the store fails otherwise:
        then nothing of it was written.
        """
        try:
            result = await self._database.transact(statements)
        except sqlite3.IntegrityError as error:
            raise Refusal(409, f"the change contradicts what there is: {error}") from None
        except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: the system gave no thread
            if not self._failed:
                log.warning(self._not_saved, error=str(error))
            self._failed = True
            raise _refusal_of(error) from None
        if self._failed:
            log.info(self._saved_again)
        self._failed = False
        return result

    async def look(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns, which changes nothing. Refusal 503 when the store cannot be read in time."""
        with trio.move_on_after(self._limits.change_seconds):
            try:
                return await self._database.look(query)
            except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: the system gave no thread
                log.warning(self._not_read, error=str(error))
                raise Refusal(503, f"the {self._section} cannot be read: {error}", temporary=True) from None
        raise Refusal(
            503,
            f"the store did not answer within {self._limits.change_seconds:g} s ({self._section}.change_seconds)",
            temporary=True,
        )


class _Errand(Generic[T]):
    """One change, and what became of it."""

    def __init__(self, change: Change[T]) -> None:
        self._change = change
        self._done = trio.Event()
        self._made: list[T] = []
        self._error: Exception | None = None

    async def carry_out(self) -> None:
        """Make it. Whatever goes wrong is told to who waits for it, and to nobody else."""
        try:
            self._made.append(await self._change())
        except Exception as error:  # noqa: BLE001 - the boundary of one change; it is raised again in `wait`
            self._error = error
        self._done.set()

    async def wait(self) -> T:
        """What came of it."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._made[0]


def _refusal_of(error: Exception) -> Refusal:
    # Extended codes carry the plain one in their lowest byte.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return Refusal(
            507, "Insufficient Storage: the disk of the server's data is full, nothing was saved", temporary=True
        )
    return Refusal(503, f"nothing was saved: {error}", temporary=True)
