"""A server that is killed while dashboards are saved: what was acknowledged is there, whole, and nothing else."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

from end_to_end.programs import Program, python_subscriber
from end_to_end.server import RunningServer, serve_command
from patience import PATIENCE_SECONDS

SAVES = 1_000
KILLS = 5
BOARDS = ("a", "b", "c", "d")
SETTINGS = ("dashboards.versions=5000",)


def content(uid: str, number: int) -> dict[str, Any]:
    """What save `number` of a dashboard holds; about a page and a half of the database, and never the same."""
    chance = random.Random(f"{uid}{number}")
    return {"title": f"{uid} {number}", "number": number, "noise": [chance.random() for _ in range(300)]}


@dataclass
class Saver:
    """Saves one dashboard again and again, each version made from the last that was acknowledged."""

    uid: str
    acknowledged: dict[int, int] = field(default_factory=dict)
    """The number of each acknowledged save, by its version."""
    number: int = 0
    version: int = 0

    async def save(self, client: httpx.AsyncClient) -> None:
        """One save; what httpx raises when the server goes tells that this one was not acknowledged."""
        self.number += 1
        board = {**content(self.uid, self.number), "uid": self.uid, "version": self.version}
        answer = await client.post("/api/dashboards/db", json={"dashboard": board})
        assert answer.status_code == 200, answer.text
        self.version = answer.json()["version"]
        self.acknowledged[self.version] = self.number


async def save_until_killed(server: RunningServer, savers: list[Saver], count: int) -> None:
    """Save from several connections at once, and kill the server when so many more were acknowledged."""
    wanted = sum(len(saver.acknowledged) for saver in savers) + count

    async def save_on(saver: Saver) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
            try:
                while True:
                    await saver.save(client)
                    if sum(len(one.acknowledged) for one in savers) >= wanted:
                        server.process.kill()
            except httpx.TransportError:
                return

    async with trio.open_nursery() as nursery:
        for saver in savers:
            nursery.start_soon(save_on, saver)


async def check_kept(server: RunningServer, savers: list[Saver]) -> None:
    """Every acknowledged version is there and whole; at most the one that was on its way is there besides."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        for saver in savers:
            one = f"/api/dashboards/uid/{saver.uid}"
            shown = (await client.get(one)).json()
            newest = shown["dashboard"]["version"]
            assert saver.version <= newest <= saver.version + 1
            listed = (await client.get(f"{one}/versions")).json()["versions"]
            assert [row["version"] for row in listed] == list(range(newest, 0, -1))
            for version in {*random.Random(newest).sample(range(1, newest + 1), 20), newest, saver.version}:
                data = (await client.get(f"{one}/versions/{version}")).json()["data"]
                number = saver.acknowledged.get(version, data["number"])
                assert data == {**content(saver.uid, number), "id": data["id"], "uid": saver.uid, "version": version}
            saver.version = newest


def check_told(program: Program, savers: list[Saver], before: dict[str, int]) -> None:
    """Events were of the versions behind those that there were, each once and in their order."""
    told: dict[str, list[int]] = defaultdict(list)
    for event in program.all("publication"):
        told[event["data"]["uid"]].append(event["data"]["version"])
    for saver in savers:
        first = before[saver.uid] + 1
        assert told[saver.uid] == list(range(first, first + len(told[saver.uid])))
        assert max(told[saver.uid], default=0) <= saver.version


async def test_no_acknowledged_save_is_lost_and_none_is_half(tmp_path: Path) -> None:
    savers = [Saver(uid) for uid in BOARDS]
    log = tmp_path / "stderr.log"
    server = RunningServer(serve_command(tmp_path / "data", *SETTINGS), log)
    try:
        with trio.fail_after(2 * PATIENCE_SECONDS):
            async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
                for saver in savers:
                    await saver.save(client)
            for _ in range(KILLS):
                before = {saver.uid: saver.version for saver in savers}
                async with python_subscriber(server.subscribe_url) as program:
                    for uid in BOARDS:
                        reply = await program.subscribe(f"grafana/dashboard/uid/{uid}")
                        assert reply["data"] == {"uid": uid, "version": before[uid]}
                    await save_until_killed(server, savers, SAVES // KILLS)
                server.kill()
                server = RunningServer(serve_command(tmp_path / "data", *SETTINGS), log)
                await check_kept(server, savers)
                check_told(program, savers, before)
            server.stop()
        assert sum(len(saver.acknowledged) for saver in savers) >= SAVES
    finally:
        server.kill()
