"""What a save comes to, within its transaction: of which dashboard it is, whether it may be, and what is written."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from framecast.dashboards.archive import News, Outcome
from framecast.dashboards.document import Claim, Document, complete
from framecast.dashboards.events import Saved
from framecast.errors import Refusal
from framecast.settings import Dashboards
from framecast.store.dashboards import (
    DashboardRow,
    NewVersion,
    find_dashboard,
    find_dashboard_numbered,
    find_dashboard_titled,
    insert_dashboard,
    measure_dashboards,
    read_document,
    update_dashboard,
)
from framecast.store.folders import Folder, find_folder, find_folder_numbered
from framecast.store.uids import check_uid, make_uid

MESSAGE_CHARACTERS = 500
"""As Grafana's."""

GENERAL = "general"
"""How Grafana's pages name the place of dashboards that are in no folder."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something."""

    org_id: int
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOrder:
    """What a client asks for when it saves."""

    document: Document
    claim: Claim
    folder_uid: str = ""
    folder_id: int = 0
    """Where `folder_uid` is "": 0 for no folder."""
    message: str = ""
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A dashboard, and the folder that it is in."""

    row: DashboardRow
    folder: Folder | None


def plan_save(author: Author, order: SaveOrder, limits: Dashboards, now: float) -> Callable[..., Outcome[Placed]]:
    """What is to be run as a transaction. Refusal 400 for what can be told to be wrong without looking.

    The transaction raises Refusal: 400 for an unknown folder and for a uid that the dashboard has not, 404 for an
    unknown id, 412 for another version than the newest and for a title that another dashboard of the folder has, 403
    for what would be more than an org may have.
    """
    if order.claim.uid:
        check_uid(order.claim.uid, "body dashboard.uid")
    if len(order.message) > MESSAGE_CHARACTERS:
        raise Refusal(400, f"Bad Request: body message: message too long, max {MESSAGE_CHARACTERS} characters")
    return partial(_save, author=author, order=order, limits=limits, now=now)


def write_version(
    connection: sqlite3.Connection, author: Author, target: DashboardRow | str, new: NewVersion, limits: Dashboards
) -> tuple[DashboardRow, News]:
    """Write the next version of `target`, or the first of a new dashboard with that uid.

    Refusal 403 where the org has no room for it.
    """
    if isinstance(target, str):
        written, previous, documents = insert_dashboard(connection, author.org_id, target, new), None, None
    else:
        before = read_document(connection, target.dashboard_id, target.version)
        written, previous = update_dashboard(connection, target, new, keep=limits.versions), target.version
        documents = None if before is None else (_complete(target, before), _complete(written, new.document))
    _check_room(connection, author.org_id, limits)
    change = Saved(uid=written.uid, version=written.version, previous=previous, message=new.message, login=author.login)
    return written, News(author.org_id, change, documents)


def new_version(
    author: Author, document: Document, folder_id: int | None, message: str, now: float, *, restored_from: int = 0
) -> NewVersion:
    """What is to be written of a document."""
    return NewVersion(
        title=document.title,
        tags=document.tags,
        folder_id=folder_id,
        document=document.text,
        message=message,
        login=author.login,
        now=now,
        restored_from=restored_from,
    )


def check_title_free(
    connection: sqlite3.Connection, org_id: int, folder_id: int | None, title: str, row: DashboardRow | None
) -> None:
    """Refusal 412 where another dashboard than `row` has that title in the folder."""
    named = find_dashboard_titled(connection, org_id, folder_id, title)
    if named is not None and (row is None or named.dashboard_id != row.dashboard_id):
        raise Refusal(
            412,
            f"A dashboard with the same name in the folder already exists: it has the uid {named.uid!r}",
            details={"status": "name-exists"},
        )


def find_folder_of(connection: sqlite3.Connection, row: DashboardRow) -> Folder | None:
    """The folder that a dashboard is in."""
    return None if row.folder_id is None else find_folder_numbered(connection, row.org_id, row.folder_id)


def _save(
    connection: sqlite3.Connection, *, author: Author, order: SaveOrder, limits: Dashboards, now: float
) -> Outcome[Placed]:
    folder = _find_place(connection, author.org_id, order)
    folder_id = None if folder is None else folder.folder_id
    row = _find_target(connection, author.org_id, order, folder_id)
    new = new_version(author, order.document, folder_id, order.message, now)
    target = order.claim.uid or make_uid() if row is None else row
    written, news = write_version(connection, author, target, new, limits)
    return Outcome(Placed(written, folder), (news,))


def _complete(row: DashboardRow, document: bytes) -> bytes:
    return complete(document, row.dashboard_id, row.uid, row.version)


def _find_place(connection: sqlite3.Connection, org_id: int, order: SaveOrder) -> Folder | None:
    """The folder to save in; None for no folder, which is what an order without one means."""
    if order.folder_uid and order.folder_uid != GENERAL:
        folder, field = find_folder(connection, org_id, order.folder_uid), "folderUid"
    elif order.folder_id and not order.folder_uid:
        folder, field = find_folder_numbered(connection, org_id, order.folder_id), "folderId"
    else:
        return None
    if folder is None:
        raise Refusal(400, f"Bad Request: body {field}: folder not found", details={"status": "not-found"})
    return folder


def _find_target(
    connection: sqlite3.Connection, org_id: int, order: SaveOrder, folder_id: int | None
) -> DashboardRow | None:
    """The dashboard that is saved; None for a new one."""
    claim = order.claim
    row = None if claim.dashboard_id is None else find_dashboard_numbered(connection, org_id, claim.dashboard_id)
    if claim.dashboard_id is not None and row is None:
        raise Refusal(
            404, f"Dashboard not found: none has the id {claim.dashboard_id}", details={"status": "not-found"}
        )
    if row is None and claim.uid:
        row = find_dashboard(connection, org_id, claim.uid)
    elif row is not None and claim.uid not in {"", row.uid}:
        raise Refusal(
            400,
            f"Bad Request: body dashboard.uid: the dashboard with the id {row.dashboard_id} has the uid {row.uid!r}, "
            "which cannot be changed; save it without an id to make another one",
        )
    if row is not None and row.version != claim.version and not order.overwrite:
        raise Refusal(
            412,
            f"The dashboard has been changed by someone else: version {row.version} is there, and it is version "
            f"{claim.version} that was changed",
            details={"status": "version-mismatch", "version": row.version, "savedFrom": claim.version},
        )
    if row is None and order.overwrite:
        return find_dashboard_titled(connection, org_id, folder_id, order.document.title)
    check_title_free(connection, org_id, folder_id, order.document.title, row)
    return row


def _check_room(connection: sqlite3.Connection, org_id: int, limits: Dashboards) -> None:
    """Behind the write, which is undone by the refusal."""
    count, total = measure_dashboards(connection, org_id)
    if count > limits.max_dashboards:
        raise Refusal(403, f"Quota reached: the org has {limits.max_dashboards} dashboards (dashboards.max_dashboards)")
    if total > limits.org_bytes:
        raise Refusal(
            403,
            f"Quota reached: all versions of the org's dashboards would be {total} bytes, and {limits.org_bytes} are "
            "kept (dashboards.org_bytes)",
        )
