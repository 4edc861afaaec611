"""For authors of plugins: a host in memory, that asks and runs a plugin as a server does, on any clock of Trio's.

``async with hosted(Weather()) as host: stream = await host.subscribe("bern")``, then ``await stream.receive()``. With
Trio's ``MockClock`` an hour of a stream takes no time. Limits, restarts and grace time are a server's own.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import trio

from framecast._core import Fanout
from framecast.accounts.identity import Identity, Role
from framecast.brokers.memory import MemoryBroker
from framecast.channels.address import Address, parse_address, parse_key
from framecast.channels.broker import Draft, Publication
from framecast.channels.hold_ups import HoldUps
from framecast.channels.hub import Hub
from framecast.channels.lifetime import Lifetimes
from framecast.channels.outsiders import Outsiders
from framecast.logs import shown_to_people
from framecast.plugins.answers import packet_of_answer
from framecast.plugins.asking import Asking, Question
from framecast.plugins.frames import Frame
from framecast.plugins.health import ask_health
from framecast.plugins.instances import DATA_SOURCE_SCOPE, Instance
from framecast.plugins.plugin import DataSource, Health, Plugin
from framecast.plugins.query import Query, Room
from framecast.plugins.querying import Querying
from framecast.plugins.stream import PluginStream, check_owner, tell_stream
from framecast.settings import MIB, History, Queries, Sources

PLUGIN_ID = "under-test"
"""The plugin's id where a test gives it none."""


class Subscription:
    """What one subscriber sees of a stream."""

    def __init__(self, initial: Any) -> None:
        self.initial = initial
        """What it began with, read as JSON; None for nothing."""
        self._outbox, self._inbox = trio.open_memory_channel[bytes](float("inf"))

    async def receive(self) -> Any:
        """The next packet, read as JSON. Give it a deadline: a stream may never send."""
        return json.loads(await self._inbox.receive())

    def receive_nowait(self) -> Any:
        """The next packet that has come already. trio.WouldBlock when there is none."""
        return json.loads(self._inbox.receive_nowait())

    def take(self, packet: bytes) -> None:
        """Belongs to the host."""
        self._outbox.send_nowait(packet)


