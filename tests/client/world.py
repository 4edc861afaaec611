"""A small world for one subscriber: scopes, a hub and transcripts, all in memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import trio
from msgspec import Raw

from framecast.accounts import admission as accounts
from framecast.accounts.identity import Identity
from framecast.accounts.rates import Rates
from framecast.channels import broker
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory, Kept
from framecast.channels.subscriptions import PLAINLY, Delivery
from framecast.client.inbox import waiting_budget
from framecast.client.replies import client_info
from framecast.client.rooms import Admissions, Method, Rooms
from framecast.client.schedule import Schedule
from framecast.errors import Refusal
from framecast.protocol import json_codec
from framecast.protocol.codec import Codec
from framecast.protocol.codes import UnsubscribeCode
from framecast.protocol.messages import Presence, Publication, Push, PushBody
from framecast.settings import ChannelOptions, Live
from framecast.settings import Rates as RateLimits

SNAPSHOT = b'{"schema":{"fields":[]},\n"data":{"values":[]}}'
TOP = Position("EPOCH", 9)
SIGNED = {"signed", "full"}
"""Namespaces whose publications say who published."""
SUBSCRIBED = {"recoverable": True, "positioned": True, "epoch": TOP.epoch, "offset": TOP.offset}
"""The result for a channel without anything to show."""
DETAILED = {"patch": True}
"""The subscribe data of those who want publications in their fuller form."""
VERSION = "framecast test"
UNIX_SECONDS = 1_800_000_000.0
"""When Trio's clock of a test shows 0."""


@dataclass
class Subscriber:
    """One subscription as the hub knows it."""

    spelling: str
    info: ClientInfo
    delivery: Delivery
    options: ChannelOptions


@dataclass
class MemoryHub:
    """Delivers at once to whatever `send` was registered for a connection."""

    senders: dict[int, Callable[[bytes], object]] = field(default_factory=dict)
    codec: Codec = json_codec
    subscribers: dict[tuple[str, int], Subscriber] = field(default_factory=dict)
    ended: dict[int, Callable[[Address, UnsubscribeCode], None]] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    """Channels that a scope allowed to subscribe to, until their subscription ends."""
    pasts: dict[str, ChannelHistory] = field(default_factory=dict)
    full: bool = False
    most: int = 1_000
    """Subscriptions that there is room for."""

    def watch(self, connection: int, ended: Callable[[Address, UnsubscribeCode], None]) -> None:
        self.ended[connection] = ended

    def subscribe(
        self,
        connection: int,
        address: Address,
        spelling: str,
        *,
        info: ClientInfo,
        options: ChannelOptions,
        delivery: Delivery = PLAINLY,
    ) -> None:
        if self.full or len(self.subscribers) >= self.most:
            raise Refusal(106, "limit exceeded")
        self.subscribers[address.key, connection] = Subscriber(spelling, info, delivery, options)

    def announce_join(self, connection: int, address: Address) -> None:
        self._announce(address, self.subscribers[address.key, connection], joined=True)

    def _announce(self, address: Address, who: Subscriber, *, joined: bool) -> None:
        for (channel, other), subscriber in list(self.subscribers.items()):
            if channel == address.key and subscriber.delivery.events and who.options.join_leave != "off":
                body = PushBody(channel=subscriber.spelling)
                told = Presence(client_info(who.info))
                push = Push(msgspec.structs.replace(body, **{"join" if joined else "leave": told}))
                self.senders[other](self.codec.encode(push))

    def unsubscribe(self, connection: int, address: Address) -> None:
        left = self.subscribers.pop((address.key, connection), None)
        if left is not None:
            self._announce(address, left, joined=False)
        self.opened.discard(address.key)

    def end(self, connection: int, address: Address, code: UnsubscribeCode) -> None:
        """What a hub does to a subscription by itself."""
        self.unsubscribe(connection, address)
        self.ended[connection](address, code)

    def leave(self, connection: int) -> None:
        self.left.append(connection)
        self.ended.pop(connection, None)
        for key in [key for key in self.subscribers if key[1] == connection]:
            del self.subscribers[key]

    async def page(
        self, address: Address, *, since: Position | None, limit: int, reverse: bool
    ) -> tuple[Position, list[Kept]]:
        past = self.pasts[address.key]
        return past.position, past.page(since=since, limit=limit, reverse=reverse)

    def presence(self, address: Address) -> dict[str, ClientInfo]:
        return {one.info.client: one.info for (key, _), one in self.subscribers.items() if key == address.key}

    def presence_counts(self, address: Address) -> tuple[int, int]:
        present = self.presence(address).values()
        return len(present), len({info.user for info in present})

    def publish(self, key: str, data: bytes, info: ClientInfo | None = None, detail: bytes | None = None) -> None:
        offset = 0
        if past := self.pasts.get(key):
            offset = extend(past, data, info, detail)
        publisher = None if info is None else client_info(info)
        for (channel, connection), subscriber in list(self.subscribers.items()):
            if channel == key:
                payload = detail if subscriber.delivery.detailed and detail is not None else data
                pub = Publication(data=Raw(payload), info=publisher, offset=offset)
                self.senders[connection](self.codec.encode(Push(PushBody(channel=subscriber.spelling, pub=pub))))


