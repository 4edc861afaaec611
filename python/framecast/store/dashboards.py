"""Dashboards as they are kept: a row for each, and one for each of its versions that is kept, which has the document.

Rows are read and written as they are told; which version may follow which is decided elsewhere, in one transaction.
"""

import json
import sqlite3
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardRow:
    """What is known of a dashboard without its document. Its id is never given to another one."""

    dashboard_id: int
    org_id: int
    uid: str
    folder_id: int | None
    title: str
    tags: tuple[str, ...]
    version: int
    created: float
    """Unix seconds, as `updated`."""
    created_by: str
    """A login; "" for nobody in particular."""
    updated: float
    updated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version, without its document."""

    version_id: int
    dashboard_id: int
    version: int
    parent_version: int
    """The one that it replaced; 0 for the first."""
    restored_from: int
    """The one whose document it has; 0 for one that was saved."""
    message: str
    created: float
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What is to be written of one."""

    title: str
    tags: tuple[str, ...]
    folder_id: int | None
    document: bytes
    message: str
    login: str
    now: float
    restored_from: int = 0


_COLUMNS = "dashboard_id, org_id, uid, folder_id, title, tags, version, created, created_by, updated, updated_by"
_VERSION_COLUMNS = "version_id, dashboard_id, version, parent_version, restored_from, message, created, created_by"


def find_dashboard(connection: sqlite3.Connection, org_id: int, uid: str) -> DashboardRow | None:
    """The org's dashboard of this uid."""
    return _find(connection, "org_id = ? AND uid = ?", org_id, uid)


def find_dashboard_numbered(connection: sqlite3.Connection, org_id: int, dashboard_id: int) -> DashboardRow | None:
    """The org's dashboard of this id."""
    return _find(connection, "org_id = ? AND dashboard_id = ?", org_id, dashboard_id)


def find_dashboard_titled(
    connection: sqlite3.Connection, org_id: int, folder_id: int | None, title: str
) -> DashboardRow | None:
    """The dashboard of this very title in a folder of the org, or in none."""
    return _find(connection, "org_id = ? AND ifnull(folder_id, 0) = ? AND title = ?", org_id, folder_id or 0, title)


def read_dashboards(connection: sqlite3.Connection, org_id: int) -> list[DashboardRow]:
    """All of the org."""
    return _read(connection, "org_id = ?", org_id)


def read_dashboards_in(connection: sqlite3.Connection, folder_id: int) -> list[DashboardRow]:
    """All of one folder."""
    return _read(connection, "folder_id = ?", folder_id)


def find_version(connection: sqlite3.Connection, org_id: int, uid: str) -> int | None:
    """The newest version of the org's dashboard of this uid."""
    row = connection.execute("SELECT version FROM dashboards WHERE org_id = ? AND uid = ?", (org_id, uid)).fetchone()
    return None if row is None else int(row[0])


def measure_dashboards(connection: sqlite3.Connection, org_id: int) -> tuple[int, int]:
    """How many the org has, and the bytes of all their versions."""
    count, total = connection.execute(
        "SELECT count(*), ifnull(sum(kept_bytes), 0) FROM dashboards WHERE org_id = ?", (org_id,)
    ).fetchone()
    return int(count), int(total)


def read_document(connection: sqlite3.Connection, dashboard_id: int, version: int) -> bytes | None:
    """The document of one version that is kept."""
    row = connection.execute(
        "SELECT document FROM dashboard_versions WHERE dashboard_id = ? AND version = ?", (dashboard_id, version)
    ).fetchone()
    return None if row is None else bytes(row[0])


def read_versions(connection: sqlite3.Connection, dashboard_id: int) -> list[VersionRow]:
    """All versions that are kept, the newest first."""
    rows = connection.execute(
        f"SELECT {_VERSION_COLUMNS} FROM dashboard_versions WHERE dashboard_id = ? ORDER BY version DESC",  # noqa: S608 - our own columns
        (dashboard_id,),
    )
    names = _VERSION_COLUMNS.split(", ")
    return [VersionRow(**dict(zip(names, values, strict=True))) for values in rows]


