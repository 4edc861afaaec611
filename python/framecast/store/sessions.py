"""Sessions of browsers as they are kept: a row for each, with the hash of its cookie and never the cookie."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One browser in which a user is logged in. Its id is never given to another one."""

    session_id: int
    user_id: int
    org_id: int
    """The org that its requests are in that name none."""
    secret_hash: bytes = field(repr=False)
    created: float
    """Unix seconds, as the next."""
    seen: float
    """When it last made a request, some minutes off."""


def read_sessions(connection: sqlite3.Connection) -> list[StoredSession]:
    """All of them, the oldest first."""
    rows = connection.execute(
        "SELECT session_id, user_id, org_id, secret_hash, created, seen FROM sessions ORDER BY session_id"
    )
    return [StoredSession(*values) for values in rows]


def insert_session(connection: sqlite3.Connection, session: StoredSession) -> int:
    """A new session's id; that of `session` is not looked at. IntegrityError when the user or org is gone."""
    cursor = connection.execute(
        "INSERT INTO sessions (user_id, org_id, secret_hash, created, seen) VALUES (?, ?, ?, ?, ?)",
        (session.user_id, session.org_id, session.secret_hash, session.created, session.seen),
    )
    return int(cursor.lastrowid or 0)


def move_session(connection: sqlite3.Connection, session_id: int, org_id: int) -> None:
    """The session is in another org from now on."""
    connection.execute("UPDATE sessions SET org_id = ? WHERE session_id = ?", (org_id, session_id))


def note_seen(connection: sqlite3.Connection, seen: Iterable[tuple[int, float]]) -> None:
    """When these sessions, by id, last made a request."""
    connection.executemany(
        "UPDATE sessions SET seen = ? WHERE session_id = ?", [(second, session_id) for session_id, second in seen]
    )


def delete_sessions(connection: sqlite3.Connection, session_ids: Iterable[int]) -> None:
    """These sessions are over."""
    connection.executemany("DELETE FROM sessions WHERE session_id = ?", [(session_id,) for session_id in session_ids])
