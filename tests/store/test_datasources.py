"""The rows of data sources: what was written is there again, one default for each org, and what goes with what."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.store.datasources import (
    DataSource,
    Traits,
    count_datasources,
    delete_all_sealed,
    delete_datasource,
    delete_sealed,
    find_datasource,
    find_datasource_named,
    find_datasource_numbered,
    insert_datasource,
    read_all_sealed,
    read_datasources,
    read_prunable,
    update_datasource,
    write_sealed,
)
from framecast.store.orgs import delete_org, insert_org
from framecast.store.sealing import SecretPlace
from store.memory import fresh

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
TRAITS = st.builds(
    Traits,
    name=TEXTS,
    type=TEXTS,
    url=TEXTS,
    access=st.sampled_from(["proxy", "direct"]),
    database=TEXTS,
    user=TEXTS,
    basic_auth=st.booleans(),
    basic_auth_user=TEXTS,
    with_credentials=st.booleans(),
    is_default=st.booleans(),
    json_data=st.binary(max_size=50),
    read_only=st.booleans(),
    prunable=st.booleans(),
)
PLAIN = Traits(name="n", type="t")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(fresh()) as connection:
        yield connection


def get(connection: sqlite3.Connection, source: DataSource) -> DataSource:
    found = find_datasource(connection, source.org_id, source.uid)
    assert found is not None
    return found


@given(TRAITS, TRAITS, st.dictionaries(TEXTS, st.binary(max_size=20), max_size=3))
def test_a_data_source_comes_back_as_it_was_written(first: Traits, second: Traits, sealed: dict[str, bytes]) -> None:
    with closing(fresh()) as connection:
        source = insert_datasource(connection, 1, "u", first, 5.0)
        assert get(connection, source) == source
        assert (source.traits, source.version, source.created, source.updated) == (first, 1, 5.0, 5.0)
        update_datasource(connection, source, second, version=7, now=9.0)
        write_sealed(connection, source.datasource_id, sealed)
        changed = replace(source, traits=second, version=7, updated=9.0, sealed=sealed)
        assert get(connection, source) == changed
        assert find_datasource_numbered(connection, 1, source.datasource_id) == changed
        assert find_datasource_named(connection, 1, second.name) == changed
        assert read_datasources(connection, 1) == [changed]
        assert read_prunable(connection) == ([changed] if second.prunable else [])


def test_every_change_is_later_than_the_one_before_whatever_the_clock_says(connection: sqlite3.Connection) -> None:
    source = insert_datasource(connection, 1, "u", PLAIN, 5.0)
    for _ in range(3):
        before = get(connection, source)
        update_datasource(connection, before, PLAIN, version=2, now=4.0)
        assert int(get(connection, source).updated * 1000 + 0.5) > int(before.updated * 1000 + 0.5)


def test_uids_and_names_stand_once_in_an_org(connection: sqlite3.Connection) -> None:
    insert_datasource(connection, 1, "u", PLAIN, 5.0)
    other = insert_datasource(connection, 1, "v", replace(PLAIN, name="m"), 5.0)
    insert_datasource(connection, 2, "u", PLAIN, 5.0)
    for uid, name in (("u", "x"), ("x", "n")):
        with pytest.raises(sqlite3.IntegrityError):
            insert_datasource(connection, 1, uid, replace(PLAIN, name=name), 5.0)
    with pytest.raises(sqlite3.IntegrityError):
        update_datasource(connection, other, PLAIN, version=2, now=5.0)
    assert (count_datasources(connection, 1), count_datasources(connection, 2)) == (2, 1)


def test_orgs_do_not_see_each_other(connection: sqlite3.Connection) -> None:
    source = insert_datasource(connection, 1, "u", PLAIN, 5.0)
    assert find_datasource(connection, 2, "u") is None
    assert find_datasource_numbered(connection, 2, source.datasource_id) is None
    assert find_datasource_named(connection, 2, "n") is None
    assert read_datasources(connection, 2) == []
    assert count_datasources(connection, 2) == 0


def test_an_org_has_one_default_the_last_that_was_made_so(connection: sqlite3.Connection) -> None:
    default = replace(PLAIN, is_default=True)
    first = insert_datasource(connection, 1, "a", replace(default, name="a"), 5.0)
    elsewhere = insert_datasource(connection, 2, "a", replace(default, name="a"), 5.0)
    second = insert_datasource(connection, 1, "b", replace(default, name="b"), 5.0)
    assert not get(connection, first).traits.is_default
    update_datasource(connection, first, first.traits, version=2, now=6.0)
    assert [get(connection, one).traits.is_default for one in (first, second, elsewhere)] == [True, False, True]
    update_datasource(connection, first, first.traits, version=3, now=6.0)
    assert get(connection, first).traits.is_default


def test_secrets_are_replaced_one_by_one_and_go_with_their_data_source(connection: sqlite3.Connection) -> None:
    source = insert_datasource(connection, 1, "u", PLAIN, 5.0)
    number = source.datasource_id
    write_sealed(connection, number, {"a": b"1", "b": b"2"})
    write_sealed(connection, number, {"b": b"3", "c": b"4"})
    delete_sealed(connection, number, ["a", "none"])
    assert get(connection, source).sealed == {"b": b"3", "c": b"4"}
    assert read_all_sealed(connection) == [
        (number, SecretPlace(1, "u", "b"), b"3"),
        (number, SecretPlace(1, "u", "c"), b"4"),
    ]
    delete_datasource(connection, number)
    assert find_datasource(connection, 1, "u") is None
    assert read_all_sealed(connection) == []
    assert insert_datasource(connection, 1, "u", PLAIN, 5.0).datasource_id > number


def test_all_secrets_can_be_dropped_and_the_data_sources_stay(connection: sqlite3.Connection) -> None:
    for uid in ("a", "b"):
        number = insert_datasource(connection, 1, uid, replace(PLAIN, name=uid), 5.0).datasource_id
        write_sealed(connection, number, {"k": b"1"})
    assert delete_all_sealed(connection) == 2
    assert (read_all_sealed(connection), count_datasources(connection, 1)) == ([], 2)


def test_all_of_an_org_goes_with_it(connection: sqlite3.Connection) -> None:
    org = insert_org(connection, "one", 5.0).org_id
    write_sealed(connection, insert_datasource(connection, org, "u", PLAIN, 5.0).datasource_id, {"k": b"1"})
    insert_datasource(connection, 99, "u", PLAIN, 5.0)
    delete_org(connection, org)
    assert (count_datasources(connection, org), count_datasources(connection, 99)) == (0, 1)
    assert read_all_sealed(connection) == []
