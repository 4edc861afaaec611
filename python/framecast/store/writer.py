"""Writes what is to be kept, behind everybody's back: nobody waits for it, and a disk that fails stops nobody."""

import sqlite3

import structlog
import trio

from framecast import metrics
from framecast.settings import Store
from framecast.store.columns import ColumnsChange, PendingColumns
from framecast.store.database import Database

log = structlog.get_logger(__name__)


class StoreWriter:
    """The one writer of the database."""

    def __init__(self, database: Database, columns: PendingColumns, limits: Store) -> None:
        self._database = database
        self._columns = columns
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
                await self._columns.wait_changed()
                await trio.sleep(self._limits.save_seconds)
                await self._write(self._columns.take())
        finally:
            with trio.move_on_after(self._limits.flush_seconds, shield=True):
                while change := self._columns.take():
                    await self._write(change)
            if self._columns.channel_count:
                log.error("columns not saved", channels=self._columns.channel_count)

    async def _write(self, change: ColumnsChange) -> None:
        """Try until it is written."""
        while True:
            try:
                await self._database.write(change.apply)
                break
            except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: the system gave no thread
                self._note_failure(error)
            await trio.sleep(self._limits.retry_seconds)
        self._columns.written()
        metrics.store_writes.inc()
        if self._failures:
            log.info("columns saved again", failures=self._failures)
            self._failures = 0

    def _note_failure(self, error: Exception) -> None:
        """Count it; the first of a row is logged."""
        metrics.store_failed_writes.inc()
        self._failures += 1
        if self._failures == 1:
            log.warning("columns not saved, trying again", error=str(error))
