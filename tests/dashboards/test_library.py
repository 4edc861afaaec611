"""Dashboards: which save becomes which version, and that an org knows of its own only."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard_desk import ANN, BOB, STRANGER, DashboardDesk, dashboard_desk, viewer_of
from framecast.dashboards.events import Deleted, Saved
from framecast.dashboards.search import Wanted
from framecast.errors import Refusal


async def check_refused(code: int, status: str | None, awaitable: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await awaitable
    assert (caught.value.code, caught.value.details.get("status")) == (code, status), caught.value.message
    return caught.value


async def test_a_dashboard_is_saved_shown_changed_and_deleted(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        made = await desk.save({"title": "T", "tags": ["a", "b"], "panels": [1.0, 2**70]}, message="first")
        uid = made.row.uid
        assert await desk.shown(uid) == {
            "id": made.row.dashboard_id,
            "uid": uid,
            "version": 1,
            "title": "T",
            "tags": ["a", "b"],
            "panels": [1.0, 2**70],
        }
        desk.now = 2_000.0
        changed = await desk.save({"uid": uid, "version": 1, "title": "U"}, BOB)
        assert (changed.row.version, changed.row.created, changed.row.updated) == (2, 1_000.0, 2_000.0)
        assert (changed.row.created_by, changed.row.updated_by, changed.row.tags) == ("ann", "bob", ())
        assert await desk.library.version(viewer_of(1), uid) == 2
        gone = await desk.library.delete(BOB, uid)
        assert gone == changed.row
        assert await desk.library.version(viewer_of(1), uid) is None
        await check_refused(404, "not-found", desk.library.show(1, uid))
        await check_refused(404, "not-found", desk.library.delete(ANN, uid))
        assert [change for _, change in desk.told] == [
            Saved(uid=uid, version=1, message="first", login="ann"),
            Saved(uid=uid, version=2, previous=1, login="bob"),
            Deleted(uid=uid, login="bob"),
        ]


async def test_a_save_of_another_version_than_the_newest_is_refused_with_both(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        for version in range(3):
            await desk.save({"uid": "u", "title": "T", "version": version})
        for given in ({"version": 1}, {"version": 4}, {}):
            refusal = await check_refused(412, "version-mismatch", desk.save({"uid": "u", "title": "X", **given}))
            assert refusal.details["version"] == 3
            assert refusal.details["savedFrom"] == given.get("version", 0)
        assert (await desk.shown("u"))["title"] == "T"
        assert len(desk.told) == 3
        over = await desk.save({"uid": "u", "title": "X", "version": 1}, overwrite=True)
        assert over.row.version == 4


async def test_a_dashboard_is_known_by_its_id_too(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        number = (await desk.save({"uid": "u", "title": "T"})).row.dashboard_id
        assert (await desk.save({"id": number, "title": "U", "version": 1})).row.uid == "u"
        assert (await desk.save({"id": number, "uid": "u", "title": "V", "version": 2})).row.version == 3
        refusal = await check_refused(400, None, desk.save({"id": number, "uid": "w", "title": "V", "version": 3}))
        assert "'u'" in refusal.message
        await check_refused(404, "not-found", desk.save({"id": number + 1, "title": "V"}))
        await check_refused(404, "not-found", desk.save({"id": number, "title": "V", "version": 3}, STRANGER))


async def test_a_name_that_is_taken_in_the_folder_is_refused_or_taken_over(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        folder = await desk.folders.create(ANN, "F", "f")
        first = await desk.save({"uid": "u", "title": "T"})
        await check_refused(412, "name-exists", desk.save({"title": "T"}))
        inside = await desk.save({"uid": "v", "title": "T"}, folder_uid="f")
        assert inside.folder == folder
        await check_refused(412, "name-exists", desk.save({"uid": "v", "title": "T", "version": 1}))
        await check_refused(412, "name-exists", desk.save({"uid": "v", "title": "T", "version": 1}, overwrite=True))
        over = await desk.save({"title": "T"}, overwrite=True)
        assert (over.row.uid, over.row.dashboard_id, over.row.version) == ("u", first.row.dashboard_id, 2)


async def test_a_save_without_a_folder_moves_out_of_it(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        folder = await desk.folders.create(ANN, "F", "f")
        assert (await desk.save({"uid": "u", "title": "T"}, folder_id=folder.folder_id)).folder == folder
        assert (await desk.library.show(1, "u")).folder == folder
        assert (await desk.save({"uid": "u", "title": "T", "version": 1})).folder is None
        assert (await desk.save({"uid": "u", "title": "T", "version": 2}, folder_uid="f")).folder == folder
        assert (await desk.save({"uid": "u", "title": "T", "version": 3}, folder_uid="general")).folder is None
        await check_refused(400, "not-found", desk.save({"title": "X"}, folder_uid="g"))
        await check_refused(400, "not-found", desk.save({"title": "X"}, folder_id=99))
        await check_refused(400, "not-found", desk.save({"title": "X"}, STRANGER, folder_uid="f"))
        await check_refused(400, "not-found", desk.save({"title": "X"}, STRANGER, folder_id=folder.folder_id))


@pytest.mark.parametrize("uid", ["a/b", "a\0", "x" * 41, " ", "ü"])
async def test_a_uid_that_is_none_is_refused(uid: str, tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await check_refused(400, None, desk.save({"uid": uid, "title": "T"}))
        assert await desk.search.find(1, Wanted()) == []


async def test_a_message_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await check_refused(400, None, desk.save({"title": "T"}, message="m" * 501))


async def test_versions_are_kept_and_restored_as_new_ones(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path, versions=3) as desk:
        for version in range(4):
            await desk.save({"uid": "u", "title": f"T{version}", "version": version, "tags": [str(version)]})
        assert [one.version for one in await desk.library.list_versions(1, "u")] == [4, 3, 2]
        restored = await desk.library.restore(BOB, "u", 2)
        assert (restored.row.version, restored.row.title, restored.row.tags) == (5, "T1", ("1",))
        newest = (await desk.library.list_versions(1, "u"))[0]
        assert (newest.restored_from, newest.parent_version, newest.message) == (2, 4, "Restored from version 2")
        shown = await desk.library.show_version(1, "u", 3)
        assert json.loads(shown.document)["version"] == 3
        for version in (2, 6, 2**62):
            await check_refused(404, "not-found", desk.library.restore(BOB, "u", version))
            await check_refused(404, "not-found", desk.library.show_version(1, "u", version))
        await desk.save({"title": "T2"})
        await check_refused(412, "name-exists", desk.library.restore(BOB, "u", 3))
        assert [change.version for _, change in desk.told if isinstance(change, Saved)] == [1, 2, 3, 4, 5, 1]


async def test_a_uid_that_is_used_again_goes_on_behind_its_last_version(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await desk.save({"uid": "u", "title": "T"})
        await desk.library.delete(ANN, "u")
        assert (await desk.save({"uid": "u", "title": "other"})).row.version == 2
        assert desk.told[-1] == (1, Saved(uid="u", version=2, login="ann"))


async def test_orgs_know_nothing_of_each_other(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await desk.folders.create(ANN, "F", "f")
        await desk.save({"uid": "u", "title": "T", "tags": ["secret"]}, folder_uid="f")
        library, folders = desk.library, desk.folders
        for question in (
            library.show(2, "u"),
            library.delete(STRANGER, "u"),
            library.restore(STRANGER, "u", 1),
            library.list_versions(2, "u"),
            library.show_version(2, "u", 1),
            folders.show(2, "f"),
            folders.show_numbered(2, 1),
            folders.retitle(STRANGER, "f", "G", None),
            folders.delete(STRANGER, "f"),
        ):
            await check_refused(404, "not-found", question)
        assert await library.version(viewer_of(2), "u") is None
        assert await desk.search.find(2, Wanted()) == []
        assert await desk.search.count_tags(2) == []
        assert await folders.list_all(2) == []
        own = await desk.save({"uid": "u", "title": "T"}, STRANGER)
        assert (own.row.version, own.row.org_id) == (1, 2)
        assert (await desk.shown("u"))["tags"] == ["secret"]


async def test_an_org_has_only_so_many_dashboards_and_bytes(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path, max_dashboards=2, org_bytes=1_000, versions=2) as desk:
        await desk.save({"uid": "a", "title": "A", "text": "x" * 300})
        await desk.save({"uid": "b", "title": "B"})
        refusal = await check_refused(403, None, desk.save({"title": "C"}))
        assert "dashboards.max_dashboards" in refusal.message
        await desk.save({"uid": "c", "title": "C"}, STRANGER)
        await desk.save({"uid": "a", "title": "A", "text": "x" * 300, "version": 1})
        refusal = await check_refused(403, None, desk.save({"uid": "b", "title": "B", "text": "x" * 400, "version": 1}))
        assert "dashboards.org_bytes" in refusal.message
        assert await desk.library.version(viewer_of(1), "b") == 1
        for version in range(2, 6):
            await desk.save({"uid": "a", "title": "A", "text": "x" * 300, "version": version})
        assert len(desk.told) == 8


async def test_a_folder_goes_with_its_dashboards_each_of_which_is_told(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await desk.folders.create(ANN, "F", "f")
        for uid in ("a", "b"):
            await desk.save({"uid": uid, "title": uid}, folder_uid="f")
        await desk.save({"uid": "c", "title": "c"})
        await desk.folders.delete(BOB, "f")
        deleted = [change for _, change in desk.told if isinstance(change, Deleted)]
        assert sorted(deleted, key=lambda change: change.uid) == [
            Deleted(uid="a", login="bob"),
            Deleted(uid="b", login="bob"),
        ]
        assert [hit.item.uid for hit in await desk.search.find(1, Wanted())] == ["c"]


async def test_folders_are_made_named_and_listed(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path, max_folders=2) as desk:
        made = await desk.folders.create(ANN, "b", "")
        desk.now = 2_000.0
        await desk.folders.create(BOB, "A", "a")
        assert [folder.title for folder in await desk.folders.list_all(1)] == ["A", "b"]
        named = await desk.folders.retitle(BOB, made.uid, "B", 1)
        assert (named.version, named.title, named.updated_by, named.created_by) == (2, "B", "bob", "ann")
        assert await desk.folders.show(1, made.uid) == await desk.folders.show_numbered(1, made.folder_id) == named
        refusal = await check_refused(412, "version-mismatch", desk.folders.retitle(ANN, made.uid, "C", 1))
        assert refusal.details["version"] == 2
        assert (await desk.folders.retitle(ANN, made.uid, "B", None)).version == 3
        await check_refused(409, "name-exists", desk.folders.retitle(ANN, made.uid, "A", 3))
        await check_refused(409, "name-exists", desk.folders.create(ANN, "A", "x"))
        await check_refused(409, "uid-exists", desk.folders.create(ANN, "X", "a"))
        await check_refused(403, None, desk.folders.create(ANN, "X", ""))
        await check_refused(400, "empty-name", desk.folders.create(ANN, " ", ""))
        await check_refused(400, None, desk.folders.create(ANN, "X", "a/b"))
        await check_refused(400, None, desk.folders.create(ANN, "X", "general"))
        assert (await desk.folders.create(STRANGER, "A", "a")).org_id == 2
        assert desk.told == []


async def fill(desk: DashboardDesk) -> dict[str, int]:
    await desk.folders.create(ANN, "Prod", "p")
    ids = {"p": 1}
    for uid, title, tags, folder in (
        ("u1", "CPU of Prod", ["cpu", "prod"], "p"),
        ("u2", "Größe", ["prod"], ""),
        ("u3", "cpu test", ["cpu"], ""),
    ):
        placed = await desk.save({"uid": uid, "title": title, "tags": tags}, folder_uid=folder)
        ids[uid] = placed.row.dashboard_id
    return ids


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["u1", "u3", "u2", "p"]),
        (Wanted(text="CPU"), ["u1", "u3"]),
        (Wanted(text="GRÖSSE"), ["u2"]),
        (Wanted(text="%"), []),
        (Wanted(text="prod"), ["u1", "p"]),
        (Wanted(tags=frozenset({"cpu"})), ["u1", "u3"]),
        (Wanted(tags=frozenset({"cpu", "prod"})), ["u1"]),
        (Wanted(dashboards=False), ["p"]),
        (Wanted(folders=False, text="prod"), ["u1"]),
        (Wanted(uids=frozenset({"u2", "p", "x"})), ["u2", "p"]),
        (Wanted(folder_uids=frozenset({"p"})), ["u1"]),
        (Wanted(folder_uids=frozenset({"general"})), ["u3", "u2", "p"]),
        (Wanted(folder_uids=frozenset({"p", "general"}), folders=False), ["u1", "u3", "u2"]),
        (Wanted(folder_ids=frozenset({1})), ["u1"]),
        (Wanted(folder_ids=frozenset({0}), folders=False), ["u3", "u2"]),
    ],
)
async def test_what_is_searched_for_is_found_by_title(wanted: Wanted, found: list[str], tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        await fill(desk)
        assert [hit.item.uid for hit in await desk.search.find(1, wanted)] == found


async def test_tags_are_counted(tmp_path: Path) -> None:
    async with dashboard_desk(tmp_path) as desk:
        ids = await fill(desk)
        await desk.save({"title": "twice", "tags": ["cpu", "cpu"]})
        assert await desk.search.count_tags(1) == [("cpu", 3), ("prod", 2)]
        assert [hit.item.uid for hit in await desk.search.find(1, Wanted(ids=frozenset({ids["u2"]})))] == ["u2"]
