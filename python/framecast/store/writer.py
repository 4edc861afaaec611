"""Writes what is to be kept, behind everybody's back: nobody waits for it, and a disk that fails stops nobody."""

import sqlite3
from typing import Protocol

import structlog
import trio

from framecast import metrics
from framecast.settings import Store
from framecast.store.database import Database

log = structlog.get_logger(__name__)


class Change(Protocol):
    """What one transaction writes."""

    def __bool__(self) -> bool:
        """Whether there is anything to write."""

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write it. May be repeated: the outcome is the same."""


class Pending(Protocol):
    """What of one kind changed and is not written yet."""

    async def wait_changed(self) -> None:
        """Return as soon as there is something to write."""

    def take(self) -> Change:
        """What is to be written now; the same again until `written` was called."""

    def written(self) -> None:
        """What `take` returned is in the database."""

    @property
    def channel_count(self) -> int:
        """Channels of which something is not known to be written."""


class StoreWriter:
    """The one writer of one kind of things; writers take turns at the database."""

    def __init__(self, database: Database, pending: Pending, what: str, limits: Store) -> None:
        """`what` it writes, as the log names it."""
        self._database = database
        self._pending = pending
        self._log = log.bind(what=what)
        self._limits = limits
        self._failures = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what changes until cancelled, and then what is left, within `store.flush_seconds`.

        Must outlive everything that changes something. What comes within `store.save_seconds` is one write; one that
        fails is tried again every `store.retry_seconds`.
        """
        task_status.started()
        try:
            while True:
                await self._pending.wait_changed()
                await trio.sleep(self._limits.save_seconds)
                await self._write(self._pending.take())
        finally:
            with trio.move_on_after(self._limits.flush_seconds, shield=True):
                while change := self._pending.take():
                    await self._write(change)
            if self._pending.channel_count:
                self._log.error("not saved", channels=self._pending.channel_count)

    async def _write(self, change: Change) -> None:
        """Try until it is written."""
        while True:
            try:
                await self._database.write(change.apply)
                break
            except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: the system gave no thread
                self._note_failure(error)
            await trio.sleep(self._limits.retry_seconds)
        self._pending.written()
        metrics.store_writes.inc()
        if self._failures:
            self._log.info("saved again", failures=self._failures)
            self._failures = 0

    def _note_failure(self, error: Exception) -> None:
        """Count it; the first of a row is logged."""
        metrics.store_failed_writes.inc()
        self._failures += 1
        if self._failures == 1:
            self._log.warning("not saved, trying again", error=str(error))
