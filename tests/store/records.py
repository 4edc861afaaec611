"""Records for the tests of the store, and a look into its database that is not the store's own."""

import sqlite3
from contextlib import closing
from pathlib import Path

from framecast.store.columns import StoredColumns
from framecast.store.database import DATABASE_NAME

Rows = dict[tuple[int, str, str], tuple[str, bytes]]


def record(path: str = "m", text: bytes = b"{}", *, stream: str = "s", org_id: int = 1) -> StoredColumns:
    return StoredColumns(org_id, stream, path, "wide", text)


def rows_in(folder: Path) -> Rows:
    """Everything that is kept of columns."""
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as connection:
        rows = connection.execute("SELECT org_id, stream, path, frame_format, columns FROM columns ORDER BY number")
        return {(org_id, stream, path): (frame_format, text) for org_id, stream, path, frame_format, text in rows}


def texts_in(folder: Path) -> dict[str, bytes]:
    """The texts by path."""
    return {path: text for (_, _, path), (_, text) in rows_in(folder).items()}
