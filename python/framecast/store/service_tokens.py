"""Service tokens as they are kept: a row for each, with the hash of its secret and never the secret."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """One token of a program. Its id is never given to another one."""

    token_id: int
    org_id: int
    name: str
    role: str
    """As Grafana spells it."""
    server_admin: bool
    push: tuple[str, ...] | None
    """Globs of the streams it may push to. With `read`: None for a token that is not limited to lists."""
    read: tuple[str, ...] | None
    """Globs of the channels it may subscribe to."""
    secret_hash: bytes = field(repr=False)
    created: float
    """Unix seconds, as the next."""
    expires: float | None
    """None for never."""
    expired: bool = False
    """Set once its time had come, whatever a clock says afterwards."""
    requests_per_second: float | None = None
    """How much may be sent with it, as the next two; None for what the settings say."""
    bytes_per_second: float | None = None
    body_bytes: int | None = None


_COLUMNS = (
    "token_id, org_id, name, role, server_admin, push_list, read_list, secret_hash, created, expires, expired, "
    "requests_per_second, bytes_per_second, body_bytes"
)


def read_service_tokens(connection: sqlite3.Connection) -> list[ServiceToken]:
    """All of them, the oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM service_tokens ORDER BY token_id")  # noqa: S608 - our own columns
    return [_read_row(row) for row in rows]


def insert_service_token(connection: sqlite3.Connection, token: ServiceToken) -> int:
    """A new token's id; that of `token` is not looked at.

    IntegrityError when the org is gone or has one of that name.
    """
    cursor = connection.execute(
        "INSERT INTO service_tokens "
        "(org_id, name, role, server_admin, push_list, read_list, secret_hash, created, expires, expired, "
        "requests_per_second, bytes_per_second, body_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            token.org_id,
            token.name,
            token.role,
            int(token.server_admin),
            _write_list(token.push),
            _write_list(token.read),
            token.secret_hash,
            token.created,
            token.expires,
            int(token.expired),
            token.requests_per_second,
            token.bytes_per_second,
            token.body_bytes,
        ),
    )
    return int(cursor.lastrowid or 0)


def limit_service_token(connection: sqlite3.Connection, token: ServiceToken) -> None:
    """So much may be sent with this token as it says now."""
    connection.execute(
        "UPDATE service_tokens SET requests_per_second = ?, bytes_per_second = ?, body_bytes = ? WHERE token_id = ?",
        (token.requests_per_second, token.bytes_per_second, token.body_bytes, token.token_id),
    )


def note_expired(connection: sqlite3.Connection, token_ids: list[int]) -> None:
    """The time of these tokens has come."""
    connection.executemany(
        "UPDATE service_tokens SET expired = 1 WHERE token_id = ?", [(token_id,) for token_id in token_ids]
    )


def delete_service_token(connection: sqlite3.Connection, token_id: int) -> None:
    """The token is gone, and its name is free."""
    connection.execute("DELETE FROM service_tokens WHERE token_id = ?", (token_id,))


def _read_row(row: Sequence[Any]) -> ServiceToken:
    token_id, org_id, name, role, server_admin, push, read, secret_hash, created, expires, expired, *limits = row
    requests_per_second, bytes_per_second, body_bytes = limits
    return ServiceToken(
        token_id=token_id,
        org_id=org_id,
        name=name,
        role=role,
        server_admin=bool(server_admin),
        push=_read_list(push),
        read=_read_list(read),
        secret_hash=secret_hash,
        created=created,
        expires=expires,
        expired=bool(expired),
        requests_per_second=requests_per_second,
        bytes_per_second=bytes_per_second,
        body_bytes=body_bytes,
    )


def _read_list(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _write_list(patterns: tuple[str, ...] | None) -> str | None:
    return None if patterns is None else json.dumps(patterns)
