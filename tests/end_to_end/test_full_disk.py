"""A server whose files cannot grow: saves are refused and say so, nothing half is kept, and with room all goes on.

The limit is the process's own (RLIMIT_FSIZE), which the system enforces as it does the end of a disk, with EFBIG in the
place of ENOSPC; SQLite calls the one an I/O error and the other a full disk (tests/dashboards/test_archive.py).
"""

import resource
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

from end_to_end.programs import python_subscriber
from end_to_end.server import RunningServer, serve_command
from patience import PATIENCE_SECONDS

ROOM_BYTES = 300_000
"""Some saves' worth."""

MANY = 200
"""Saves, of which not all fit."""


@dataclass
class Saver:
    """Saves one dashboard again and again, each version made from the last that was acknowledged."""

    client: httpx.AsyncClient
    version: int = 0
    number: int = 0
    acknowledged: dict[int, int] = field(default_factory=dict)

    async def save(self) -> httpx.Response:
        self.number += 1
        board = {"uid": "u", "title": "T", "version": self.version, "number": self.number, "text": "x" * 20_000}
        answer = await self.client.post("/api/dashboards/db", json={"dashboard": board})
        if answer.status_code == 200:
            self.version = answer.json()["version"]
            self.acknowledged[self.version] = self.number
        return answer

    async def check_kept(self) -> None:
        """What was acknowledged is there, and nothing else."""
        shown = (await self.client.get("/api/dashboards/uid/u")).json()["dashboard"]
        assert (shown["version"], shown["number"]) == (self.version, self.acknowledged[self.version])
        listed = (await self.client.get("/api/dashboards/uid/u/versions")).json()["versions"]
        assert [row["version"] for row in listed] == sorted(self.acknowledged, reverse=True)


def limit_files(server: RunningServer, bytes_: int) -> None:
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))


def largest_file(data: Path) -> int:
    return max(file.stat().st_size for file in data.iterdir())


async def create_token(client: httpx.AsyncClient, name: str) -> Any:
    return await client.post("/api/tokens", json={"name": name})


async def test_a_save_without_room_is_refused_and_the_next_one_with_room_is_kept(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "stderr.log"
    server = RunningServer(serve_command(data, "dashboards.versions=5000"), log)
    try:
        with trio.fail_after(2 * PATIENCE_SECONDS):
            async with (
                httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client,
                python_subscriber(server.subscribe_url) as program,
            ):
                saver = Saver(client)
                assert (await saver.save()).status_code == 200
                await program.subscribe("grafana/dashboard/uid/u")
                limit_files(server, largest_file(data) + ROOM_BYTES)
                answers = [await saver.save() for _ in range(MANY)]
                check_refused(answers)
                await saver.check_kept()
                limit_files(server, 1)
                await check_nothing_fits(saver)
                limit_files(server, resource.RLIM_INFINITY)
                assert (await saver.save()).status_code == 200
                assert (await create_token(client, "again")).status_code == 200
                await saver.check_kept()
                told = await program.wait_for_count("publication", len(saver.acknowledged) - 1)
                assert [event["data"]["version"] for event in told] == list(range(2, saver.version + 1))
        server.stop()
        server.kill()
        assert "dashboards not saved" in log.read_text()
        server = RunningServer(serve_command(data, "dashboards.versions=5000"), log)
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
            saver.client = client
            await saver.check_kept()
            assert [token["name"] for token in (await client.get("/api/tokens")).json()] == ["again"]
        server.stop()
    finally:
        server.kill()
    with closing(sqlite3.connect(data / "framecast.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def check_refused(answers: list[httpx.Response]) -> None:
    """Some were taken; the others say that they were not saved, and why."""
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < MANY
    for answer in refused:
        assert answer.status_code in {503, 507}
        assert "nothing was saved" in answer.json()["message"]


async def check_nothing_fits(saver: Saver) -> None:
    """Not a byte is written any more, of the log neither: what needs no disk goes on, and the rest says so."""
    check = [await saver.save(), await create_token(saver.client, "refused")]
    for answer in check:
        assert answer.status_code in {503, 507}
        assert "saved" in answer.json()["message"]
    assert (await saver.client.get("/api/tokens")).json() == []
    assert (await saver.client.post("/api/live/push/cpu", content=b"m f=1\n")).status_code == 204
    await saver.check_kept()
