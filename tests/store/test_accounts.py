"""The rows of accounts: each record comes back as it was put in, and what belongs to another goes with it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.settings import Store
from framecast.store.database import open_database
from framecast.store.memberships import Membership, delete_membership, put_membership, read_memberships
from framecast.store.orgs import Org, delete_org, insert_org, read_orgs, rename_org
from framecast.store.service_tokens import (
    ServiceToken,
    delete_service_token,
    insert_service_token,
    note_expired,
    read_service_tokens,
)
from framecast.store.sessions import (
    StoredSession,
    delete_sessions,
    insert_session,
    move_session,
    note_seen,
    read_sessions,
)
from framecast.store.users import User, delete_user, insert_user, read_users, update_user
from store.memory import fresh

ANN = User(1, "ann", "Ann", "ann@example.com", "hash", server_admin=False, disabled=False, org_id=0, created=5.0)
AGENT = ServiceToken(
    token_id=1,
    org_id=1,
    name="agent",
    role="Viewer",
    server_admin=False,
    push=None,
    read=None,
    secret_hash=b"1" * 32,
    created=5.5,
    expires=None,
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
RATES = st.none() | st.floats(0, 1e12)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
BROWSER = StoredSession(1, 1, 1, b"2" * 32, 5.0, 6.5)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """With two orgs, a user who is a member of both, a token and a session."""
    with closing(fresh()) as connection:
        insert_org(connection, "Main Org.", 1.0)
        insert_org(connection, "Other", 2.0)
        insert_user(connection, ANN)
        put_membership(connection, Membership(1, 1, "Editor"))
        put_membership(connection, Membership(1, 2, "Viewer"))
        insert_service_token(connection, AGENT)
        insert_session(connection, BROWSER)
        yield connection


def test_everything_comes_back_as_it_was_put_in(connection: sqlite3.Connection) -> None:
    assert read_orgs(connection) == [Org(1, "Main Org.", 1.0), Org(2, "Other", 2.0)]
    assert read_users(connection) == [ANN]
    assert read_memberships(connection) == [Membership(1, 1, "Editor"), Membership(1, 2, "Viewer")]
    assert read_service_tokens(connection) == [AGENT]
    assert read_sessions(connection) == [BROWSER]


@given(
    name=TEXTS,
    lists=st.none() | st.tuples(LISTS, LISTS),
    secret_hash=st.binary(),
    expires=st.none() | st.floats(allow_nan=False),
    server_admin=st.booleans(),
    expired=st.booleans(),
    quota=st.tuples(RATES, RATES, st.none() | st.integers(1, 2**53)),
)
def test_any_token_comes_back_as_it_was_put_in(
    name: str,
    lists: tuple[tuple[str, ...], tuple[str, ...]] | None,
    secret_hash: bytes,
    expires: float | None,
    server_admin: bool,
    expired: bool,
    quota: tuple[float | None, float | None, int | None],
) -> None:
    token = replace(AGENT, name=name, secret_hash=secret_hash, expires=expires)
    token = replace(token, server_admin=server_admin, expired=expired)
    token = replace(token, requests_per_second=quota[0], bytes_per_second=quota[1], body_bytes=quota[2])
    token = replace(token, push=lists[0] if lists else None, read=lists[1] if lists else None)
    with closing(fresh()) as connection:
        insert_org(connection, "Main Org.", 1.0)
        assert insert_service_token(connection, token) == 1
        assert read_service_tokens(connection) == [token]


def test_changes_are_kept(connection: sqlite3.Connection) -> None:
    rename_org(connection, 2, "Second")
    changed = replace(ANN, login="anna", password_hash="other", server_admin=True, disabled=True, org_id=2)
    update_user(connection, changed)
    put_membership(connection, Membership(1, 2, "Admin"))
    move_session(connection, 1, 2)
    note_seen(connection, [(1, 70.5)])
    note_expired(connection, [1])
    assert read_orgs(connection)[1].name == "Second"
    assert read_users(connection) == [changed]
    assert read_memberships(connection)[1].role == "Admin"
    assert read_sessions(connection) == [replace(BROWSER, org_id=2, seen=70.5)]
    assert read_service_tokens(connection) == [replace(AGENT, expired=True)]


def test_with_an_org_goes_what_is_in_it(connection: sqlite3.Connection) -> None:
    delete_org(connection, 1)
    assert [org.org_id for org in read_orgs(connection)] == [2]
    assert read_memberships(connection) == [Membership(1, 2, "Viewer")]
    assert read_service_tokens(connection) == []
    assert read_sessions(connection) == []
    assert read_users(connection) == [ANN]


def test_with_a_user_go_its_memberships_and_sessions(connection: sqlite3.Connection) -> None:
    delete_user(connection, 1)
    assert read_users(connection) == []
    assert read_memberships(connection) == []
    assert read_sessions(connection) == []
    assert read_service_tokens(connection) == [AGENT]


def test_who_is_no_member_any_more_has_no_session_in_that_org(connection: sqlite3.Connection) -> None:
    elsewhere = replace(BROWSER, session_id=2, org_id=2, secret_hash=b"3")
    insert_session(connection, elsewhere)
    delete_membership(connection, 1, 1)
    assert read_memberships(connection) == [Membership(1, 2, "Viewer")]
    assert read_sessions(connection) == [elsewhere]


def test_a_number_is_never_given_twice(connection: sqlite3.Connection) -> None:
    delete_service_token(connection, 1)
    delete_sessions(connection, [1])
    delete_user(connection, 1)
    delete_org(connection, 2)
    assert insert_org(connection, "Other", 3.0).org_id == 3
    assert insert_user(connection, ANN) == 2
    assert insert_service_token(connection, AGENT) == 2
    assert insert_session(connection, replace(BROWSER, user_id=2)) == 2


def test_what_would_be_there_twice_or_belong_to_nobody_is_refused(connection: sqlite3.Connection) -> None:
    insert_service_token(connection, replace(AGENT, org_id=2, secret_hash=b"x"))
    with pytest.raises(sqlite3.IntegrityError):
        insert_org(connection, "Other", 1.0)
    with pytest.raises(sqlite3.IntegrityError):
        rename_org(connection, 1, "Other")
    with pytest.raises(sqlite3.IntegrityError):
        insert_user(connection, ANN)
    with pytest.raises(sqlite3.IntegrityError):
        insert_service_token(connection, replace(AGENT, secret_hash=b"y"))
    with pytest.raises(sqlite3.IntegrityError):
        insert_service_token(connection, replace(AGENT, name="other"))
    with pytest.raises(sqlite3.IntegrityError):
        insert_service_token(connection, replace(AGENT, name="other", org_id=7, secret_hash=b"z"))
    with pytest.raises(sqlite3.IntegrityError):
        insert_session(connection, replace(BROWSER, user_id=7, secret_hash=b"z"))
    with pytest.raises(sqlite3.IntegrityError):
        put_membership(connection, Membership(1, 7, "Viewer"))
    with pytest.raises(sqlite3.IntegrityError):
        put_membership(connection, Membership(1, 1, "viewer"))


async def test_the_servers_database_holds_to_it_too(tmp_path: Path) -> None:
    async with open_database(tmp_path, Store()) as database:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            await database.transact(lambda connection: insert_session(connection, BROWSER))


def test_secrets_are_in_no_repr() -> None:
    for record in (ANN, AGENT, BROWSER):
        assert "hash" not in repr(record)
