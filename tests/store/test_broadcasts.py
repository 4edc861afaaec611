"""What waits to be written of last messages, against a plain model of it, and the rows page by page."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from framecast.store.broadcasts import (
    PAGE_BYTES,
    PAGE_ROWS,
    ChannelKey,
    MessagesChange,
    PendingMessages,
    StoredMessage,
    read_messages,
)
from framecast.store.orgs import delete_org, insert_org
from store.memory import WritingMachine, fresh


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(fresh()) as connection:
        yield connection


def pages_of(connection: sqlite3.Connection) -> list[list[StoredMessage]]:
    pages = []
    behind = 0
    while page := read_messages(connection, behind):
        pages.append([kept for _, kept in page])
        behind = page[-1][0]
    return pages


def read_all(connection: sqlite3.Connection) -> list[StoredMessage]:
    return [kept for page in pages_of(connection) for kept in page]


def write(connection: sqlite3.Connection, messages: dict[ChannelKey, bytes | None]) -> None:
    MessagesChange(messages).apply(connection)


def test_rows_come_in_pages_the_oldest_message_first(connection: sqlite3.Connection) -> None:
    paths = [f"p{number}" for number in range(2 * PAGE_ROWS + 1)]
    write(connection, {(1, path): path.encode() for path in paths})
    write(connection, {(1, "p7"): b"again", (2, "p7"): b"other", (1, "p9"): None})
    again = [path for path in paths if path not in {"p7", "p9"}]
    expected = [StoredMessage(1, path, path.encode()) for path in again]
    assert read_all(connection) == [*expected, StoredMessage(1, "p7", b"again"), StoredMessage(2, "p7", b"other")]
    assert [len(page) for page in pages_of(connection)] == [PAGE_ROWS, PAGE_ROWS, 1]


def test_a_page_holds_not_much_more_than_its_bytes(connection: sqlite3.Connection) -> None:
    write(connection, {(1, f"p{number}"): b"x" * (PAGE_BYTES // 2) for number in range(5)})
    assert [len(page) for page in pages_of(connection)] == [2, 2, 1]


def test_messages_go_with_their_org(connection: sqlite3.Connection) -> None:
    first, second = (insert_org(connection, name, 0.0).org_id for name in ("a", "b"))
    write(connection, {(first, "p"): b"1", (second, "p"): b"2", (99, "p"): b"3"})
    delete_org(connection, first)
    assert [kept.data for kept in read_all(connection)] == [b"2", b"3"]


@pytest.mark.parametrize("values", ["x'31','p',x''", "1,x'70',x''", "1,'p','text'", "1,NULL,x''"])
def test_only_values_of_the_right_types_can_be_kept(connection: sqlite3.Connection, values: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"INSERT INTO broadcasts (org_id, path, message) VALUES ({values})")


keys = st.sampled_from([(1, "a"), (1, "b"), (2, "a")])


class Writing(WritingMachine):
    """Channels say something and are forgotten while a writer writes, fails, and tries again."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = PendingMessages()
        self.expected: dict[ChannelKey, bytes] = {}
        self.count = 0

    def teardown(self) -> None:
        self.write()
        self.write()
        assert not self.pending.take()
        assert self.pending.channel_count == 0
        self.check_rows()
        self.connection.close()

    def check_rows(self) -> None:
        rows: list[Any] = [((kept.org_id, kept.path), kept.data) for kept in read_all(self.connection)]
        assert rows == list(self.expected.items()), "in the order of publication"

    @rule(key=keys)
    def save(self, key: ChannelKey) -> None:
        self.count += 1
        data = str(self.count).encode()
        self.pending.save(key, data)
        self.expected.pop(key, None)
        self.expected[key] = data

    @rule(key=keys)
    def drop(self, key: ChannelKey) -> None:
        self.pending.drop(key)
        self.expected.pop(key, None)

    @rule()
    def restart(self) -> None:
        """An orderly one."""
        self.write()
        self.write()
        self.check_rows()
        self.pending = PendingMessages()
        for kept in read_all(self.connection):
            self.pending.note_stored((kept.org_id, kept.path))

    @invariant()
    def what_waits_is_bounded_by_what_there_is(self) -> None:
        assert self.pending.channel_count <= 3


TestWriting = Writing.TestCase
TestWriting.settings = settings(deadline=None, stateful_step_count=30)


def test_channels_that_never_had_a_row_are_not_remembered_when_forgotten() -> None:
    pending = PendingMessages()
    for number in range(1_000):
        pending.save((1, f"p{number}"), b"1")
        pending.drop((1, f"p{number}"))
    assert not pending.take()


def test_a_channel_whose_row_is_gone_is_not_remembered_either() -> None:
    pending = PendingMessages()
    pending.note_stored((1, "p"))
    pending.drop((1, "p"))
    assert pending.take().messages == {(1, "p"): None}
    pending.written()
    pending.drop((1, "p"))
    assert not pending.take()


def test_what_is_forgotten_while_it_is_written_goes_with_the_next_write() -> None:
    pending = PendingMessages()
    pending.save((1, "p"), b"1")
    assert pending.take().messages == {(1, "p"): b"1"}
    pending.drop((1, "p"))
    pending.written()
    assert pending.take().messages == {(1, "p"): None}
