"""The application without a socket, over the live half of a server, and a client for it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from framecast.accounts.gate import Gate, Stands, open_gate, whoever_got_in
from framecast.accounts.identity import Identity, Role
from framecast.api.app import GateMiddleware, build_app
from framecast.api.collector import CoreCollector
from framecast.api.influx import LateWrite
from framecast.api.publish import Publishing
from framecast.api.push import LatePush
from framecast.client.inbox import waiting_budget
from framecast.door.head import RequestHead
from framecast.ingest.http import HttpPush
from framecast.ingest.influx import InfluxWrites
from framecast.ingest.push import Intake
from framecast.routes import build_check
from framecast.scopes.dashboard import DashboardRules
from framecast.settings import ChannelOverrides, Server, Settings, Streams
from framecast.streams.table import ListedChannel
from live_world import World, live_world

OTHER_ORG = Identity(org_id=2, login="", role=Role.VIEWER)


async def as_other_org(head: RequestHead) -> Identity:
    """A gate that takes everybody for one of another org."""
    return OTHER_ORG


SETTINGS = Settings(server=Server(dev=True))


@dataclass
class Site:
    world: World
    app: Any
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        # An application's error is answered with 500 and raised as well; hypercorn logs what is raised.
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")


@asynccontextmanager
async def site(
    gate: Gate = open_gate,
    push: Any = None,
    streams: Streams | None = None,
    clock: Callable[[], float] = trio.current_time,
    routes: Sequence[BaseRoute] = (),
    channels: Mapping[str, ChannelOverrides] | None = None,
    dashboards: DashboardRules | None = None,
    listed: Sequence[ListedChannel] = (),
    stands: Stands = whoever_got_in,
) -> AsyncIterator[Site]:
    async with live_world(streams=streams, clock=clock, channels=channels, dashboards=dashboards) as world:
        registry = CollectorRegistry()
        registry.register(CoreCollector(world.fanout, world.hub, world.streams))
        intake = Intake(world.streams, gate, SETTINGS.push)
        late, write = LatePush(HttpPush(intake)), LateWrite(InfluxWrites(intake))
        publishing = Publishing(world.scopes, SETTINGS.live, waiting_budget(SETTINGS.live))
        all_routes = [*routes, *publishing.routes()]
        inner = build_app(world.streams, registry, all_routes, push or late.serve, write.serve, listed=listed)
        app = GateMiddleware(inner, gate, build_check(SETTINGS), stands)
        site = Site(world, app)
        async with site.client:
            yield site


def check_problem(answer: httpx.Response, status: int) -> str:
    """JSON with one message; returns it."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["message"]
    return str(document["message"])
