"""What waits to be written, against a plain model of it, and the rows page by page."""

import sqlite3
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from framecast.store.columns import PAGE_ROWS, ColumnsChange, PendingColumns, read_columns
from store.memory import WritingMachine, fresh
from store.records import record


def read_all(connection: sqlite3.Connection) -> list[Any]:
    records = []
    behind = 0
    while page := read_columns(connection, behind):
        records += [row for _, row in page]
        behind = page[-1][0]
    return records


def test_rows_come_in_pages_and_in_the_order_in_which_their_channels_began() -> None:
    connection = fresh()
    change = ColumnsChange()
    paths = [f"m{number}" for number in range(PAGE_ROWS * 2 + 1)]
    for path in paths:
        change.channels[1, "s"][path] = record(path)
    change.apply(connection)
    again = ColumnsChange()
    # The row of a channel that could not be restored may be followed by one of another format.
    grown = replace(record("m0", b"grown"), frame_format="series")
    again.channels[1, "s"]["m0"] = grown
    again.apply(connection)
    rows = read_all(connection)
    assert [row.path for row in rows] == paths
    assert rows[0] == grown
    assert len(read_columns(connection, 0)) == PAGE_ROWS
    connection.close()


streams = st.sampled_from([(1, "a"), (1, "b"), (2, "a")])
paths = st.sampled_from(["m", "n"])


class Writing(WritingMachine):
    """Streams learn and forget while a writer writes, fails, and tries again."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = PendingColumns()
        self.expected: dict[tuple[tuple[int, str], str], bytes] = {}
        self.count = 0

    def teardown(self) -> None:
        self.write()
        self.write()
        assert not self.pending.take()
        assert {(row.stream, row.path): row.text for row in read_all(self.connection)} == self.expected
        self.connection.close()

    @rule(stream=streams, path=paths)
    def save(self, stream: tuple[int, str], path: str) -> None:
        self.count += 1
        text = str(self.count).encode()
        self.pending.save(record(path, text, stream=stream[1], org_id=stream[0]))
        self.expected[stream, path] = text

    @rule(stream=streams)
    def forget(self, stream: tuple[int, str]) -> None:
        self.pending.forget(stream)
        self.expected = {key: text for key, text in self.expected.items() if key[0] != stream}

    @rule(stream=streams, path=paths)
    def drop(self, stream: tuple[int, str], path: str) -> None:
        self.pending.drop(record(path, stream=stream[1], org_id=stream[0]))
        self.expected.pop((stream, path), None)

    @rule()
    def restart(self) -> None:
        """An orderly one."""
        self.write()
        self.write()
        self.pending = PendingColumns()
        for row in read_all(self.connection):
            self.pending.note_stored(row.stream)

    @invariant()
    def what_waits_is_bounded_by_what_there_is(self) -> None:
        """Six channels at most, each once in what is written and once in what comes next; three streams."""
        assert self.pending.channel_count <= 12
        assert len(self.pending._next.forgotten) <= 3


TestWriting = Writing.TestCase
TestWriting.settings = settings(deadline=None, stateful_step_count=30)


def test_streams_that_never_had_a_row_are_not_remembered_when_forgotten() -> None:
    pending = PendingColumns()
    for number in range(1_000):
        pending.save(record(stream=f"s{number}"))
        pending.forget((1, f"s{number}"))
    assert not pending.take()


def test_a_stream_whose_rows_are_gone_is_not_remembered_either() -> None:
    pending = PendingColumns()
    pending.note_stored((1, "s"))
    pending.forget((1, "s"))
    assert pending.take().forgotten == {(1, "s")}
    pending.written()
    pending.forget((1, "s"))
    assert not pending.take()


def test_the_rows_of_a_stream_that_began_here_go_with_it() -> None:
    pending = PendingColumns()
    pending.save(record())
    pending.take()
    pending.written()
    pending.forget((1, "s"))
    assert pending.take().forgotten == {(1, "s")}
