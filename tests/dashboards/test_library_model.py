"""Saves, restores, deletes and folders at random, against a naive model of what each of them must come to."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_desk import DashboardDesk, dashboard_desk
from framecast.dashboards.events import Saved
from framecast.dashboards.saving import Author
from framecast.dashboards.search import Wanted
from framecast.errors import Refusal

KEEP = 3

orgs = st.sampled_from([1, 1, 1, 2])
uids = st.sampled_from(["u", "v", ""])
titles = st.sampled_from(["A", "B", "C"])
places = st.sampled_from(["", "", "f"])
versions = st.integers(0, 5)
claims = st.sampled_from(["newest", "newest", "newest", "older", "newer"])
numbers = st.sampled_from([0, 0, 1, 2, 3])
saves = st.tuples(st.just("save"), orgs, uids, numbers, titles, places, claims, st.booleans())
steps = st.one_of(
    saves,
    saves,
    st.tuples(st.just("restore"), orgs, uids, versions),
    st.tuples(st.just("delete"), orgs, uids),
    st.tuples(st.just("folder"), orgs, st.just("f")),
    st.tuples(st.just("no folder"), orgs, st.just("f")),
)


@dataclass
class Board:
    number: int
    folder: str
    titles: list[str]
    """By version, behind the ones that an earlier board of the uid had."""
    begun: int

    @property
    def version(self) -> int:
        return self.begun + len(self.titles)

    @property
    def title(self) -> str:
        return self.titles[-1]


@dataclass
class Model:
    """What every org has. Each method gives what the real one must: an error's code, or the new version."""

    boards: dict[tuple[int, str], Board] = field(default_factory=dict)
    folders: set[tuple[int, str]] = field(default_factory=set)
    gone: dict[tuple[int, str], int] = field(default_factory=dict)
    count: int = 0

    def newest(self, org: int, uid: str, number: int) -> int:
        """The version of what a save names."""
        named = [board for key, board in self.boards.items() if key == (org, uid) or board.number == number]
        return named[0].version if named else 0

    def save(self, org: int, uid: str, number: int, title: str, place: str, version: int, overwrite: bool) -> int:
        if place and (org, place) not in self.folders:
            return 400
        known = {key[1]: board for key, board in self.boards.items() if key[0] == org}
        by_number = next((name for name, board in known.items() if board.number == number), None)
        if number and by_number is None:
            return 404
        if by_number is not None and uid not in {"", by_number}:
            return 400
        target = by_number or (uid if uid in known else None)
        if target is not None and known[target].version != version and not overwrite:
            return 412
        namesake = next((n for n, board in known.items() if (board.folder, board.title) == (place, title)), None)
        if namesake is not None and namesake != target:
            if target is not None or not overwrite:
                return 412
            target = namesake
        if target is None:
            self.count += 1
            target = uid or f"made {self.count}"
            known[target] = Board(self.count, place, [], self.gone.get((org, target), 0))
        board = self.boards[org, target] = known[target]
        board.folder = place
        board.titles.append(title)
        return board.version

    def restore(self, org: int, uid: str, version: int) -> int:
        board = self.boards.get((org, uid))
        if board is None or not max(board.begun, board.version - KEEP) < version <= board.version:
            return 404
        title = board.titles[version - board.begun - 1]
        others = [other for key, other in self.boards.items() if key[0] == org and other is not board]
        if any((other.folder, other.title) == (board.folder, title) for other in others):
            return 412
        board.titles.append(title)
        return board.version

    def delete(self, org: int, uid: str) -> int:
        board = self.boards.pop((org, uid), None)
        if board is None:
            return 404
        self.gone[org, uid] = board.version
        return 0

    def make_folder(self, org: int, uid: str) -> int:
        if (org, uid) in self.folders:
            return 409
        self.folders.add((org, uid))
        return 0

    def delete_folder(self, org: int, uid: str) -> int:
        if (org, uid) not in self.folders:
            return 404
        self.folders.discard((org, uid))
        for key in [key for key, board in self.boards.items() if key[0] == org and board.folder == uid]:
            self.delete(*key)
        return 0


@dataclass
class Both:
    """The model and the real thing, kept beside each other. Where a uid is made, ids tell which is which."""

    desk: DashboardDesk
    model: Model = field(default_factory=Model)

    async def take(self, step: Any) -> None:
        what, org, uid, *rest = step
        author = Author(org, "ann")
        match what:
            case "save":
                number, title, place, claim, overwrite = rest
                version = self.model.newest(org, uid, number) + {"newest": 0, "older": -1, "newer": 1}[claim]
                version = max(version, 0)
                expected = self.model.save(org, uid, number, title, place, version, overwrite)
                dashboard = {"id": number, "uid": uid, "title": title, "version": version}
                found = await outcome(self.desk.save(dashboard, author, folder_uid=place, overwrite=overwrite))
            case "restore":
                expected = self.model.restore(org, uid, *rest)
                found = await outcome(self.desk.library.restore(author, uid, *rest))
            case "delete":
                expected = self.model.delete(org, uid)
                found = await outcome(self.desk.library.delete(author, uid))
            case "folder":
                expected = self.model.make_folder(org, uid)
                found = await outcome(self.desk.folders.create(author, uid, uid))
            case _:
                expected = self.model.delete_folder(org, uid)
                found = await outcome(self.desk.folders.delete(author, uid))
        assert found == expected or (expected == 0 and what != "save"), step

    async def check_same(self) -> None:
        for org in (1, 2):
            hits = await self.desk.search.find(org, Wanted(folders=False))
            found = {
                (hit.number, hit.item.title, hit.item.version, "" if hit.folder is None else hit.folder.uid)
                for hit in hits
            }
            boards = [board for key, board in self.model.boards.items() if key[0] == org]
            assert found == {(board.number, board.title, board.version, board.folder) for board in boards}
            folders = {folder.uid for folder in await self.desk.folders.list_all(org)}
            assert folders == {uid for key, uid in self.model.folders if key == org}
            for hit in hits:
                kept = [row.version for row in await self.desk.library.list_versions(org, hit.item.uid)]
                board = next(board for board in boards if board.number == hit.number)
                assert kept == list(range(board.version, max(board.begun, board.version - KEEP), -1))


async def outcome(awaitable: Any) -> int:
    """The refusal's code, or the version that there is now."""
    try:
        result = await awaitable
    except Refusal as refusal:
        return refusal.code
    return int(getattr(result, "row", result).version)


@settings(max_examples=60)
@given(st.lists(steps, min_size=10, max_size=40))
async def test_whatever_is_asked_comes_to_what_the_model_says(taken: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with dashboard_desk(Path(folder), versions=KEEP) as desk:
            both = Both(desk)
            for step in taken:
                await both.take(step)
            await both.check_same()
            told = [change for _, change in desk.told if isinstance(change, Saved)]
            assert all(change.version == (change.previous or change.version - 1) + 1 for change in told)
