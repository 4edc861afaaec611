"""The rows of dashboards and folders: what was written is there again, versions follow each other, and what is gone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.store.dashboards import (
    NewVersion,
    delete_dashboard,
    find_dashboard,
    find_dashboard_numbered,
    find_dashboard_titled,
    find_version,
    forget_deleted,
    insert_dashboard,
    measure_dashboards,
    read_dashboards,
    read_dashboards_in,
    read_document,
    read_versions,
    update_dashboard,
)
from framecast.store.folders import (
    Folder,
    count_folders,
    delete_folder,
    find_folder,
    find_folder_numbered,
    find_folder_titled,
    insert_folder,
    read_folders,
    retitle_folder,
)
from framecast.store.orgs import delete_org, insert_org
from store.memory import fresh

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(fresh()) as connection:
        yield connection


def new(
    title: str = "t", document: bytes = b"{}", *, folder_id: int | None = None, now: float = 5.0, **others: object
) -> NewVersion:
    known = {"tags": (), "message": "", "login": "ann", **others}
    return NewVersion(title=title, document=document, folder_id=folder_id, now=now, **known)  # type: ignore[arg-type] # a test's own


def folder(connection: sqlite3.Connection, uid: str = "f", title: str = "F", org_id: int = 1) -> Folder:
    return insert_folder(connection, org_id, uid=uid, title=title, login="ann", now=5.0)


@given(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), st.binary(min_size=1, max_size=50), TEXTS, TEXTS)
def test_a_dashboard_comes_back_as_it_was_written(
    title: str, tags: tuple[str, ...], document: bytes, message: str, login: str
) -> None:
    with closing(fresh()) as connection:
        row = insert_dashboard(connection, 1, "u", new(title, document, tags=tags, message=message, login=login))
        assert find_dashboard(connection, 1, "u") == row
        assert find_dashboard_numbered(connection, 1, row.dashboard_id) == row
        assert find_dashboard_titled(connection, 1, None, title) == row
        assert read_dashboards(connection, 1) == [row]
        assert (row.title, row.tags, row.version, row.created_by) == (title, tags, 1, login)
        assert read_document(connection, row.dashboard_id, 1) == document
        [version] = read_versions(connection, row.dashboard_id)
        assert (version.version, version.parent_version, version.message, version.created_by) == (1, 0, message, login)


def test_versions_follow_each_other_and_only_the_newest_stay(connection: sqlite3.Connection) -> None:
    row = insert_dashboard(connection, 1, "u", new(document=b"{1}"))
    for number in range(2, 8):
        place = folder(connection, f"f{number}", f"F{number}").folder_id
        row = update_dashboard(connection, row, new(f"t{number}", b"{%d}" % number * number, folder_id=place), keep=3)
        assert find_dashboard(connection, 1, "u") == row
    assert (row.version, row.title, row.created, find_version(connection, 1, "u")) == (7, "t7", 5.0, 7)
    assert [(one.version, one.parent_version) for one in read_versions(connection, row.dashboard_id)] == [
        (7, 6),
        (6, 5),
        (5, 4),
    ]
    assert read_document(connection, row.dashboard_id, 7) == b"{7}" * 7
    assert read_document(connection, row.dashboard_id, 4) is None
    assert measure_dashboards(connection, 1) == (1, 3 * (5 + 6 + 7))


def test_a_title_stands_once_in_a_folder_and_once_outside(connection: sqlite3.Connection) -> None:
    place = folder(connection).folder_id
    insert_dashboard(connection, 1, "a", new())
    inside = insert_dashboard(connection, 1, "b", new(folder_id=place))
    insert_dashboard(connection, 2, "a", new())
    with pytest.raises(sqlite3.IntegrityError):
        insert_dashboard(connection, 1, "c", new())
    with pytest.raises(sqlite3.IntegrityError):
        insert_dashboard(connection, 1, "c", new(folder_id=place))
    with pytest.raises(sqlite3.IntegrityError):
        update_dashboard(connection, inside, new(), keep=9)
    with pytest.raises(sqlite3.IntegrityError):
        insert_dashboard(connection, 1, "a", new("other"))
    assert find_dashboard_titled(connection, 1, place, "t") == inside


def test_orgs_do_not_see_each_other(connection: sqlite3.Connection) -> None:
    row = insert_dashboard(connection, 1, "u", new())
    place = folder(connection)
    assert find_dashboard(connection, 2, "u") is None
    assert find_dashboard_numbered(connection, 2, row.dashboard_id) is None
    assert find_dashboard_titled(connection, 2, None, "t") is None
    assert find_version(connection, 2, "u") is None
    assert read_dashboards(connection, 2) == []
    assert measure_dashboards(connection, 2) == (0, 0)
    assert find_folder(connection, 2, "f") is None
    assert find_folder_numbered(connection, 2, place.folder_id) is None
    assert find_folder_titled(connection, 2, "F") is None
    assert (read_folders(connection, 2), count_folders(connection, 2)) == ([], 0)


def test_a_dashboard_goes_with_its_versions_and_its_uid_goes_on_behind_them(connection: sqlite3.Connection) -> None:
    row = insert_dashboard(connection, 1, "u", new())
    row = update_dashboard(connection, row, new(), keep=9)
    delete_dashboard(connection, row)
    assert find_dashboard(connection, 1, "u") is None
    assert connection.execute("SELECT count(*) FROM dashboard_versions").fetchone() == (0,)
    again = insert_dashboard(connection, 1, "u", new())
    assert (again.version, again.dashboard_id > row.dashboard_id) == (3, True)
    assert insert_dashboard(connection, 2, "u", new()).version == 1
    delete_dashboard(connection, again)
    assert insert_dashboard(connection, 1, "u", new()).version == 4


def test_only_so_many_that_are_gone_are_remembered_the_newest(connection: sqlite3.Connection) -> None:
    for uid in ("a", "b", "c", "a"):
        delete_dashboard(connection, insert_dashboard(connection, 1, uid, new()))
    delete_dashboard(connection, insert_dashboard(connection, 2, "z", new()))
    forget_deleted(connection, 1, keep=2)
    assert insert_dashboard(connection, 1, "a", new("a")).version == 3
    assert insert_dashboard(connection, 1, "b", new("b")).version == 1
    assert insert_dashboard(connection, 1, "c", new("c")).version == 2
    assert insert_dashboard(connection, 2, "z", new()).version == 2


def test_a_folder_gets_another_title_and_goes_when_it_is_empty(connection: sqlite3.Connection) -> None:
    first = folder(connection)
    second = retitle_folder(connection, first, title="G", login="bob", now=6.0)
    assert find_folder(connection, 1, "f") == find_folder_titled(connection, 1, "G") == second
    assert (second.version, second.created_by, second.updated_by, second.updated) == (2, "ann", "bob", 6.0)
    for uid, title in (("f", "other"), ("other", "G")):
        with pytest.raises(sqlite3.IntegrityError):
            folder(connection, uid, title)
    row = insert_dashboard(connection, 1, "u", new(folder_id=first.folder_id))
    assert read_dashboards_in(connection, first.folder_id) == [row]
    with pytest.raises(sqlite3.IntegrityError):
        delete_folder(connection, first.folder_id)
    delete_dashboard(connection, row)
    delete_folder(connection, first.folder_id)
    assert folder(connection).folder_id > first.folder_id


def test_all_of_an_org_goes_with_it(connection: sqlite3.Connection) -> None:
    org = insert_org(connection, "one", 5.0).org_id
    place = folder(connection, org_id=org)
    insert_dashboard(connection, org, "u", new(folder_id=place.folder_id))
    delete_dashboard(connection, insert_dashboard(connection, org, "v", new()))
    insert_dashboard(connection, 99, "u", new())
    delete_org(connection, org)
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("folders", "dashboards", "dashboard_versions", "deleted_dashboards")
    ]
    assert counts == [0, 1, 1, 0]
