"""The folders of all orgs. One level of them, as Grafana had for most of its life; a dashboard is in one or in none."""

import sqlite3
from collections.abc import Callable

from framecast.dashboards.archive import Archive, Outcome
from framecast.dashboards.document import check_title
from framecast.dashboards.library import discard
from framecast.dashboards.saving import GENERAL, Author
from framecast.errors import Refusal
from framecast.settings import Dashboards
from framecast.store.dashboards import read_dashboards_in
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
from framecast.store.uids import check_uid, make_uid


class Folders:
    """What the API asks. Refusals 503 and 507 are those of the archive."""

    def __init__(self, archive: Archive, limits: Dashboards, now: Callable[[], float]) -> None:
        """`now` is Unix seconds."""
        self._archive = archive
        self._limits = limits
        self._now = now

    async def list_all(self, org_id: int) -> list[Folder]:
        """All of the org, by title."""
        folders = await self._archive.look(lambda connection: read_folders(connection, org_id))
        return sorted(folders, key=lambda folder: (folder.title.casefold(), folder.folder_id))

    async def show(self, org_id: int, uid: str) -> Folder:
        """One folder. Refusal 404."""
        return await self._archive.look(lambda connection: _get(connection, org_id, uid))

    async def show_numbered(self, org_id: int, folder_id: int) -> Folder:
        """One folder, by its id. Refusal 404."""
        folder = await self._archive.look(lambda connection: find_folder_numbered(connection, org_id, folder_id))
        if folder is None:
            raise _not_found()
        return folder

    async def create(self, author: Author, title: str, uid: str) -> Folder:
        """A new folder; "" has a uid made.

        Refusal 400, 403 where the org has too many, 409 for a title or uid in use.
        """
        check_title(title, "Folder title")
        if uid:
            check_uid(uid, "body uid")
        if uid == GENERAL:
            raise Refusal(400, f"Bad Request: body uid: {GENERAL!r} means no folder")
        now = self._now()

        def change(connection: sqlite3.Connection) -> Outcome[Folder]:
            if uid and find_folder(connection, author.org_id, uid) is not None:
                raise Refusal(409, f"a folder with the uid {uid!r} already exists", details={"status": "uid-exists"})
            _check_title_free(connection, author.org_id, title)
            if count_folders(connection, author.org_id) >= self._limits.max_folders:
                limit = self._limits.max_folders
                raise Refusal(403, f"Quota reached: the org has {limit} folders (dashboards.max_folders)")
            made = insert_folder(
                connection, author.org_id, uid=uid or make_uid(), title=title, login=author.login, now=now
            )
            return Outcome(made)

        return await self._archive.change(change)

    async def retitle(self, author: Author, uid: str, title: str, version: int | None) -> Folder:
        """Give a folder another title. None of `version` is whichever it has.

        Refusal 400, 404, 409 for a title in use, 412 when it has another version.
        """
        check_title(title, "Folder title")
        now = self._now()

        def change(connection: sqlite3.Connection) -> Outcome[Folder]:
            folder = _get(connection, author.org_id, uid)
            if version not in {None, folder.version}:
                raise Refusal(
                    412,
                    f"The folder has been changed by someone else: version {folder.version} is there, and it is "
                    f"version {version} that was changed",
                    details={"status": "version-mismatch", "version": folder.version, "savedFrom": version},
                )
            if title != folder.title:
                _check_title_free(connection, author.org_id, title)
            return Outcome(retitle_folder(connection, folder, title=title, login=author.login, now=now))

        return await self._archive.change(change)

    async def delete(self, author: Author, uid: str) -> Folder:
        """Delete a folder with all dashboards in it, each of which is told. Refusal 404."""

        def change(connection: sqlite3.Connection) -> Outcome[Folder]:
            folder = _get(connection, author.org_id, uid)
            news = discard(connection, author, read_dashboards_in(connection, folder.folder_id), self._limits)
            delete_folder(connection, folder.folder_id)
            return Outcome(folder, news)

        return await self._archive.change(change)


def _get(connection: sqlite3.Connection, org_id: int, uid: str) -> Folder:
    folder = find_folder(connection, org_id, uid)
    if folder is None:
        raise _not_found()
    return folder


def _not_found() -> Refusal:
    return Refusal(404, "folder not found", details={"status": "not-found"})


def _check_title_free(connection: sqlite3.Connection, org_id: int, title: str) -> None:
    if find_folder_titled(connection, org_id, title) is not None:
        raise Refusal(409, "a folder with the same name already exists", details={"status": "name-exists"})