class Host:
    """One plugin, and who is subscribed to its streams."""

    def __init__(self, instance: Instance, outsiders: Outsiders, fanout: Fanout, limits: Sources) -> None:
        self._instance = instance
        self._limits = limits
        self.broker = MemoryBroker()
        self._hub = Hub(fanout, self.broker, max_channels=1_000, retention=History())
        self.lifetimes = Lifetimes(self._hub, outsiders, limits)
        self._asking = Asking(outsiders, limits)
        self._queries = Queries()
        self._querying = Querying(self._asking, self._queries)
        self._subscribed: dict[Address, dict[int, Subscription]] = {}
        self._numbers = count(1)

    async def subscribe(
        self, path: str, data: Any = None, *, login: str = "ann", role: Role = Role.VIEWER, org_id: int = 1
    ) -> Subscription:
        """Subscribe to a stream as this user, with this subscribe data.

        Refusal with code 404, 403 and so on where the plugin says no, as a client would get it.
        """
        address, identity, text = self._address(path, org_id), Identity(org_id, login, role), _spell(data)
        plugin, asked = self._instance.plugin, self._instance.context(identity, str(address))
        check_owner(plugin, address, identity)
        ask = partial(_answer, "subscribe", partial(plugin.subscribe, asked, address.path, text))
        initial = await self._asking.ask(Question(self._instance.plugin_id, "subscribe", str(address)), ask)
        stream = PluginStream(self._hub, self._limits, self._find, address, tell_stream(plugin, asked, text))
        self.lifetimes.claim(address, stream)
        subscription, number = Subscription(None if initial is None else json.loads(initial)), next(self._numbers)
        self._subscribed.setdefault(address, {})[number] = subscription
        self._hub.subscribe(number, address, str(address))
        return subscription

    async def publish(self, path: str, data: Any, *, login: str = "ann", role: Role = Role.VIEWER) -> Any:
        """Send a message as this user; what the plugin has published of it, None for nothing. Refusal as above."""
        address, identity = self._address(path, 1), Identity(1, login, role)
        asked = self._instance.context(identity, str(address))
        check_owner(self._instance.plugin, address, identity)
        ask = partial(_answer, "publish", partial(self._instance.plugin.publish, asked, address.path, _spell(data)))
        answer = await self._asking.ask(Question(self._instance.plugin_id, "publish", str(address)), ask)
        if answer is None:
            return None
        await self._hub.publish([Draft(address.key, answer, rows=1)])
        return json.loads(answer)

    def change_data_source(self, data_source: DataSource) -> None:
        """The data source's settings are others now: its streams begin anew, as on a server. It keeps its uid."""
        if self._instance.data_source is None or data_source.uid != self._instance.data_source.uid:
            raise ValueError(f"no data source {data_source.uid!r} is hosted: give `hosted` one, and keep its uid")
        self._instance = replace(self._instance, data_source=data_source)
        self.lifetimes.renew(self._subscribed.__contains__)

    async def check_health(self, *, login: str = "ann", role: Role = Role.VIEWER) -> Health | None:
        """How the data source is, as this user is told; None where the plugin does not tell."""
        asked = self._instance.context(Identity(1, login, role))
        uid = "" if asked.data_source is None else asked.data_source.uid
        question = Question(self._instance.plugin_id, "check_health", data_source=uid)
        return await self._asking.ask(question, partial(ask_health, self._instance.plugin, asked))

    async def query(self, query: Query, *, login: str = "ann", role: Role = Role.VIEWER) -> Any:
        """Ask a query as this user. What a client gets: `status`, `frames` read as JSON, `error` ("" for none)."""
        room = Room(self._queries.response_bytes)
        answers = await self._querying.answer(self._instance, Identity(1, login, role), [query], room)
        answer = answers[query.ref_id]
        return {"status": answer.status, "frames": list(map(json.loads, answer.frames)), "error": answer.error}

    def unsubscribe(self, subscription: Subscription) -> None:
        """It listens no more; the stream ends after the grace time, if it was the last."""
        for address, subscribed in self._subscribed.items():
            for number in [number for number, one in subscribed.items() if one is subscription]:
                del subscribed[number]
                self._hub.unsubscribe(number, address)

    async def _find(self, address: Address) -> Instance:
        return self._instance

    def _address(self, path: str, org_id: int) -> Address:
        """The channel that the plugin has for this path: its own one, or that of its data source."""
        source = self._instance.data_source
        place = f"plugin/{self._instance.plugin_id}" if source is None else f"{DATA_SOURCE_SCOPE}/{source.uid}"
        return parse_address(f"{place}/{path}", org_id)

    def deliver(self, publication: Publication) -> None:
        """Belongs to `hosted`."""
        self._hub.deliver(publication)
        for subscription in self._subscribed.get(parse_key(publication.channel), {}).values():
            subscription.take(publication.data)


@asynccontextmanager
async def hosted(
    plugin: Plugin,
    *,
    limits: Sources | None = None,
    data_source: DataSource | None = None,
    plugin_id: str = PLUGIN_ID,
) -> AsyncIterator[Host]:
    """Host a plugin for the length of the block, by itself or for a data source.

    Its failures are told on stderr as a server tells them. AssertionError where a stream of it does not end when
    cancelled.
    """
    limits = limits or Sources()
    outsiders, fanout = Outsiders(HoldUps(limits)), Fanout(max_total_bytes=MIB)
    abandoned = trio.Event()
    with closing(fanout), shown_to_people():
        async with outsiders.open(limits.stop_seconds, abandoned.set), trio.open_nursery() as nursery:
            host = Host(Instance(plugin_id, plugin, data_source), outsiders, fanout, limits)
            await nursery.start(host.broker.run, host.deliver)
            await nursery.start(host.lifetimes.run)
            yield host
            nursery.cancel_scope.cancel()
    if abandoned.is_set():
        raise AssertionError(
            "a stream does not end when it is cancelled: does it catch trio.Cancelled, or shield itself for long?"
        )


def _spell(data: Any) -> bytes:
    return b"" if data is None else json.dumps(data).encode()


async def _answer(method: str, asked: Callable[[], Awaitable[Frame | bytes | None]]) -> bytes | None:
    packet = packet_of_answer(method, await asked())
    return None if packet is None else packet.whole
