"""Changes: committed one after another, told in that order and each once, whoever still waits for them."""

import json
import random
import sqlite3
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from dashboard_desk import ANN, DashboardDesk, dashboard_desk, viewer_of
from framecast.dashboards import archive as archive_module
from framecast.dashboards.archive import Outcome
from framecast.dashboards.events import Deleted, Saved
from framecast.errors import Refusal
from framecast.store.database import DATABASE_NAME

PADDING = "text " * 100


async def hold_store(desk: DashboardDesk, nursery: trio.Nursery) -> threading.Event:
    """Keep the store's thread busy until the returned event is set."""
    held, release = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        held.set()
        release.wait(60)

    nursery.start_soon(desk.database.look, hold)
    await trio.to_thread.run_sync(held.wait, 60)
    return release


async def test_a_change_is_told_when_everybody_can_read_it(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def announce(org_id: int, change: Saved | Deleted) -> None:
        with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as other:
            seen.append(other.execute("SELECT version FROM dashboards WHERE uid = ?", (change.uid,)).fetchone())

    async with dashboard_desk(tmp_path, announce=announce) as desk:
        await desk.save({"uid": "u", "title": "T"})
        await desk.save({"uid": "u", "title": "T", "version": 1})
        await desk.library.delete(ANN, "u")
    assert seen == [(1,), (2,), None]


async def test_changes_of_a_dashboard_are_told_in_the_order_of_their_commits(tmp_path: Path) -> None:
    chance = random.Random(4)

    async def announce(org_id: int, change: Saved | Deleted) -> None:
        await trio.sleep(chance.choice([0, 0.0001, 0.001]))

    async with dashboard_desk(tmp_path, announce=announce, waiting_changes=1_000) as desk:

        async def save(uid: str) -> None:
            place = chance.choice(["f", ""])
            with suppress(Refusal):  # the folder is gone
                await desk.save({"uid": uid, "title": uid, "list": [0] * 9}, folder_uid=place, overwrite=True)

        for _ in range(4):
            await desk.folders.create(ANN, "F", "f")
            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(save, f"u{number % 3}")
                nursery.start_soon(desk.folders.delete, ANN, "f")
        assert any(isinstance(change, Deleted) for _, change in desk.told)
    for uid in ("u0", "u1", "u2"):
        changes = [change for _, change in desk.told if change.uid == uid]
        version = 0
        there = False
        for change in changes:
            if isinstance(change, Deleted):
                assert there
                there = False
            else:
                assert change.version == version + 1
                assert change.previous == (version if there else None)
                version, there = change.version, True


async def test_a_change_is_told_though_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk, trio.open_nursery() as nursery:
        await desk.save({"uid": "u", "title": "T"})
        release = await hold_store(desk, nursery)
        async with trio.open_nursery() as clients:
            for title in ("A", "B"):
                clients.start_soon(partial(desk.save, {"uid": "u", "title": title}, overwrite=True))
            await trio.testing.wait_all_tasks_blocked()
            clients.cancel_scope.cancel()
        assert len(desk.told) == 1
        release.set()
        await desk.until_told(3)
        assert [change.version for _, change in desk.told if isinstance(change, Saved)] == [1, 2, 3]
        assert await desk.library.version(viewer_of(1), "u") == 3


async def test_what_takes_long_about_one_dashboard_keeps_no_other_waiting(tmp_path: Path) -> None:
    go_on = trio.Event()

    async def announce(org_id: int, change: Saved | Deleted) -> None:
        if change.uid == "slow":
            await go_on.wait()

    async with dashboard_desk(tmp_path, announce=announce) as desk, trio.open_nursery() as nursery:
        for version in range(3):
            nursery.start_soon(partial(desk.save, {"uid": "slow", "title": "S", "version": version}))
            await trio.testing.wait_all_tasks_blocked()
        await desk.save({"uid": "fast", "title": "F"})
        assert [change.uid for _, change in desk.told] == ["fast"]
        go_on.set()


async def test_a_change_that_fails_is_told_to_who_asked_and_to_nobody_else(tmp_path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> Outcome[None]:
        connection.execute("DELETE FROM dashboards")
        raise ZeroDivisionError

    async with dashboard_desk(tmp_path) as desk:
        await desk.save({"uid": "u", "title": "T"})
        with pytest.raises(ZeroDivisionError):
            await desk.archive.change(fail)
        assert (await desk.shown("u"))["version"] == 1
        assert len(desk.told) == 1
        await desk.save({"uid": "u", "title": "T", "version": 1})


async def test_who_tells_badly_keeps_no_change_from_being_answered(tmp_path: Path) -> None:
    async def announce(org_id: int, change: Saved | Deleted) -> None:
        if change.uid == "bad":
            raise ZeroDivisionError

    async with dashboard_desk(tmp_path, announce=announce) as desk:
        assert (await desk.save({"uid": "bad", "title": "T"})).row.version == 1
        assert (await desk.save({"uid": "bad", "title": "T", "version": 1})).row.version == 2
        await desk.save({"uid": "good", "title": "U"})
        assert [change.uid for _, change in desk.told] == ["good"]


async def test_a_full_disk_refuses_the_change_and_keeps_what_there_was(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await desk.save({"uid": "u", "title": "T"})

        def limit_pages(connection: sqlite3.Connection) -> None:
            [count] = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {count + 2}")

        await desk.database.look(limit_pages)
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                with pytest.raises(Refusal, match="disk") as caught:
                    await desk.save({"uid": "u", "title": "U", "version": 1, "text": "x" * 100_000})
                assert caught.value.code == 507
        shown = await desk.shown("u")
        assert (shown["title"], shown["version"]) == ("T", 1)
        assert [one.version for one in await desk.library.list_versions(1, "u")] == [1]
        assert len(desk.told) == 1
        with structlog.testing.capture_logs() as logs_then:
            assert (await desk.save({"uid": "u", "title": "V", "version": 1})).row.version == 2
            await desk.save({"uid": "u", "title": "W", "version": 2})
        told = [line["event"] for line in (*logs, *logs_then)]
        assert told == ["dashboards not saved", "dashboards saved again"]


async def test_too_many_changes_at_once_are_refused(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path, waiting_changes=2) as desk, trio.open_nursery() as nursery:
        release = await hold_store(desk, nursery)
        async with trio.open_nursery() as clients:
            for number in range(3):  # one is at the store, two wait
                clients.start_soon(partial(desk.save, {"title": f"T{number}"}))
                await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Refusal, match=r"dashboards\.waiting_changes") as caught:
                await desk.save({"title": "one too many"})
            assert caught.value.code == 503
            release.set()
        assert len(desk.told) == 3


async def test_a_store_that_hangs_is_given_up_after_a_while(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path, change_seconds=0.05) as desk, trio.open_nursery() as nursery:
        release = await hold_store(desk, nursery)
        for question in (desk.save({"uid": "u", "title": "T"}), desk.library.show(1, "u")):
            with pytest.raises(Refusal, match=r"dashboards\.change_seconds") as caught:
                await question
            assert caught.value.code == 503
        release.set()
        await desk.until_told(1)


async def test_who_follows_is_told_what_changed(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await desk.save({"uid": "u", "title": "T", "text": PADDING})
        await desk.save({"uid": "u", "title": "U", "text": PADDING, "version": 1})
        await desk.library.restore(ANN, "u", 1)
        patches = [change.patch for _, change in desk.told if isinstance(change, Saved)]
        assert patches[0] is None
        for patch, title, version in zip(patches[1:], ("U", "T"), (2, 3), strict=True):
            assert patch is not None
            operations = sorted(json.loads(patch), key=lambda operation: operation["path"])
            assert operations == [
                {"op": "replace", "path": "/title", "value": title},
                {"op": "replace", "path": "/version", "value": version},
            ]


async def test_a_patch_that_takes_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*documents: Any) -> bytes:
        release.wait(60)
        return b"[]"

    monkeypatch.setattr(archive_module, "make_patch", hang)
    async with dashboard_desk(tmp_path, patch_seconds=0.05) as desk:
        await desk.save({"uid": "u", "title": "T"})
        for version in (1, 2):  # the second one finds the thread busy
            await desk.save({"uid": "u", "title": "U", "version": version})
        release.set()
        assert [change.patch for _, change in desk.told if isinstance(change, Saved)] == [None] * 3


async def test_only_so_many_patches_are_made_at_once_and_none_of_large_dashboards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*documents: Any) -> bytes:
        release.wait(60)
        return b"[]"

    monkeypatch.setattr(archive_module, "make_patch", hang)
    async with dashboard_desk(tmp_path, patches=2, patch_seconds=60, patch_bytes=1_000) as desk:
        for number in range(4):
            await desk.save({"uid": f"u{number}", "title": f"T{number}", "text": "x" * (2_000 if number == 3 else 0)})
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(partial(desk.save, {"uid": f"u{number}", "title": f"T{number}", "version": 1}))
                await trio.testing.wait_all_tasks_blocked()
            await desk.until_told(6)
            release.set()
        told = {change.uid: change.patch for _, change in desk.told[4:] if isinstance(change, Saved)}
        assert told == {"u0": b"[]", "u1": b"[]", "u2": None, "u3": None}
        release.clear()
        release.set()
        await desk.save({"uid": "u0", "title": "again", "version": 2})
        assert desk.told[-1][1] == Saved(uid="u0", version=3, previous=2, login="ann", patch=b"[]")
