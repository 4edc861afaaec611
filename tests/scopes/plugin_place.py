"""Channels of plugins and data sources without a server: the scope, a plugin that echoes, and subscribers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trio

from framecast.accounts.identity import Identity, Role
from framecast.channels.address import Address
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.lifetime import Lifetimes
from framecast.channels.outsiders import Outsiders
from framecast.errors import Refusal
from framecast.plugins import Column, Context, Frame, NotFoundError, PermissionDeniedError, Plugin
from framecast.plugins.asking import Asking
from framecast.plugins.instances import Instances
from framecast.plugins.sender import Sender
from framecast.plugins.table import Known, PluginTable
from framecast.protocol.codes import UnsubscribeCode
from framecast.scopes.changes import DataSourceChanges
from framecast.scopes.permitted import Permitted
from framecast.scopes.plugin import PluginScope
from framecast.settings import ChannelOverrides, Settings, Sources
from kept_sources import KeptSources
from live_world import Subscriber, World, live_world

ANN = Identity(1, "ann", Role.VIEWER)
BOB = Identity(1, "bob@x.org", Role.EDITOR)
TIME = datetime(2026, 1, 1, tzinfo=UTC)
Asked = tuple[Context, str, bytes]


def frame(*values: float) -> Frame:
    return Frame([Column("time", [TIME] * len(values)), Column("x", list(values), "float64")], name="f")


class Echo(Plugin):
    """Remembers what it was asked, and sends what it is handed."""

    def __init__(self, initial: Frame | bytes | None = None) -> None:
        self.initial = initial
        self.asked: list[Asked] = []
        self.ran: list[Asked] = []
        self._outbox, self._inbox = trio.open_memory_channel[Any](100)

    async def subscribe(self, context: Context, path: str, data: bytes) -> Frame | bytes | None:
        self.asked.append((context, path, data))
        match path:
            case "gone":
                raise NotFoundError("never heard of it")
            case "secret":
                raise PermissionDeniedError
            case "bug":
                raise ValueError("a bug")
            case "slow":
                await trio.sleep_forever()
            case "deaf":
                with trio.CancelScope(shield=True):
                    await trio.sleep(100)
        return self.initial

    async def publish(self, context: Context, path: str, data: bytes) -> bytes | None:
        if path == "swallow":
            return None
        return data if path != "other" else b'{"said":%b}' % data

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        self.ran.append((context, path, data))
        async for packet in self._inbox.clone():
            if isinstance(packet, Exception):
                raise packet
            await sender.send(packet)

    async def hand(self, *packets: Any) -> None:
        for packet in packets:
            await self._outbox.send(packet)
        await trio.sleep(0.001)


class Here:
    """The scope, and subscribers as connections have them."""

    def __init__(self, world: World, outsiders: Outsiders, plugins: dict[str, Plugin], limits: Sources) -> None:
        self.world = world
        self.ended: list[tuple[str, UnsubscribeCode]] = []
        """Subscriptions that the server has ended."""
        self.lifetimes = Lifetimes(world.hub, outsiders, limits)
        table = PluginTable(Known(name, plugin, "here") for name, plugin in plugins.items())
        settings = Settings(sources=limits)
        self.sources = KeptSources()
        instances = Instances(table, self.sources)
        self.sources.announce = DataSourceChanges(instances, self.lifetimes).take
        find = instances.of_channel
        self.scope = Permitted(PluginScope(world.hub, self.lifetimes, Asking(outsiders, limits), find, settings))

    async def join(
        self,
        path: str,
        identity: Identity = ANN,
        *,
        org_id: int = 1,
        data: bytes | None = None,
        returning: Position | None = None,
    ) -> tuple[Subscriber, Beginning]:
        address = channel(path, org_id)
        begin = await self.scope.subscribe(identity, address, data)
        beginning = begin(returning)
        subscriber = self.world.subscriber()
        self.world.hub.subscribe(subscriber.connection, address, str(address))
        self.world.hub.watch(subscriber.connection, lambda ended, code: self.ended.append((str(ended), code)))
        await trio.sleep(0.001)
        return subscriber, beginning

    async def refusal(self, path: str, identity: Identity = ANN, data: bytes | None = None) -> Refusal:
        with pytest.raises(Refusal) as caught:
            await self.join(path, identity, data=data)
        return caught.value


def channel(path: str, org_id: int = 1) -> Address:
    """``id/path`` of a plugin, or ``ds/uid/path`` of a data source."""
    scope, rest = ("ds", path[3:]) if path.startswith("ds/") else ("plugin", path)
    namespace, _, rest = rest.partition("/")
    return Address(org_id, scope, namespace, rest)


@asynccontextmanager
async def place(
    limits: Sources | None = None, channels: Mapping[str, ChannelOverrides] | None = None, **plugins: Plugin
) -> AsyncIterator[Here]:
    limits = limits or Sources()
    outsiders = Outsiders()
    async with (
        outsiders.open(limits.stop_seconds, abandon=lambda: None),
        live_world(channels=channels) as world,
        trio.open_nursery() as nursery,
    ):
        here = Here(world, outsiders, plugins, limits)
        await nursery.start(here.lifetimes.run)
        yield here
        nursery.cancel_scope.cancel()
