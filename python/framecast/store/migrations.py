"""The database's tables, step by step. A step that was released is never changed; what comes later is a new one."""

import sqlite3
from collections.abc import Sequence

Step = Sequence[str]
"""SQL statements that belong together."""

MIGRATIONS: Sequence[Step] = (
    (
        # A stream's channels in the order in which they began. The text is the core's own; nobody else reads it.
        """
        CREATE TABLE columns (
            number INTEGER PRIMARY KEY,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            stream TEXT NOT NULL CHECK (typeof(stream) = 'text'),
            path TEXT NOT NULL CHECK (typeof(path) = 'text'),
            frame_format TEXT NOT NULL CHECK (typeof(frame_format) = 'text'),
            columns BLOB NOT NULL CHECK (typeof(columns) = 'blob'),
            UNIQUE (org_id, stream, path)
        )
        """,
    ),
    # Accounts. AUTOINCREMENT, because a number that was somebody's must never be somebody else's.
    (
        """
        CREATE TABLE orgs (
            org_id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text'),
            created REAL NOT NULL CHECK (typeof(created) = 'real')
        )
        """,
        """
        CREATE TABLE users (
            user_id INTEGER PRIMARY KEY AUTOINCREMENT,
            login TEXT NOT NULL UNIQUE CHECK (typeof(login) = 'text'),
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            email TEXT NOT NULL CHECK (typeof(email) = 'text'),
            password_hash TEXT NOT NULL CHECK (typeof(password_hash) = 'text'),
            server_admin INTEGER NOT NULL CHECK (server_admin IN (0, 1)),
            disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            created REAL NOT NULL CHECK (typeof(created) = 'real')
        )
        """,
        """
        CREATE TABLE memberships (
            user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
            org_id INTEGER NOT NULL REFERENCES orgs ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('Viewer', 'Editor', 'Admin')),
            PRIMARY KEY (user_id, org_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE service_tokens (
            token_id INTEGER PRIMARY KEY AUTOINCREMENT,
            org_id INTEGER NOT NULL REFERENCES orgs ON DELETE CASCADE,
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            role TEXT NOT NULL CHECK (role IN ('Viewer', 'Editor', 'Admin')),
            server_admin INTEGER NOT NULL CHECK (server_admin IN (0, 1)),
            push_list TEXT,
            read_list TEXT,
            secret_hash BLOB NOT NULL UNIQUE CHECK (typeof(secret_hash) = 'blob'),
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            expires REAL,
            expired INTEGER NOT NULL CHECK (expired IN (0, 1)),
            CHECK ((push_list IS NULL) = (read_list IS NULL)),
            UNIQUE (org_id, name)
        )
        """,
        """
        CREATE TABLE sessions (
            session_id INTEGER PRIMARY KEY AUTOINCREMENT,
            user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
            org_id INTEGER NOT NULL REFERENCES orgs ON DELETE CASCADE,
            secret_hash BLOB NOT NULL UNIQUE CHECK (typeof(secret_hash) = 'blob'),
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            seen REAL NOT NULL CHECK (typeof(seen) = 'real')
        )
        """,
        "CREATE INDEX sessions_of_users ON sessions (user_id)",
    ),
    (
        # The last message of each broadcast channel, by number the oldest first. No reference to orgs: with --dev, and
        # for those whose tokens come from elsewhere, there are messages of an org that has no row.
        """
        CREATE TABLE broadcasts (
            number INTEGER PRIMARY KEY,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            path TEXT NOT NULL CHECK (typeof(path) = 'text'),
            message BLOB NOT NULL CHECK (typeof(message) = 'blob'),
            UNIQUE (org_id, path)
        )
        """,
        """
        CREATE TRIGGER broadcasts_go_with_their_org AFTER DELETE ON orgs
        BEGIN DELETE FROM broadcasts WHERE org_id = OLD.org_id; END
        """,
    ),
    (
        # Dashboards and their folders, without a reference to orgs, for the same reasons. What a dashboard is stands in
        # its versions, the newest of which it names. Logins are kept as they were: an author may be nobody's row.
        """
        CREATE TABLE folders (
            folder_id INTEGER PRIMARY KEY AUTOINCREMENT,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            uid TEXT NOT NULL CHECK (typeof(uid) = 'text'),
            title TEXT NOT NULL CHECK (typeof(title) = 'text'),
            version INTEGER NOT NULL CHECK (version > 0),
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            created_by TEXT NOT NULL,
            updated REAL NOT NULL CHECK (typeof(updated) = 'real'),
            updated_by TEXT NOT NULL,
            UNIQUE (org_id, uid),
            UNIQUE (org_id, title)
        )
        """,
        """
        CREATE TABLE dashboards (
            dashboard_id INTEGER PRIMARY KEY AUTOINCREMENT,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            uid TEXT NOT NULL CHECK (typeof(uid) = 'text'),
            folder_id INTEGER REFERENCES folders,
            title TEXT NOT NULL CHECK (typeof(title) = 'text'),
            tags TEXT NOT NULL CHECK (typeof(tags) = 'text'),
            version INTEGER NOT NULL CHECK (version > 0),
            kept_bytes INTEGER NOT NULL CHECK (kept_bytes > 0),
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            created_by TEXT NOT NULL,
            updated REAL NOT NULL CHECK (typeof(updated) = 'real'),
            updated_by TEXT NOT NULL,
            UNIQUE (org_id, uid)
        )
        """,
        # Within a folder no title stands twice; no folder is one, too, which a column that is NULL would not say.
        "CREATE UNIQUE INDEX dashboards_by_title ON dashboards (org_id, ifnull(folder_id, 0), title)",
        "CREATE INDEX dashboards_by_folder ON dashboards (folder_id)",
        "CREATE INDEX dashboards_by_size ON dashboards (org_id, kept_bytes)",
        """
        CREATE TABLE dashboard_versions (
            version_id INTEGER PRIMARY KEY AUTOINCREMENT,
            dashboard_id INTEGER NOT NULL REFERENCES dashboards ON DELETE CASCADE,
            version INTEGER NOT NULL CHECK (version > 0),
            parent_version INTEGER NOT NULL,
            restored_from INTEGER NOT NULL,
            message TEXT NOT NULL,
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            created_by TEXT NOT NULL,
            document BLOB NOT NULL CHECK (typeof(document) = 'blob'),
            UNIQUE (dashboard_id, version)
        )
        """,
        # The last versions of dashboards that are gone: one of the same uid must not have the same version again, or
        # a screen that slept would take the new one for the one that it has.
        """
        CREATE TABLE deleted_dashboards (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            org_id INTEGER NOT NULL,
            uid TEXT NOT NULL,
            version INTEGER NOT NULL,
            UNIQUE (org_id, uid)
        )
        """,
        """
        CREATE TRIGGER dashboards_go_with_their_org AFTER DELETE ON orgs
        BEGIN
            DELETE FROM dashboards WHERE org_id = OLD.org_id;
            DELETE FROM folders WHERE org_id = OLD.org_id;
            DELETE FROM deleted_dashboards WHERE org_id = OLD.org_id;
        END
        """,
    ),
    (
        # Data sources, without a reference to orgs, for the same reasons. A secret is a row, sealed (sealing.py).
        """
        CREATE TABLE datasources (
            datasource_id INTEGER PRIMARY KEY AUTOINCREMENT,
            org_id INTEGER NOT NULL CHECK (typeof(org_id) = 'integer'),
            uid TEXT NOT NULL CHECK (typeof(uid) = 'text'),
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            type TEXT NOT NULL CHECK (typeof(type) = 'text'),
            url TEXT NOT NULL CHECK (typeof(url) = 'text'),
            access TEXT NOT NULL CHECK (access IN ('proxy', 'direct')),
            database_name TEXT NOT NULL CHECK (typeof(database_name) = 'text'),
            user_name TEXT NOT NULL CHECK (typeof(user_name) = 'text'),
            basic_auth INTEGER NOT NULL CHECK (basic_auth IN (0, 1)),
            basic_auth_user TEXT NOT NULL CHECK (typeof(basic_auth_user) = 'text'),
            with_credentials INTEGER NOT NULL CHECK (with_credentials IN (0, 1)),
            is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
            json_data BLOB NOT NULL CHECK (typeof(json_data) = 'blob'),
            read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
            prunable INTEGER NOT NULL CHECK (prunable IN (0, 1)),
            version INTEGER NOT NULL CHECK (version > 0),
            created REAL NOT NULL CHECK (typeof(created) = 'real'),
            updated REAL NOT NULL CHECK (typeof(updated) = 'real'),
            UNIQUE (org_id, uid),
            UNIQUE (org_id, name)
        )
        """,
        "CREATE UNIQUE INDEX default_datasources ON datasources (org_id) WHERE is_default = 1",
        """
        CREATE TABLE datasource_secrets (
            datasource_id INTEGER NOT NULL REFERENCES datasources ON DELETE CASCADE,
            key TEXT NOT NULL CHECK (typeof(key) = 'text'),
            sealed BLOB NOT NULL CHECK (typeof(sealed) = 'blob'),
            PRIMARY KEY (datasource_id, key)
        ) WITHOUT ROWID
        """,
        """
        CREATE TRIGGER datasources_go_with_their_org AFTER DELETE ON orgs
        BEGIN DELETE FROM datasources WHERE org_id = OLD.org_id; END
        """,
    ),
    (
        # How much may be sent with a token. NULL is what the settings say, 0 no limit.
        "ALTER TABLE service_tokens ADD COLUMN requests_per_second REAL CHECK (requests_per_second >= 0)",
        "ALTER TABLE service_tokens ADD COLUMN bytes_per_second REAL CHECK (bytes_per_second >= 0)",
        "ALTER TABLE service_tokens ADD COLUMN body_bytes INTEGER CHECK (body_bytes > 0)",
    ),
)


class NewerDatabaseError(Exception):
    """The database was made by a later release; `version` is its, `known` the newest of this one."""

    def __init__(self, version: int, known: int) -> None:
        super().__init__(f"version {version}, known up to {known}")
        self.version = version
        self.known = known


def migrate(connection: sqlite3.Connection, steps: Sequence[Step] = MIGRATIONS) -> None:
    """Take the steps that the database has not taken yet, each in a transaction of its own.

    NewerDatabaseError, and nothing is touched, when it has taken more than there are.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= len(steps):
        raise NewerDatabaseError(version, len(steps))
    for number, statements in enumerate(steps[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
