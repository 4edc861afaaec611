"""The writer: few writes for many changes, a failing disk stops nobody, and what is left at the end is written."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from framecast import metrics
from framecast.settings import Store
from framecast.store.columns import PendingColumns
from framecast.store.database import Database, open_database
from framecast.store.writer import StoreWriter
from patience import PATIENCE_SECONDS
from store.records import record, texts_in


class CountedDatabase(Database):
    """Counts transactions, and fails as many as it is told to, as SQLite does."""

    writes = 0
    failing = 0

    async def write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        self.writes += 1
        if self.failing:
            self.failing -= 1
            raise sqlite3.OperationalError("database or disk is full")
        await super().write(change)


class House:
    """A writer over a database in `folder`."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = CountedDatabase(database._connection, database._file)
        self.columns = PendingColumns()
        self.limits = Store(save_seconds=1, retry_seconds=5, flush_seconds=20)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(StoreWriter(self.database, self.columns, "columns", self.limits).run)
            yield
            nursery.cancel_scope.cancel()


@pytest.fixture
def threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads take no time: an autojump clock would jump while one works."""

    async def run_sync(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


@pytest.fixture
async def house(tmp_path: Path, threads_at_once: None) -> AsyncIterator[House]:
    async with open_database(tmp_path, Store()) as database:
        yield House(tmp_path, database)


async def test_many_changes_within_a_second_are_one_write(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        for number in range(100):
            house.columns.save(record("m", b"%d" % number))
            await trio.sleep(0.005)
        await trio.sleep(0.6)
        assert house.database.writes == 1
        assert texts_in(house.folder) == {"m": b"99"}
        await trio.sleep(100)
        assert house.database.writes == 1


async def test_changes_without_end_are_a_write_a_second(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        for number in range(1_000):
            house.columns.save(record("m", b"%d" % number))
            await trio.sleep(0.01)
        assert 8 <= house.database.writes <= 11


async def test_a_change_is_written_a_second_after_it(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        await trio.sleep(10)
        house.columns.save(record())
        await trio.sleep(0.9)
        assert texts_in(house.folder) == {}
        await trio.sleep(0.2)
        assert texts_in(house.folder) == {"m": b"{}"}


async def test_what_waits_at_the_end_is_written(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        house.columns.save(record())
    assert texts_in(house.folder) == {"m": b"{}"}


async def test_a_failed_write_is_tried_again_with_what_came_meanwhile_behind_it(
    house: House, autojump_clock: MockClock
) -> None:
    failed_before = metrics.store_failed_writes._value.get()
    with structlog.testing.capture_logs() as events:
        async with house.writing():
            house.database.failing = 3
            house.columns.save(record("a", b"old"))
            await trio.sleep(2)
            house.columns.save(record("a", b"new"))
            house.columns.save(record("b"))
            await trio.sleep(11)
            assert texts_in(house.folder) == {}
            await trio.sleep(5)
            assert texts_in(house.folder) == {"a": b"new", "b": b"{}"}
    assert metrics.store_failed_writes._value.get() - failed_before == 3
    assert [event["event"] for event in events] == ["not saved, trying again", "saved again"]
    assert {event["what"] for event in events} == {"columns"}
    assert events[0]["error"] == "database or disk is full"
    assert events[1]["failures"] == 3


async def test_the_end_tries_again_until_its_deadline(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        house.database.failing = 3
        house.columns.save(record("a"))
        await trio.sleep(2)
        house.columns.save(record("b"))
    assert texts_in(house.folder) == {"a": b"{}", "b": b"{}"}


async def test_an_end_in_vain_is_told_and_ends(house: House, autojump_clock: MockClock) -> None:
    began = trio.current_time()
    with structlog.testing.capture_logs() as events:
        async with house.writing():
            house.database.failing = 1_000
            house.columns.save(record("a"))
            house.columns.save(record("b"))
    assert trio.current_time() - began == pytest.approx(house.limits.flush_seconds)
    assert events[-1] == {"event": "not saved", "what": "columns", "channels": 2, "log_level": "error"}


async def test_an_end_with_nothing_left_says_nothing(house: House, autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as events:
        async with house.writing():
            house.columns.save(record("a"))
            await trio.sleep(2)
        assert house.database.writes == 1
    assert events == []


async def test_a_database_that_is_closed_stops_nobody(house: House, autojump_clock: MockClock) -> None:
    async with house.writing():
        house.database._connection.close()
        house.columns.save(record("a"))
        await trio.sleep(20)
        assert house.columns.channel_count == 1


async def test_in_real_threads_an_end_writes_what_a_cancelled_write_may_not_have(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_database(tmp_path, Store()) as database:
            for turns in range(12):
                columns = PendingColumns()
                async with trio.open_nursery() as nursery:
                    writer = StoreWriter(database, columns, "columns", Store(save_seconds=1e-9))
                    await nursery.start(writer.run)
                    for path in "abc":
                        columns.save(record(path, b"%d" % turns))
                        for _ in range(turns):
                            await trio.lowlevel.checkpoint()  # a turn, no time
                    nursery.cancel_scope.cancel()
                assert texts_in(tmp_path) == dict.fromkeys("abc", b"%d" % turns)
