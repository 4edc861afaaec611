"""What cannot be read is told to who asked, and may be asked again. (Changes: tests of accounts, dashboards.)"""

import sqlite3
from pathlib import Path

import pytest
import structlog

from framecast.errors import Refusal
from framecast.settings import Accounts, Store
from framecast.store.clerk import Clerk
from framecast.store.database import open_database


async def test_what_cannot_be_read_is_503_for_now_and_logged(tmp_path: Path) -> None:
    def read(connection: sqlite3.Connection) -> list[tuple[int]]:
        return connection.execute("SELECT 1 FROM nowhere").fetchall()

    async with open_database(tmp_path, Store()) as database:
        clerk = Clerk(database, Accounts(), "accounts")
        with structlog.testing.capture_logs() as logs, pytest.raises(Refusal, match="the accounts cannot") as refused:
            await clerk.look(read)
        assert (refused.value.code, refused.value.temporary) == (503, True)
        assert [line["event"] for line in logs] == ["accounts not read"]
        assert await clerk.look(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
