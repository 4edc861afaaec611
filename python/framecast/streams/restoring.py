"""At the start: the streams that were there before, with their columns, out of the store."""

from functools import partial

import structlog
import trio

from framecast.store.columns import PendingColumns, StoredColumns, read_columns
from framecast.store.database import Database
from framecast.streams.table import StreamTable

log = structlog.get_logger(__name__)

MAX_LINES = 100
"""Refused channels that are logged one by one: a limit that was lowered may refuse very many."""


async def restore_streams(database: Database, streams: StreamTable, pending: PendingColumns) -> None:
    """Begin every channel that the store has columns of; before anything is pushed.

    A channel that cannot have them begins afresh with its next push: it is logged, and its row goes.
    ConfigurationError when the database cannot be read.
    """
    began = trio.current_time()
    behind = restored = refused = 0
    while page := await database.read(partial(read_columns, behind=behind)):
        behind = page[-1][0]
        for _, kept in page:
            pending.note_stored(kept.stream)
            try:
                streams.restore(kept)
                restored += 1
            except ValueError as error:
                pending.drop(kept)
                refused += 1
                if refused <= MAX_LINES:
                    _tell_refused(kept, error)
    if refused > MAX_LINES:
        log.warning("columns of more channels not restored", channels=refused - MAX_LINES)
    if restored:
        seconds = round(trio.current_time() - began, 3)
        log.info("streams restored", streams=streams.stream_count, channels=restored, seconds=seconds)


def _tell_refused(kept: StoredColumns, error: ValueError) -> None:
    log.warning("columns not restored", org=kept.org_id, stream=kept.stream_id, path=kept.path, why=str(error))
