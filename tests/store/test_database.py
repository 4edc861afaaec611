"""The database file: made, refused with a reason, written whole or not at all."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from framecast.errors import ConfigurationError
from framecast.settings import Store
from framecast.store.columns import ColumnsChange, read_columns
from framecast.store.database import DATABASE_NAME, Database, _complaint, open_database
from patience import PATIENCE_SECONDS
from store.records import record, rows_in

LIMITS = Store(lock_seconds=0.05)


def change_with(*texts: bytes) -> ColumnsChange:
    change = ColumnsChange()
    for number, text in enumerate(texts):
        change.channels[1, "s"][f"m{number}"] = record(f"m{number}", text)
    return change


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def modes_in(folder: Path) -> set[int]:
    return {file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def expect_refusal(folder: Path) -> str:
    """What a start over `folder` is refused with."""
    with pytest.raises(ConfigurationError) as refused:
        async with open_database(folder, LIMITS) as database:
            await database.read(lambda connection: read_columns(connection, 0))
    return str(refused.value)


async def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(change_with(b"one", b"two").apply)
    async with open_database(tmp_path, LIMITS) as database:
        rows = await database.read(lambda connection: read_columns(connection, 0))
    assert [(number, row.path, row.text) for number, row in rows] == [(1, "m0", b"one"), (2, "m1", b"two")]
    assert names_in(tmp_path) == [DATABASE_NAME]


async def test_what_was_committed_needs_no_orderly_end(tmp_path: Path) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(change_with(b"one").apply)
        assert len(names_in(tmp_path)) == 3
        shutil.copytree(tmp_path, tmp_path / "copy")  # as a kill would leave the files
    async with open_database(tmp_path / "copy", LIMITS) as database:
        assert len(await database.read(lambda connection: read_columns(connection, 0))) == 1


async def test_it_runs_in_wal_mode_and_waits_for_a_lock_as_long_as_it_is_told(tmp_path: Path) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        found = await database.read(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "busy_timeout")
            ]
        )
        assert found == ["wal", 1, 50]


async def test_its_files_are_for_their_owner_alone_and_the_mode_that_somebody_gave_them_stays(tmp_path: Path) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(change_with(b"one").apply)
        assert modes_in(tmp_path) == {0o600}
        assert len(names_in(tmp_path)) == 3
    (tmp_path / DATABASE_NAME).chmod(0o640)
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(change_with(b"two").apply)
        assert modes_in(tmp_path) == {0o640}


async def test_a_database_of_a_later_release_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 1000")
    message = await expect_refusal(tmp_path)
    assert str(tmp_path / DATABASE_NAME) in message
    assert "made by a later release (version 1000" in message


def overwrite_all(file: Path) -> None:
    file.write_bytes(b"no database " * 1_000)


def overwrite_a_page(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[2 * 4096 : 3 * 4096] = b"\xa5" * 4096
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4096])


@pytest.mark.parametrize("damage", [overwrite_all, overwrite_a_page, cut])
async def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(change_with(*[b"x" * 1_000] * 100).apply)
    damage(tmp_path / DATABASE_NAME)
    message = await expect_refusal(tmp_path)
    assert f"{tmp_path / DATABASE_NAME} is damaged" in message
    assert "move it away" in message


async def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    async with open_database(tmp_path, LIMITS) as database:
        await database.write(
            lambda connection: connection.execute(  # type: ignore[arg-type] # what it returns is not used
                "INSERT INTO columns VALUES (1, 1, CAST(x'ff' AS TEXT), 'm', 'wide', x'')"
            )
        )
    assert f"{tmp_path / DATABASE_NAME} cannot be used" in await expect_refusal(tmp_path)


async def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).mkdir()
    assert f"{tmp_path / DATABASE_NAME} cannot be used: unable to open" in await expect_refusal(tmp_path)


async def test_a_file_that_is_locked_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in await expect_refusal(tmp_path)


async def test_a_change_that_fails_is_not_kept_in_part(tmp_path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        change_with(b"one").apply(connection)
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    async with open_database(tmp_path, LIMITS) as database:
        with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
            await database.write(fail)
        assert rows_in(tmp_path) == {}
        await database.write(change_with(b"two").apply)
    assert list(rows_in(tmp_path).values()) == [("wide", b"two")]


def count_rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM columns").fetchone()[0])


async def test_a_transaction_tells_what_it_found_and_is_whole_or_not_at_all(tmp_path: Path) -> None:
    def add_two(connection: sqlite3.Connection) -> int:
        change_with(b"one", b"two").apply(connection)
        return count_rows(connection)

    def add_and_refuse(connection: sqlite3.Connection) -> int:
        change_with(b"one", b"two", b"three").apply(connection)
        raise LookupError("no such row")

    async with open_database(tmp_path, LIMITS) as database:
        assert await database.transact(add_two) == 2
        with pytest.raises(LookupError, match="no such row"):
            await database.transact(add_and_refuse)
        assert await database.transact(count_rows) == 2


async def test_only_what_somebody_is_told_to_be_done_waits_for_the_disk(tmp_path: Path) -> None:
    def how(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    seen: list[int] = []
    async with open_database(tmp_path, LIMITS) as database:
        seen.append(await database.transact(how))
        await database.write(lambda connection: seen.append(how(connection)))
        with pytest.raises(sqlite3.OperationalError):
            await database.transact(lambda connection: connection.execute("SELECT * FROM no_such_table"))
        seen.append(await database.read(how))
    assert seen == [2, 1, 1]


async def test_a_full_disk_fails_the_write_and_the_next_one_may_fit(tmp_path: Path) -> None:
    def set_limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async with open_database(tmp_path, LIMITS) as database:
        await database.read(lambda connection: set_limit(connection, 10))
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await database.write(change_with(b"x" * 100_000).apply)
        await database.write(change_with(b"small").apply)
    assert list(rows_in(tmp_path).values()) == [("wide", b"small")]


async def test_damage_is_told_from_what_else_may_be_wrong() -> None:
    for code, expected in ((sqlite3.SQLITE_CORRUPT_INDEX, "is damaged"), (sqlite3.SQLITE_IOERR_READ, "cannot be used")):
        error = sqlite3.DatabaseError("as SQLite says it")
        error.sqlite_errorcode = code
        assert expected in str(_complaint(Path(DATABASE_NAME), error))


async def hold_thread(
    database: Database, until: trio.Event, order: list[str], *, task_status: trio.TaskStatus[None]
) -> None:
    """Keep the database busy, as a disk that hangs would."""

    def hang(connection: sqlite3.Connection) -> None:
        trio.from_thread.run_sync(task_status.started, trio_token=token)
        trio.from_thread.run(until.wait, trio_token=token)
        order.append("slow")

    token = trio.lowlevel.current_trio_token()  # only to hold a thread up
    await database.write(hang)


async def test_work_waits_for_the_work_before_it_even_if_nobody_waits_for_that(tmp_path: Path) -> None:
    order: list[str] = []
    go_on = trio.Event()
    async with open_database(tmp_path, LIMITS) as database, trio.open_nursery() as nursery:
        async with trio.open_nursery() as impatient:
            await impatient.start(hold_thread, database, go_on, order)
            impatient.cancel_scope.cancel()
        nursery.start_soon(database.write, lambda _: order.append("next"))
        await wait_all_tasks_blocked(0.01)
        assert order == []
        go_on.set()
    assert order == ["slow", "next"]


async def test_the_end_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    go_on = trio.Event()
    with structlog.testing.capture_logs() as events, trio.fail_after(PATIENCE_SECONDS):
        async with open_database(tmp_path, LIMITS) as database:
            async with trio.open_nursery() as impatient:
                await impatient.start(hold_thread, database, go_on, [])
                impatient.cancel_scope.cancel()
            await database.aclose(0.01)
            assert [event["event"] for event in events] == ["the database is still busy"]
            go_on.set()
    assert len(events) == 1


async def test_looking_tells_what_there_is_and_lets_errors_through(tmp_path: Path) -> None:
    async with open_database(tmp_path, Store()) as database:
        await database.write(change_with(b"1").apply)
        assert await database.look(count_rows) == 1
        with pytest.raises(sqlite3.OperationalError):
            await database.look(lambda connection: connection.execute("SELECT nothing FROM nowhere"))
