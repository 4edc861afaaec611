"""Searching the dashboards and folders of one org. An org has few enough to look at all of them."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from framecast.dashboards.archive import Archive
from framecast.dashboards.saving import GENERAL
from framecast.store.dashboards import DashboardRow, read_dashboards
from framecast.store.folders import Folder, read_folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for; an empty condition is none. All conditions have to hold."""

    text: str = ""
    """A part of the title, in any case."""
    tags: frozenset[str] = frozenset()
    """All of them; a folder has none."""
    dashboards: bool = True
    folders: bool = True
    uids: frozenset[str] = frozenset()
    ids: frozenset[int] = frozenset()
    folder_uids: frozenset[str] = frozenset()
    """Any of them; ``general`` is the place of what is in no folder, folders themselves for example."""
    folder_ids: frozenset[int] = frozenset()
    """Any of them; 0 as ``general``."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One find."""

    item: DashboardRow | Folder
    folder: Folder | None
    """That it is in."""

    @property
    def number(self) -> int:
        """Its id."""
        return self.item.folder_id if isinstance(self.item, Folder) else self.item.dashboard_id


class Search:
    """What the API asks. Refusal 503 is that of the archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def find(self, org_id: int, wanted: Wanted) -> list[Hit]:
        """All finds, by title."""
        return await self._archive.look(partial(_find, org_id=org_id, wanted=wanted))

    async def count_tags(self, org_id: int) -> list[tuple[str, int]]:
        """All tags of the org's dashboards and how many have them, by name."""
        rows = await self._archive.look(lambda connection: read_dashboards(connection, org_id))
        return sorted(Counter(tag for row in rows for tag in set(row.tags)).items())


def _find(connection: sqlite3.Connection, *, org_id: int, wanted: Wanted) -> list[Hit]:
    hits = [hit for hit in _everything(connection, org_id, wanted) if _matches(hit, wanted)]
    return sorted(hits, key=lambda hit: (hit.item.title.casefold(), hit.item.uid))


def _everything(connection: sqlite3.Connection, org_id: int, wanted: Wanted) -> Iterator[Hit]:
    folders = {folder.folder_id: folder for folder in read_folders(connection, org_id)}
    if wanted.folders and not wanted.tags:
        yield from (Hit(folder, None) for folder in folders.values())
    if wanted.dashboards:
        for row in read_dashboards(connection, org_id):
            yield Hit(row, None if row.folder_id is None else folders[row.folder_id])


def _matches(hit: Hit, wanted: Wanted) -> bool:
    item, folder = hit.item, hit.folder
    tags = frozenset() if isinstance(item, Folder) else frozenset(item.tags)
    place_uid, place_id = (GENERAL, 0) if folder is None else (folder.uid, folder.folder_id)
    return (
        wanted.text.casefold() in item.title.casefold()
        and wanted.tags <= tags
        and (not wanted.uids or item.uid in wanted.uids)
        and (not wanted.ids or hit.number in wanted.ids)
        and (not wanted.folder_uids or place_uid in wanted.folder_uids)
        and (not wanted.folder_ids or place_id in wanted.folder_ids)
    )
