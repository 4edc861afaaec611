"""Migrations run in order, each whole or not at all, and never backwards."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from framecast.store.migrations import MIGRATIONS, NewerDatabaseError, migrate

TABLES = [
    "broadcasts",
    "columns",
    "dashboard_versions",
    "dashboards",
    "datasource_secrets",
    "datasources",
    "deleted_dashboards",
    "folders",
    "memberships",
    "orgs",
    "service_tokens",
    "sessions",
    "users",
]
STEPS = (*MIGRATIONS, ("CREATE TABLE later (name TEXT)", "INSERT INTO later VALUES ('first')"))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> list[str]:
    """Ours; those that SQLite keeps for itself left out."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows if not name.startswith("sqlite_")]


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_empty_database_gets_every_table(connection: sqlite3.Connection) -> None:
    migrate(connection)
    assert tables(connection) == TABLES
    assert version(connection) == len(MIGRATIONS)
    assert not connection.in_transaction


def test_a_database_of_the_release_before_gets_what_is_new_and_keeps_the_rest(connection: sqlite3.Connection) -> None:
    migrate(connection, MIGRATIONS[:1])
    connection.execute("INSERT INTO columns VALUES (1, 1, 's', 'm', 'wide', x'7b7d')")
    migrate(connection, STEPS)
    assert tables(connection) == sorted([*TABLES, "later"])
    assert version(connection) == len(STEPS)
    assert connection.execute("SELECT columns FROM columns").fetchall() == [(b"{}",)]
    migrate(connection, STEPS)
    assert connection.execute("SELECT * FROM later").fetchall() == [("first",)]


def test_a_step_that_fails_leaves_nothing_and_is_taken_the_next_time(connection: sqlite3.Connection) -> None:
    broken = (*MIGRATIONS, ("CREATE TABLE later (name TEXT)", "INSERT INTO no_such_table VALUES (1)"))
    with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
        migrate(connection, broken)
    assert tables(connection) == TABLES
    assert version(connection) == len(MIGRATIONS)
    migrate(connection, STEPS)
    assert tables(connection) == sorted([*TABLES, "later"])


@pytest.mark.parametrize("found", [len(MIGRATIONS) + 1, -1])
def test_a_database_of_an_unknown_version_is_not_touched(connection: sqlite3.Connection, found: int) -> None:
    connection.execute(f"PRAGMA user_version = {found}")
    with pytest.raises(NewerDatabaseError, match=f"version {found}, known up to {len(MIGRATIONS)}"):
        migrate(connection)
    assert tables(connection) == []


@pytest.mark.parametrize("values", ["x'31','s','m','wide',x''", "1,x'73','m','wide',x''", "1,'s','m','wide','text'"])
def test_only_values_of_the_right_types_can_be_kept(connection: sqlite3.Connection, values: str) -> None:
    migrate(connection)
    insert = "INSERT INTO columns (org_id, stream, path, frame_format, columns)"
    connection.execute(f"{insert} VALUES (1, 's', 'm', 'wide', x'')")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"{insert} VALUES ({values})")
