"""The dashboards of all orgs: saved, restored, deleted, shown. Every question and change is one org's."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from framecast.accounts.identity import Identity
from framecast.dashboards.archive import Archive, News, Outcome
from framecast.dashboards.document import complete, parse_document
from framecast.dashboards.events import Deleted
from framecast.dashboards.saving import (
    Author,
    Placed,
    SaveOrder,
    check_title_free,
    find_folder_of,
    new_version,
    plan_save,
    write_version,
)
from framecast.errors import Refusal
from framecast.settings import Dashboards
from framecast.store.dashboards import (
    DashboardRow,
    VersionRow,
    delete_dashboard,
    find_dashboard,
    find_version,
    forget_deleted,
    read_document,
    read_versions,
)
from framecast.store.folders import Folder


@dataclass(frozen=True, slots=True)
class Shown:
    """A dashboard as it is now."""

    row: DashboardRow
    folder: Folder | None
    document: bytes
    """JSON as clients get it."""


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A dashboard as it was."""

    row: VersionRow
    document: bytes
    """JSON as clients got it."""


class Library:
    """What the API and the channels of dashboards ask. Refusals 503 and 507 are those of the archive."""

    def __init__(self, archive: Archive, limits: Dashboards, now: Callable[[], float]) -> None:
        """`now` is Unix seconds."""
        self._archive = archive
        self._limits = limits
        self._now = now

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        """The newest version that is committed; None where there is no such dashboard in the org of `identity`.

        Roles say who may see and who may edit, and of all dashboards alike: `editing` changes nothing here.
        """
        return await self._archive.look(lambda connection: find_version(connection, identity.org_id, uid))

    async def show(self, org_id: int, uid: str) -> Shown:
        """A dashboard and its document. Refusal 404."""

        def query(connection: sqlite3.Connection) -> Shown:
            row = _get(connection, org_id, uid)
            document = _get_document(connection, row, row.version)
            return Shown(row, find_folder_of(connection, row), complete(document, row.dashboard_id, uid, row.version))

        return await self._archive.look(query)

    async def save(self, author: Author, order: SaveOrder) -> Placed:
        """A new dashboard, or a new version of one. Refusals as of `plan_save`."""
        return await self._archive.change(plan_save(author, order, self._limits, self._now()))

    async def restore(self, author: Author, uid: str, version: int) -> Placed:
        """A new version with the document of an older one. Refusal 404 where it is not kept, 412 as of a save."""
        now = self._now()

        def change(connection: sqlite3.Connection) -> Outcome[Placed]:
            row = _get(connection, author.org_id, uid)
            document = _get_document(connection, row, version)
            restored, _ = parse_document(document, max_bytes=len(document))
            check_title_free(connection, author.org_id, row.folder_id, restored.title, row)
            message = f"Restored from version {version}"
            new = new_version(author, restored, row.folder_id, message, now, restored_from=version)
            written, news = write_version(connection, author, row, new, self._limits)
            return Outcome(Placed(written, find_folder_of(connection, written)), (news,))

        return await self._archive.change(change)

    async def delete(self, author: Author, uid: str) -> DashboardRow:
        """Delete a dashboard with all its versions. Refusal 404."""

        def change(connection: sqlite3.Connection) -> Outcome[DashboardRow]:
            row = _get(connection, author.org_id, uid)
            news = discard(connection, author, [row], self._limits)
            return Outcome(row, news)

        return await self._archive.change(change)

    async def list_versions(self, org_id: int, uid: str) -> list[VersionRow]:
        """All versions that are kept, the newest first. Refusal 404."""

        def query(connection: sqlite3.Connection) -> list[VersionRow]:
            return read_versions(connection, _get(connection, org_id, uid).dashboard_id)

        return await self._archive.look(query)

    async def show_version(self, org_id: int, uid: str, version: int) -> ShownVersion:
        """One version that is kept. Refusal 404."""

        def query(connection: sqlite3.Connection) -> ShownVersion:
            row = _get(connection, org_id, uid)
            document = _get_document(connection, row, version)
            found = next(one for one in read_versions(connection, row.dashboard_id) if one.version == version)
            return ShownVersion(found, complete(document, row.dashboard_id, uid, version))

        return await self._archive.look(query)


def discard(
    connection: sqlite3.Connection, author: Author, rows: list[DashboardRow], limits: Dashboards
) -> tuple[News, ...]:
    """Delete dashboards of one org; what is to be told of them."""
    for row in rows:
        delete_dashboard(connection, row)
    forget_deleted(connection, author.org_id, keep=limits.deleted)
    return tuple(News(author.org_id, Deleted(uid=row.uid, login=author.login)) for row in rows)


def _get(connection: sqlite3.Connection, org_id: int, uid: str) -> DashboardRow:
    row = find_dashboard(connection, org_id, uid)
    if row is None:
        raise Refusal(404, "Dashboard not found", details={"status": "not-found"})
    return row


def _get_document(connection: sqlite3.Connection, row: DashboardRow, version: int) -> bytes:
    document = read_document(connection, row.dashboard_id, version)
    if document is None:
        raise Refusal(
            404,
            f"Dashboard version {version} not found: it never was, or is too old to be kept (dashboards.versions)",
            details={"status": "not-found"},
        )
    return document
