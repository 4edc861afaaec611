"""Folders of dashboards as they are kept: a row for each. Who may what, and what titles may be, is not decided here."""

import sqlite3
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. Its id is never given to another one."""

    folder_id: int
    org_id: int
    uid: str
    title: str
    version: int
    created: float
    """Unix seconds, as `updated`."""
    created_by: str
    """A login; "" for nobody in particular."""
    updated: float
    updated_by: str


_COLUMNS = "folder_id, org_id, uid, title, version, created, created_by, updated, updated_by"


def find_folder(connection: sqlite3.Connection, org_id: int, uid: str) -> Folder | None:
    """The org's folder of this uid."""
    return _find(connection, "org_id = ? AND uid = ?", org_id, uid)


def find_folder_numbered(connection: sqlite3.Connection, org_id: int, folder_id: int) -> Folder | None:
    """The org's folder of this id."""
    return _find(connection, "org_id = ? AND folder_id = ?", org_id, folder_id)


def find_folder_titled(connection: sqlite3.Connection, org_id: int, title: str) -> Folder | None:
    """The org's folder of this very title."""
    return _find(connection, "org_id = ? AND title = ?", org_id, title)


def read_folders(connection: sqlite3.Connection, org_id: int) -> list[Folder]:
    """All of the org."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM folders WHERE org_id = ?", (org_id,))  # noqa: S608 - our own columns
    return [Folder(*values) for values in rows]


def count_folders(connection: sqlite3.Connection, org_id: int) -> int:
    """How many the org has."""
    [count] = connection.execute("SELECT count(*) FROM folders WHERE org_id = ?", (org_id,)).fetchone()
    return int(count)


def insert_folder(
    connection: sqlite3.Connection, org_id: int, *, uid: str, title: str, login: str, now: float
) -> Folder:
    """A new folder. IntegrityError when the org has one of that uid or title."""
    cursor = connection.execute(
        "INSERT INTO folders (org_id, uid, title, version, created, created_by, updated, updated_by) "
        "VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
        (org_id, uid, title, now, login, now, login),
    )
    return Folder(int(cursor.lastrowid or 0), org_id, uid, title, 1, now, login, now, login)


def retitle_folder(connection: sqlite3.Connection, folder: Folder, *, title: str, login: str, now: float) -> Folder:
    """The folder's next version, with another title. IntegrityError when the org has one of that title."""
    connection.execute(
        "UPDATE folders SET title = ?, version = ?, updated = ?, updated_by = ? WHERE folder_id = ?",
        (title, folder.version + 1, now, login, folder.folder_id),
    )
    return replace(folder, title=title, version=folder.version + 1, updated=now, updated_by=login)


def delete_folder(connection: sqlite3.Connection, folder_id: int) -> None:
    """Delete a folder that is empty. IntegrityError when it is not."""
    connection.execute("DELETE FROM folders WHERE folder_id = ?", (folder_id,))


def _find(connection: sqlite3.Connection, condition: str, *values: object) -> Folder | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM folders WHERE {condition}", values).fetchone()  # noqa: S608 - our own words
    return None if row is None else Folder(*row)
