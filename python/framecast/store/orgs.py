"""Orgs as they are kept: a row for each. What else belongs to an org goes with its row."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Org:
    """One org. Its id is never given to another one."""

    org_id: int
    name: str
    created: float
    """Unix seconds."""


def read_orgs(connection: sqlite3.Connection) -> list[Org]:
    """All of them, the oldest first."""
    return [Org(*values) for values in connection.execute("SELECT org_id, name, created FROM orgs ORDER BY org_id")]


def insert_org(connection: sqlite3.Connection, name: str, created: float) -> Org:
    """A new org. IntegrityError when there is one of that name."""
    cursor = connection.execute("INSERT INTO orgs (name, created) VALUES (?, ?)", (name, created))
    return Org(int(cursor.lastrowid or 0), name, created)


def rename_org(connection: sqlite3.Connection, org_id: int, name: str) -> None:
    """Another name. IntegrityError when there is an org of that name."""
    connection.execute("UPDATE orgs SET name = ? WHERE org_id = ?", (name, org_id))


def delete_org(connection: sqlite3.Connection, org_id: int) -> None:
    """Delete an org with its memberships, its tokens, and the sessions that are in it."""
    connection.execute("DELETE FROM orgs WHERE org_id = ?", (org_id,))
