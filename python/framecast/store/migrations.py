"""The database's tables, step by step. A step that was released is never changed; what comes later is a new one."""

import sqlite3
from collections.abc import Sequence

Step = Sequence[str]
"""SQL statements that belong together."""

MIGRATIONS: Sequence[Step] = (
    (
        # A stream's channels in the order in which they began. The text is the core's own; nobody else reads it.
        """
        CREATE TABLE columns (
            number INTEGER PRIMARY KEY,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            stream TEXT NOT NULL CHECK (typeof(stream) = 'text'),
            path TEXT NOT NULL CHECK (typeof(path) = 'text'),
            frame_format TEXT NOT NULL CHECK (typeof(frame_format) = 'text'),
            columns BLOB NOT NULL CHECK (typeof(columns) = 'blob'),
            UNIQUE (org_id, stream, path)
        )
        """,
    ),
)


class NewerDatabaseError(Exception):
    """The database was made by a later release; `version` is its, `known` the newest of this one."""

    def __init__(self, version: int, known: int) -> None:
        super().__init__(f"version {version}, known up to {known}")
        self.version = version
        self.known = known


def migrate(connection: sqlite3.Connection, steps: Sequence[Step] = MIGRATIONS) -> None:
    """Take the steps that the database has not taken yet, each in a transaction of its own.

    NewerDatabaseError, and nothing is touched, when it has taken more than there are.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= len(steps):
        raise NewerDatabaseError(version, len(steps))
    for number, statements in enumerate(steps[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
