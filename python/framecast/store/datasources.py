"""Data sources as they are kept: a row for each, and one for each of its secrets, sealed.

Rows are read and written as they are told. No secret is ever here in the clear (sealing.py).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from framecast.store.sealing import SecretPlace

MILLISECOND = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is set of a data source, but for its secrets."""

    name: str
    type: str
    """The id of the plugin that it is for."""
    url: str = ""
    access: str = "proxy"
    """``proxy`` or ``direct``."""
    database: str = ""
    user: str = ""
    basic_auth: bool = False
    basic_auth_user: str = ""
    with_credentials: bool = False
    is_default: bool = False
    json_data: bytes = b"{}"
    """A JSON object as it came."""
    read_only: bool = False
    """Files say what it is, and the API changes nothing of it."""
    prunable: bool = False
    """It goes when the files that it came from no longer name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One data source. Its id is never given to another one."""

    datasource_id: int
    org_id: int
    uid: str
    traits: Traits
    version: int
    created: float
    """Unix seconds, as `updated`."""
    updated: float
    """Later with every change, by a millisecond at least: plugins know by it that there was one."""
    sealed: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Its secrets by their keys."""


_RENAMED = {"database": "database_name", "user": "user_name"}
_TRAITS = [one.name for one in fields(Traits)]
_TRAIT_COLUMNS = [_RENAMED.get(name, name) for name in _TRAITS]
_FLAGS = frozenset({"basic_auth", "with_credentials", "is_default", "read_only", "prunable"})
_OWN = ["datasource_id", "org_id", "uid", "version", "created", "updated"]
_COLUMNS = ", ".join([*_OWN, *_TRAIT_COLUMNS])


def find_datasource(connection: sqlite3.Connection, org_id: int, uid: str) -> DataSource | None:
    """The org's data source of this uid."""
    return _find(connection, "org_id = ? AND uid = ?", org_id, uid)


def find_datasource_numbered(connection: sqlite3.Connection, org_id: int, datasource_id: int) -> DataSource | None:
    """The org's data source of this id."""
    return _find(connection, "org_id = ? AND datasource_id = ?", org_id, datasource_id)


def find_datasource_named(connection: sqlite3.Connection, org_id: int, name: str) -> DataSource | None:
    """The org's data source of this very name."""
    return _find(connection, "org_id = ? AND name = ?", org_id, name)


def read_datasources(connection: sqlite3.Connection, org_id: int) -> list[DataSource]:
    """All of the org."""
    return list(_read(connection, "org_id = ?", org_id))


def read_types(connection: sqlite3.Connection) -> list[str]:
    """The types that data sources of all orgs have, each once, in order."""
    return [kind for (kind,) in connection.execute("SELECT DISTINCT type FROM datasources ORDER BY type")]


def read_prunable(connection: sqlite3.Connection) -> list[DataSource]:
    """Those of all orgs that go when no file names them any more."""
    return list(_read(connection, "prunable = 1"))


def count_datasources(connection: sqlite3.Connection, org_id: int) -> int:
    """How many the org has."""
    [count] = connection.execute("SELECT count(*) FROM datasources WHERE org_id = ?", (org_id,)).fetchone()
    return int(count)


def insert_datasource(connection: sqlite3.Connection, org_id: int, uid: str, traits: Traits, now: float) -> DataSource:
    """A new one, without secrets. IntegrityError when the org has one of that uid or name.

    If it is the default, the one that was is so no longer.
    """
    _give_way(connection, org_id, traits)
    values = [org_id, uid, 1, now, now, *_row_of(traits)]
    cursor = connection.execute(
        f"INSERT INTO datasources ({', '.join([*_OWN[1:], *_TRAIT_COLUMNS])}) "  # noqa: S608 - our own columns
        f"VALUES ({', '.join('?' * len(values))})",
        values,
    )
    number = int(cursor.lastrowid or 0)
    return DataSource(datasource_id=number, org_id=org_id, uid=uid, traits=traits, version=1, created=now, updated=now)