def insert_dashboard(connection: sqlite3.Connection, org_id: int, uid: str, new: NewVersion) -> DashboardRow:
    """A new dashboard. Its version is the first, or the one behind the last that one of this uid had.

    IntegrityError when the org has one of that uid, or of that title in that folder.
    """
    last = connection.execute(
        "SELECT version FROM deleted_dashboards WHERE org_id = ? AND uid = ?", (org_id, uid)
    ).fetchone()
    version = 1 if last is None else int(last[0]) + 1
    cursor = connection.execute(
        "INSERT INTO dashboards (org_id, uid, folder_id, title, tags, version, kept_bytes, "
        "created, created_by, updated, updated_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (org_id, uid, new.folder_id, new.title, json.dumps(new.tags), version, len(new.document))
        + (new.now, new.login) * 2,
    )
    row = DashboardRow(
        dashboard_id=int(cursor.lastrowid or 0),
        org_id=org_id,
        uid=uid,
        folder_id=new.folder_id,
        title=new.title,
        tags=new.tags,
        version=version,
        created=new.now,
        created_by=new.login,
        updated=new.now,
        updated_by=new.login,
    )
    _insert_version(connection, row, new, parent_version=0)
    return row


def update_dashboard(connection: sqlite3.Connection, row: DashboardRow, new: NewVersion, *, keep: int) -> DashboardRow:
    """The dashboard's next version; of all versions the newest `keep` stay.

    IntegrityError when another dashboard in that folder has that title.
    """
    version = row.version + 1
    updated = replace(
        row,
        folder_id=new.folder_id,
        title=new.title,
        tags=new.tags,
        version=version,
        updated=new.now,
        updated_by=new.login,
    )
    _insert_version(connection, updated, new, parent_version=row.version)
    connection.execute(
        "DELETE FROM dashboard_versions WHERE dashboard_id = ? AND version <= ?", (row.dashboard_id, version - keep)
    )
    connection.execute(
        "UPDATE dashboards SET folder_id = ?, title = ?, tags = ?, version = ?, updated = ?, updated_by = ?, "
        "kept_bytes = (SELECT sum(length(document)) FROM dashboard_versions WHERE dashboard_id = ?) "
        "WHERE dashboard_id = ?",
        (new.folder_id, new.title, json.dumps(new.tags), version, new.now, new.login) + (row.dashboard_id,) * 2,
    )
    return updated


def delete_dashboard(connection: sqlite3.Connection, row: DashboardRow) -> None:
    """Delete a dashboard with all its versions; which was its last is remembered."""
    connection.execute("DELETE FROM dashboards WHERE dashboard_id = ?", (row.dashboard_id,))
    connection.execute(
        "INSERT OR REPLACE INTO deleted_dashboards (org_id, uid, version) VALUES (?, ?, ?)",
        (row.org_id, row.uid, row.version),
    )


def forget_deleted(connection: sqlite3.Connection, org_id: int, *, keep: int) -> None:
    """Forget the last versions of the org's deleted dashboards but for the `keep` newest."""
    connection.execute(
        "DELETE FROM deleted_dashboards WHERE number IN "
        "(SELECT number FROM deleted_dashboards WHERE org_id = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (org_id, keep),
    )


def _insert_version(connection: sqlite3.Connection, row: DashboardRow, new: NewVersion, *, parent_version: int) -> None:
    connection.execute(
        "INSERT INTO dashboard_versions "
        "(dashboard_id, version, parent_version, restored_from, message, created, created_by, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.dashboard_id,
            row.version,
            parent_version,
            new.restored_from,
            new.message,
            new.now,
            new.login,
            new.document,
        ),
    )


def _find(connection: sqlite3.Connection, condition: str, *values: object) -> DashboardRow | None:
    found = _read(connection, condition, *values)
    return found[0] if found else None


def _read(connection: sqlite3.Connection, condition: str, *values: object) -> list[DashboardRow]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM dashboards WHERE {condition}", values)  # noqa: S608 - our own words
    names = _COLUMNS.split(", ")
    found = []
    for row in rows:
        known = dict(zip(names, row, strict=True))
        found.append(DashboardRow(**{**known, "tags": tuple(json.loads(known["tags"]))}))
    return found
