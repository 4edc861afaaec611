"""What a server has that was never started before: one org, and a token by which somebody can begin.

The token is made once in the life of a data directory: when all tokens and users are gone again, that was somebody's
wish, and a start must not undo it. Whoever lost the token makes another one with the server stopped
(`framecast token create --data`).
"""

import sqlite3
from dataclasses import replace

from framecast.accounts.identity import Role
from framecast.accounts.register.desk import Desk
from framecast.accounts.register.register import Register
from framecast.accounts.secret import hash_secret, make_token
from framecast.store.orgs import Org, insert_org
from framecast.store.service_tokens import ServiceToken, insert_service_token

ORG_NAME = "Main Org."
"""As Grafana calls its first."""

TOKEN_NAME = "first start"  # noqa: S105 - a name


async def prepare(register: Register, *, with_token: bool) -> str | None:
    """Make the first org where there is none, and `with_token` the first token where there never was a token or user.

    The token, which nobody can tell afterwards, or None. Refusal when it cannot be written. To be called before the
    register runs.
    """
    desk = register.desk
    secret = make_token()
    org, token = await desk.write(
        lambda connection: _prepare(connection, desk, _first_token(secret, desk.now()) if with_token else None)
    )
    if org is not None:
        desk.directory.orgs.put(org)
    if token is not None:
        desk.directory.tokens.put(token)
    return None if token is None else secret


def _prepare(
    connection: sqlite3.Connection, desk: Desk, token: ServiceToken | None
) -> tuple[Org | None, ServiceToken | None]:
    org = None if len(desk.directory.orgs) else insert_org(connection, ORG_NAME, desk.now())
    if token is None or _was_anybody_ever(connection):
        return org, None
    return org, replace(token, token_id=insert_service_token(connection, token))


def _was_anybody_ever(connection: sqlite3.Connection) -> bool:
    """SQLite remembers the last number that it gave out, after all rows are gone."""
    query = "SELECT 1 FROM sqlite_sequence WHERE name IN ('users', 'service_tokens') AND seq > 0 LIMIT 1"
    return connection.execute(query).fetchone() is not None


def _first_token(secret: str, now: float) -> ServiceToken:
    return ServiceToken(
        token_id=0,
        org_id=1,
        name=TOKEN_NAME,
        role=str(Role.ADMIN),
        server_admin=True,
        push=None,
        read=None,
        secret_hash=hash_secret(secret),
        created=now,
        expires=None,
    )
