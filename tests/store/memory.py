"""A database in memory, with the tables that there are; and a machine of what waits to be written to one."""

import sqlite3
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, rule

from framecast.store.migrations import migrate


def fresh() -> sqlite3.Connection:
    """As the server's own connection, in which rows of others go with what they belong to."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection)
    return connection


class WritingMachine(RuleBasedStateMachine):
    """A writer writes what is `pending`, fails, and tries again, while whoever extends this adds to it."""

    pending: Any

    def __init__(self) -> None:
        super().__init__()
        self.connection = fresh()

    @rule()
    def write(self) -> None:
        self.pending.take().apply(self.connection)
        self.pending.written()

    @rule()
    def begin_to_write(self) -> None:
        """The outcome of such a write is not known: it is tried again."""
        self.pending.take().apply(self.connection)

    @rule()
    def fail_to_write(self) -> None:
        self.pending.take()
