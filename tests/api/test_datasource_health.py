"""How a data source is, over HTTP: what its plugin says, in Grafana's words and statuses, and who may ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from site_of_app import check_problem, site

from datasource_desk import datasource_desk, order
from framecast.accounts.identity import DEVELOPER, Identity, Reach, Role
from framecast.api.datasource_health import HealthRoutes
from framecast.channels.outsiders import Outsiders
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.plugins import Context, Health, Plugin
from framecast.plugins.asking import Asking
from framecast.plugins.health import HealthChecks
from framecast.plugins.instances import Instances
from framecast.plugins.table import Known, PluginTable
from framecast.settings import Sources
from patience import PATIENCE_SECONDS

VIEWER = replace(DEVELOPER, login="vic", role=Role.VIEWER, server_admin=False)
SAYS: dict[str, Any] = {
    "well": Health("ok", "Data source is working", {"version": "9.1"}),
    "ill": Health("error", "no route to host"),
    "odd": Health("unknown"),
    "silent": None,
    "nonsense": "fine, thanks",
    "unspeakable": Health("ok", "", {"x": object()}),
}


class Telling(Plugin):
    """Is as its data source is called."""

    def __init__(self) -> None:
        self.asked: list[Context] = []

    async def check_health(self, context: Context) -> Health | None:
        self.asked.append(context)
        assert context.data_source is not None
        match context.data_source.uid:
            case "slow":
                await trio.sleep_forever()
            case "down":
                raise Refusal(503, "the plugin p does not run", temporary=True)
            case "broken":
                raise RuntimeError("a bug")
        return SAYS[context.data_source.uid]  # type: ignore[no-any-return]  # some of it is no health, and is found out


class Office:
    def __init__(self, client: httpx.AsyncClient, plugin: Telling) -> None:
        self.caller: Identity = VIEWER
        self.plugin = plugin
        self._client = client

    async def get(self, which: str, caller: Identity = VIEWER) -> httpx.Response:
        self.caller = caller
        return await self._client.get(f"/api/datasources/{which}/health")


@asynccontextmanager
async def office(folder: Path, *uids: str, ask_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[Office]:
    outsiders, limits, plugin = Outsiders(), Sources(ask_seconds=ask_seconds), Telling()
    table = PluginTable([Known("p", plugin, "here")])
    found: list[Office] = []

    async def gate(head: RequestHead) -> Identity:
        return found[0].caller

    async with outsiders.open(limits.stop_seconds), datasource_desk(folder) as desk:
        for uid in uids:
            await desk.registry.create(1, order(uid, uid=uid, type="p", secrets={"password": "sesame"}))
        checks = HealthChecks(Instances(table, desk.registry), Asking(outsiders, limits))
        async with site(gate=gate, routes=HealthRoutes(desk.registry, checks).routes()) as here:
            found.append(Office(here.client, plugin))
            yield found[0]


@pytest.mark.parametrize(
    ("uid", "status", "answer"),
    [
        ("well", 200, {"status": "OK", "message": "Data source is working", "details": {"version": "9.1"}}),
        ("ill", 400, {"status": "ERROR", "message": "no route to host"}),
        ("odd", 400, {"status": "UNKNOWN", "message": ""}),
    ],
)
async def test_it_says_what_the_plugin_says(tmp_path: Path, uid: str, status: int, answer: Any) -> None:
    async with office(tmp_path, uid) as here:
        for which in (f"uid/{uid}", "1"):
            got = await here.get(which)
            assert (got.status_code, got.json()) == (status, answer)
        asked = here.plugin.asked[0]
        assert (asked.org_id, asked.channel, asked.user and asked.user.login) == (1, "", "vic")
        assert asked.data_source is not None
        assert asked.data_source.secrets == {"password": "sesame"}


@pytest.mark.parametrize(
    ("uid", "status", "words"),
    [
        ("silent", 404, "does not tell"),
        ("nonsense", 500, "failed to answer"),
        ("unspeakable", 500, "failed to answer"),
        ("broken", 500, "failed to answer"),
        ("slow", 504, "did not answer about the health of the data source slow in time"),
        ("down", 503, "does not run"),
        ("none", 404, "no data source 'none'"),
    ],
)
async def test_where_there_is_no_answer_it_says_why(tmp_path: Path, uid: str, status: int, words: str) -> None:
    seconds = 0.05 if uid == "slow" else PATIENCE_SECONDS
    async with office(tmp_path, *({uid} - {"none"}), ask_seconds=seconds) as here:
        assert words in check_problem(await here.get(f"uid/{uid}"), status)


async def test_who_may_not_see_its_streams_is_told_nothing_of_it(tmp_path: Path) -> None:
    async with office(tmp_path, "well") as here:
        for caller, status in (
            (replace(VIEWER, org_id=2), 404),
            (replace(VIEWER, role=Role.ADMIN, reach=Reach(read=("*",))), 403),
        ):
            for which in ("uid/well", "1"):
                check_problem(await here.get(which, caller), status)
        assert here.plugin.asked == []
