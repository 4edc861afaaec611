"""Who is what in which org, as it is kept: a row for each user and org."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Membership:
    """That a user belongs to an org."""

    user_id: int
    org_id: int
    role: str
    """As Grafana spells it."""


def read_memberships(connection: sqlite3.Connection) -> list[Membership]:
    """All of them, by user and org."""
    rows = connection.execute("SELECT user_id, org_id, role FROM memberships ORDER BY user_id, org_id")
    return [Membership(*values) for values in rows]


def put_membership(connection: sqlite3.Connection, membership: Membership) -> None:
    """Make the user a member, or change its role. IntegrityError when there is no such user or org."""
    connection.execute(
        "INSERT INTO memberships (user_id, org_id, role) VALUES (?, ?, ?) "
        "ON CONFLICT (user_id, org_id) DO UPDATE SET role = excluded.role",
        (membership.user_id, membership.org_id, membership.role),
    )


def delete_membership(connection: sqlite3.Connection, user_id: int, org_id: int) -> None:
    """The user is no member any more; its sessions in that org end."""
    key = (user_id, org_id)
    connection.execute("DELETE FROM memberships WHERE user_id = ? AND org_id = ?", key)
    connection.execute("DELETE FROM sessions WHERE user_id = ? AND org_id = ?", key)
