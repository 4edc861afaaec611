"""The database of what must last: opened, checked and brought up to date; worked on by one thread at a time.

Nothing of SQLite runs on the Trio thread. Whoever wants something read or written hands over a function.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from framecast.errors import ConfigurationError
from framecast.settings import Store
from framecast.store.migrations import NewerDatabaseError, migrate

log = structlog.get_logger(__name__)

DATABASE_NAME = "framecast.db"
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

T = TypeVar("T")


class Database:
    """One connection. A call that is cancelled may still take place; the next one waits until it is over."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file
        self._thread = trio.CapacityLimiter(1)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns. ConfigurationError when the file cannot be read: to be called at the start."""
        try:
            return await self._run(query)
        except sqlite3.Error as error:
            raise _complaint(self._file, error) from None

    async def look(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns, read while the server serves. sqlite3.Error goes through."""
        return await self._run(query)

    async def write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Run `change` as one transaction. sqlite3.Error when it could not be written; then nothing of it was.

        A loss of power may cost it: for what can be done again.
        """
        await self._run(partial(_in_transaction, change))

    async def transact(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """What `change` returns, run as one transaction that lasts from then on, whatever happens to the machine.

        For what somebody is told to be done. What `change` raises goes through, and then nothing of it was written;
        sqlite3.Error, also when it could not be written.
        """
        return await self._run(partial(_in_lasting_transaction, change))

    async def aclose(self, seconds: float) -> None:
        """Close the file; after so many seconds that is left to the end of the process."""
        with trio.move_on_after(seconds, shield=True) as patience:
            await self._run(sqlite3.Connection.close)
        if patience.cancelled_caught:
            log.warning("the database is still busy", file=str(self._file))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await trio.to_thread.run_sync(work, self._connection, abandon_on_cancel=True, limiter=self._thread)


@asynccontextmanager
async def open_database(directory: Path, limits: Store) -> AsyncIterator[Database]:
    """Open the directory's database, made and brought up to date if need be, and close it behind the block.

    ConfigurationError when it is damaged, of a later release, or cannot be opened or written.
    """
    file = directory / DATABASE_NAME
    database = Database(await trio.to_thread.run_sync(_open, file, limits.lock_seconds), file)
    try:
        yield database
    finally:
        await database.aclose(limits.flush_seconds)


def _open(file: Path, lock_seconds: float) -> sqlite3.Connection:
    # For its owner alone: it holds hashes of passwords. SQLite gives the files beside it the same mode, and where this
    # fails it says why.
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        connection = sqlite3.connect(file, timeout=lock_seconds, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _complaint(file, error) from None
    try:
        # A server that is killed loses nothing of what was committed; a machine that loses its power may lose the end.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        _check_whole(connection, file)
        migrate(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error | NewerDatabaseError):
            raise _complaint(file, error) from None
        raise
    return connection


def _check_whole(connection: sqlite3.Connection, file: Path) -> None:
    [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(file, found)


def _in_transaction(change: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        return change(connection)


def _in_lasting_transaction(change: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("PRAGMA synchronous = FULL")
    try:
        return _in_transaction(change, connection)
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


def _complaint(file: Path, error: sqlite3.Error | NewerDatabaseError) -> ConfigurationError:
    if isinstance(error, NewerDatabaseError):
        return ConfigurationError(
            f"{file} was made by a later release (version {error.version}, this one knows {error.known}): "
            "run that release, or give this one a directory of its own with --data"
        )
    # Extended codes carry the plain one in their lowest byte.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return _damaged(file, str(error))
    return ConfigurationError(f"{file} cannot be used: {error}")


def _damaged(file: Path, how: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is damaged ({how}): move it away, with its -wal and -shm files if there are any, and start again; "
        "what it kept is lost then, and the columns of streams come back with the next pushes"
    )