def update_datasource(
    connection: sqlite3.Connection, source: DataSource, traits: Traits, *, version: int, now: float
) -> None:
    """The next version of `source`. IntegrityError when another one of the org has the name.

    If it is the default, the one that was is so no longer.
    """
    _give_way(connection, source.org_id, traits)
    updated = max(now, source.updated + MILLISECOND)
    assignments = ", ".join(f"{column} = ?" for column in ["version", "updated", *_TRAIT_COLUMNS])
    connection.execute(
        f"UPDATE datasources SET {assignments} WHERE datasource_id = ?",  # noqa: S608 - our own columns
        [version, updated, *_row_of(traits), source.datasource_id],
    )


def delete_datasource(connection: sqlite3.Connection, datasource_id: int) -> None:
    """It is gone with its secrets."""
    connection.execute("DELETE FROM datasources WHERE datasource_id = ?", (datasource_id,))


def write_sealed(connection: sqlite3.Connection, datasource_id: int, sealed: Mapping[str, bytes]) -> None:
    """Have these secrets, in place of those that there were under their keys."""
    connection.executemany(
        "INSERT OR REPLACE INTO datasource_secrets (datasource_id, key, sealed) VALUES (?, ?, ?)",
        [(datasource_id, key, blob) for key, blob in sealed.items()],
    )


def delete_sealed(connection: sqlite3.Connection, datasource_id: int, keys: Iterable[str]) -> None:
    """Have no secrets under these keys."""
    connection.executemany(
        "DELETE FROM datasource_secrets WHERE datasource_id = ? AND key = ?", [(datasource_id, key) for key in keys]
    )


def read_all_sealed(connection: sqlite3.Connection) -> list[tuple[int, SecretPlace, bytes]]:
    """Every secret of every data source: the id of that, where the secret belongs, and what it is sealed."""
    rows = connection.execute(
        "SELECT datasource_id, org_id, uid, key, sealed FROM datasource_secrets JOIN datasources USING (datasource_id)"
    )
    return [(number, SecretPlace(org_id, uid, key), blob) for number, org_id, uid, key, blob in rows]


def delete_all_sealed(connection: sqlite3.Connection) -> int:
    """No data source has a secret any more; how many there were."""
    return connection.execute("DELETE FROM datasource_secrets").rowcount


def _give_way(connection: sqlite3.Connection, org_id: int, traits: Traits) -> None:
    if traits.is_default:
        connection.execute("UPDATE datasources SET is_default = 0 WHERE org_id = ? AND is_default = 1", (org_id,))


def _row_of(traits: Traits) -> list[Any]:
    return [int(getattr(traits, name)) if name in _FLAGS else getattr(traits, name) for name in _TRAITS]


def _find(connection: sqlite3.Connection, condition: str, *values: object) -> DataSource | None:
    return next(_read(connection, condition, *values), None)


def _read(connection: sqlite3.Connection, condition: str, *values: object) -> Iterator[DataSource]:
    sealed: dict[int, dict[str, bytes]] = {}
    for number, key, blob in connection.execute(
        "SELECT datasource_id, key, sealed FROM datasource_secrets JOIN datasources USING (datasource_id) "  # noqa: S608 - our own words
        f"WHERE {condition} ORDER BY key",
        values,
    ):
        sealed.setdefault(number, {})[key] = blob
    rows = connection.execute(f"SELECT {_COLUMNS} FROM datasources WHERE {condition}", values).fetchall()  # noqa: S608 - our own words
    for row in rows:
        own, rest = row[: len(_OWN)], row[len(_OWN) :]
        named: dict[str, Any] = dict(zip(_TRAITS, rest, strict=True))
        named |= {flag: bool(named[flag]) for flag in _FLAGS}
        known = dict(zip(_OWN, own, strict=True))
        yield DataSource(**known, traits=Traits(**named), sealed=sealed.get(known["datasource_id"], {}))
