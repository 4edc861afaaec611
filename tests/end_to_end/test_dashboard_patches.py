"""Screens that follow a dashboard by patches, as docs/dashboard-events.md says, and see the dashboard that there is."""

import json
import random
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import trio

from dashboard_edits import edit, panels
from end_to_end.conftest import ServerStarter
from end_to_end.programs import Happening, Program, python_subscriber
from end_to_end.sdk_programs import Sdk, SdkPrograms
from end_to_end.server import RunningServer
from naive_patch import apply_patch
from patience import PATIENCE_SECONDS

EDITS = 500
UID = "wall"
CHANNEL = f"grafana/dashboard/uid/{UID}"
JAVASCRIPT = Sdk("javascript", "json")

encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")


class Screen:
    """One device: it holds a dashboard, and asks for it again only where the three rules say so."""

    def __init__(self, program: Program, client: httpx.AsyncClient, *, knows_floats: bool) -> None:
        self.dashboard: Any = None
        self.patched = 0
        self.loaded = 0
        self._program = program
        self._client = client
        self._knows_floats = knows_floats
        self._connected = True

    async def follow(self) -> None:
        """Take what the program tells, in order, for ever."""
        at = 0
        while True:
            while at < len(self._program.events):
                at += 1
                await self._take(self._program.events[at - 1])
            await self._program.wait_for_news()

    async def until_version(self, version: int) -> None:
        while self.dashboard is None or self.dashboard["version"] != version:  # noqa: ASYNC110 - told by another task's turn
            await trio.sleep(0.01)

    async def turn_off_or_on(self) -> None:
        self._connected = not self._connected
        await self._program.do("connect" if self._connected else "disconnect")

    async def turn_on(self) -> None:
        if not self._connected:
            await self.turn_off_or_on()

    def sees(self, dashboard: Any) -> bool:
        """Whether it has this very dashboard; to JavaScript 1.0 and 1 are one number."""
        return self._plain(self.dashboard) == self._plain(dashboard)

    async def _take(self, told: Happening) -> None:
        if told["event"] == "subscribed":
            there = told.get("data")
            if there is not None and (self.dashboard is None or there["version"] != self.dashboard["version"]):
                await self._load()
        elif told["event"] == "publication":
            event = told["data"]
            if event["action"] != "saved" or event["version"] <= self.dashboard["version"]:
                return
            if event.get("patch") and event["previous"] == self.dashboard["version"]:
                self.dashboard = apply_patch(self.dashboard, event["patch"])
                self.patched += 1
                assert self.dashboard["version"] == event["version"]
            else:
                await self._load()

    async def _load(self) -> None:
        self.dashboard = await load(self._client)
        self.loaded += 1

    def _plain(self, value: Any) -> bytes:
        return encoder.encode(value if self._knows_floats else _without_floats(value))


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_floats(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_floats(one) for one in value]
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


async def load(client: httpx.AsyncClient) -> Any:
    answer = await client.get(f"/api/dashboards/uid/{UID}")
    return json.loads(answer.content, parse_float=Decimal)["dashboard"]


async def save_many(client: httpx.AsyncClient, screens: list[Screen], chance: random.Random) -> int:
    """Edit again and again, while screens are turned off and on; the last version."""
    dashboard = {"uid": UID, "title": "t", "panels": panels(15), "version": 1}
    for _ in range(EDITS):
        edit(dashboard, chance)
        answer = await client.post("/api/dashboards/db", json={"dashboard": dashboard})
        assert answer.status_code == 200, answer.text
        dashboard["version"] = answer.json()["version"]
        if chance.random() < 0.06:
            await chance.choice(screens).turn_off_or_on()
    for screen in screens:
        await screen.turn_on()
    return int(str(dashboard["version"]))


async def follow_all(server: RunningServer, programs: list[Program], seed: int) -> list[Screen]:
    """Save, follow, and check that every screen ends with the dashboard that the API returns."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        first = {"uid": UID, "title": "t", "panels": panels(15)}
        assert (await client.post("/api/dashboards/db", json={"dashboard": first})).status_code == 200
        screens = [Screen(program, client, knows_floats=number == 0) for number, program in enumerate(programs)]
        async with trio.open_nursery() as nursery:
            for screen, program in zip(screens, programs, strict=True):
                nursery.start_soon(screen.follow)
                await program.do("subscribe", channel=CHANNEL, data={"patch": True})
            version = await save_many(client, screens, random.Random(seed))
            for screen in screens:
                await screen.until_version(version)
            nursery.cancel_scope.cancel()
        dashboard = await load(client)
        for screen in screens:
            assert screen.sees(dashboard)
        return screens


async def test_screens_that_come_and_go_end_with_the_dashboard_that_there_is(
    start_server: ServerStarter, sdk_programs: SdkPrograms
) -> None:
    server = start_server()
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with (
            python_subscriber(server.subscribe_url) as python,
            sdk_programs.connected(JAVASCRIPT, server.address) as javascript,
        ):
            screens = await follow_all(server, [python, javascript], seed=8)
    for screen in screens:
        assert screen.patched > EDITS // 2, "patches were meant to carry most of it"
        assert screen.loaded < EDITS // 4
