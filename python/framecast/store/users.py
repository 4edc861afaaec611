"""Users as they are kept: a row for each. What else belongs to a user goes with its row."""

import sqlite3
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """One user of the server. Its id is never given to another one."""

    user_id: int
    login: str
    name: str
    """For people; "" for none."""
    email: str
    """For people; "" for none."""
    password_hash: str = field(repr=False)
    server_admin: bool
    disabled: bool
    """Whether it gets in no more, and may again later."""
    org_id: int
    """The org that requests are in that name none; 0 for whichever it is a member of."""
    created: float
    """Unix seconds."""


_COLUMNS = "user_id, login, name, email, password_hash, server_admin, disabled, org_id, created"


def read_users(connection: sqlite3.Connection) -> list[User]:
    """All of them, the oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM users ORDER BY user_id")  # noqa: S608 - our own columns
    return [
        User(number, login, name, email, password_hash, bool(server_admin), bool(disabled), org_id, created)
        for number, login, name, email, password_hash, server_admin, disabled, org_id, created in rows
    ]


def insert_user(connection: sqlite3.Connection, user: User) -> int:
    """A new user's id; that of `user` is not looked at. IntegrityError when there is one with that login."""
    cursor = connection.execute(
        "INSERT INTO users (login, name, email, password_hash, server_admin, disabled, org_id, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        _values(user),
    )
    return int(cursor.lastrowid or 0)


def update_user(connection: sqlite3.Connection, user: User) -> None:
    """Write everything of a user anew. IntegrityError when there is another one with that login."""
    connection.execute(
        "UPDATE users SET login = ?, name = ?, email = ?, password_hash = ?, server_admin = ?, disabled = ?, "
        "org_id = ?, created = ? WHERE user_id = ?",
        (*_values(user), user.user_id),
    )


def delete_user(connection: sqlite3.Connection, user_id: int) -> None:
    """Delete a user with its memberships and sessions."""
    connection.execute("DELETE FROM users WHERE user_id = ?", (user_id,))


def _values(user: User) -> tuple[str | int | float, ...]:
    return (
        user.login,
        user.name,
        user.email,
        user.password_hash,
        int(user.server_admin),
        int(user.disabled),
        user.org_id,
        user.created,
    )