def extend(past: ChannelHistory, data: bytes, info: ClientInfo | None = None, detail: bytes | None = None) -> int:
    """Add a publication to a past; its offset."""
    top = past.position.offset
    past.append(broker.Publication(past.channel, data, None, 0, past.position.epoch, top + 1, top, info, detail), 0.0)
    return top + 1


@dataclass
class MemoryScope:
    """Allows everything it is not told to refuse; `before` and `failing` are what a test wants to happen."""

    hub: MemoryHub
    publishable: bool
    snapshots: dict[str, bytes] = field(default_factory=dict)
    hooks: dict[str, Callable[[], Any]] = field(default_factory=dict)
    seen: list[tuple[str, bytes | None]] = field(default_factory=list)
    published: list[tuple[str, bool]] = field(default_factory=list)
    """On which channels, and whether by a subscriber."""

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions
    ) -> Begin:
        self.seen.append((address.key, data))
        self.hub.opened.add(address.key)
        if hook := self.hooks.get(address.path):
            await hook()
        wish = None if data is None else msgspec.json.decode(data)
        return partial(self.begin, address, options, detailed=wish == DETAILED)

    def begin(
        self, address: Address, options: ChannelOptions, returning: Position | None, *, detailed: bool
    ) -> Beginning:
        """As `_begin`, for readers of either form."""
        return msgspec.structs.replace(self._begin(address, options, returning), detailed=detailed)

    def _begin(self, address: Address, options: ChannelOptions, returning: Position | None) -> Beginning:
        """Where there is no past, who returns in the right epoch missed the publication before the newest and that."""
        recoverable = options.recovery != "off"
        if past := self.hub.pasts.get(address.key):
            if returning is None or not recoverable:
                return Beginning(past.position, recoverable=recoverable)
            cached = options.recovery == "cache"
            missed = past.newest_since(returning) if cached else past.missed_since(returning)
            return Beginning(past.position, recovered=missed is not None, missed=missed or ())
        if not recoverable:
            return Beginning(TOP, recoverable=False)
        if returning is None or returning.epoch != TOP.epoch:
            return Beginning(TOP, self.snapshots.get(address.key))
        missed = [Kept(offset, offset - 1, b'{"data":%d}' % offset, 1, 0.0) for offset in (TOP.offset - 1, TOP.offset)]
        return Beginning(TOP, recovered=True, missed=missed)

    async def publish(
        self, identity: Identity, address: Address, data: bytes, info: ClientInfo, *, subscribed: bool
    ) -> None:
        if hook := self.hooks.get(address.path):
            await hook()
        self.published.append((address.key, subscribed))
        if not self.publishable:
            raise Refusal(403, "Forbidden")
        self.hub.publish(address.key, data, info if address.namespace in SIGNED else None)


@dataclass
class MemoryScopes:
    """`stream` takes subscribers, `grafana` publications too; nothing else exists."""

    hub: MemoryHub

    def __post_init__(self) -> None:
        self.stream = MemoryScope(self.hub, False, {"1/stream/tg/cpu": SNAPSHOT})
        self.grafana = MemoryScope(self.hub, True)

    def find(self, address: Address) -> MemoryScope:
        scope = {"stream": self.stream, "grafana": self.grafana}.get(address.scope)
        if scope is None:
            raise Refusal(404, "Not Found")
        return scope


@dataclass
class MemoryOptions:
    """The same for every channel of a namespace."""

    by_namespace: dict[str, ChannelOptions] = field(default_factory=dict)

    def find(self, address: Address) -> ChannelOptions:
        return self.by_namespace.get(address.namespace, PLAIN)


PLAIN = ChannelOptions(ask_history=False)


OPEN = accounts.Admissions(None, lambda: UNIX_SECONDS)


@dataclass
class Wishes:
    """What a test wants of the rooms around its clients."""

    settings: Live
    codec: Codec = json_codec
    options: MemoryOptions = field(default_factory=MemoryOptions)
    admissions: Admissions = field(default=OPEN)
    methods: dict[str, Method] = field(default_factory=dict)
    version: str = VERSION
    rates: Rates = field(default_factory=lambda: Rates(RateLimits()))


def build_rooms(wishes: Wishes, hub: MemoryHub, scopes: MemoryScopes, stopping: trio.Event) -> Rooms:
    return Rooms(
        scopes=scopes,
        options=wishes.options,
        hub=hub,
        admissions=wishes.admissions,
        settings=wishes.settings,
        version=wishes.version,
        waiting=waiting_budget(wishes.settings),
        stopping=stopping,
        schedule=Schedule(),
        methods=wishes.methods,
        rates=wishes.rates,
        unix_seconds=lambda: UNIX_SECONDS + trio.current_time(),
    )


def read_line(line: str | bytes) -> Any:
    """A server line as an object, with the client's id hidden."""
    value = json.loads(line)
    if "connect" in value:
        value["connect"]["client"] = "CLIENT"
    return value
