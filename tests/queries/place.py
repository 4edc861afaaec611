"""A desk of queries in memory, with data sources and plugins of a test's choice, on a clock that jumps."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import trio

from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.channels.outsiders import Outsiders
from framecast.errors import Refusal
from framecast.plugins.asking import Asking
from framecast.plugins.instances import Instances
from framecast.plugins.plugin import Plugin
from framecast.plugins.querying import Querying
from framecast.plugins.table import Known, PluginTable
from framecast.queries.desk import QueryDesk
from framecast.settings import Queries, Sources
from kept_sources import KeptSources

VIEWER = replace(DEVELOPER, login="vic", role=Role.VIEWER, server_admin=False)
NOW_SECONDS = 1_700_000_000.0


class NumberedSources(KeptSources):
    """As `KeptSources`, each with the number 7 and found by it."""

    async def uid_of(self, org_id: int, datasource_id: int) -> str:
        if datasource_id != 7:
            raise Refusal(404, "no such number")
        return "seven"


@dataclass
class Place:
    desk: QueryDesk
    sources: NumberedSources
    outsiders: Outsiders

    async def ask(
        self, *queries: Mapping[str, Any], caller: Identity = VIEWER, begin: str = "1000", end: str = "2000"
    ) -> Any:
        """The results, and whether one of them failed."""
        body = msgspec.json.encode({"queries": queries, "from": begin, "to": end})
        results = await self.desk.answer(caller, body)
        return msgspec.json.decode(results.body)["results"], results.failed


def of(uid: str, ref_id: str = "A", **more: Any) -> dict[str, Any]:
    """A query to the data source of this uid."""
    return {"refId": ref_id, "datasource": {"uid": uid, "type": "any"}, **more}


@asynccontextmanager
async def query_place(plugins: Mapping[str, Plugin], **limits: Any) -> AsyncIterator[Place]:
    """One data source for each plugin, by the plugin's id."""
    outsiders, sources = Outsiders(), NumberedSources()
    table = PluginTable([Known(plugin_id, plugin, "a test") for plugin_id, plugin in plugins.items()])
    for plugin_id in plugins:
        sources.set(plugin_id, type=plugin_id, url=f"http://{plugin_id}")
    settings = Queries(**limits)
    querying = Querying(Asking(outsiders, Sources()), settings)
    desk = QueryDesk(Instances(table, sources), sources, querying, settings, lambda: NOW_SECONDS)
    with trio.fail_after(100_000):
        async with outsiders.open(5):
            yield Place(desk, sources, outsiders)
