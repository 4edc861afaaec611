"""The live half of a server without its sockets: core, broker, hub and streams, and subscribers over socket pairs."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from framecast._core import Fanout
from framecast.accounts.identity import DEVELOPER
from framecast.brokers.memory import MemoryBroker
from framecast.channels.address import Address
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.hub import Hub
from framecast.channels.options import OptionsTable
from framecast.scopes.dashboard import DashboardRules
from framecast.scopes.last_messages import LastMessages
from framecast.scopes.stream import StreamScope
from framecast.scopes.table import build_scopes
from framecast.settings import ChannelOptions, ChannelOverrides, History, Push, Settings, Streams
from framecast.store.broadcasts import PendingMessages
from framecast.store.columns import PendingColumns
from framecast.streams.table import StreamTable
from patience import PATIENCE_SECONDS

END = b'"end"'


class Pub(msgspec.Struct):
    data: msgspec.Raw
    offset: int
    info: dict[str, Any] | None = None


class Attendance(msgspec.Struct):
    info: dict[str, Any]


class Body(msgspec.Struct):
    channel: str
    pub: Pub | None = None
    join: Attendance | None = None
    leave: Attendance | None = None


class Envelope(msgspec.Struct):
    push: Body


@dataclass(frozen=True)
class Received:
    channel: str
    data: bytes
    """The JSON as it came, to the byte."""
    offset: int
    info: dict[str, Any] | None = None


@dataclass(frozen=True)
class Told:
    """Somebody came or went."""

    channel: str
    what: str
    client: str


class Subscriber:
    """One connection of the core, and its peer's end."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.settimeout(PATIENCE_SECONDS)
        self.connection = fanout.add(self._ours.fileno(), 1 << 26, write_seconds=60)

    def received(self) -> list[Received]:
        """Everything delivered since the last call; nobody may have come or gone."""
        pushed = self.pushed()
        publications = [push for push in pushed if isinstance(push, Received)]
        assert publications == pushed
        return publications

    def pushed(self) -> list[Received | Told]:
        """All pushes since the last call."""
        assert self._fanout.send_message(self.connection, END)
        return list(self._until_end())

    def _until_end(self) -> Iterator[Received | Told]:
        while (message := self._message()) != END:
            push = msgspec.json.decode(message, type=Envelope).push
            if push.pub is not None:
                yield Received(push.channel, bytes(push.pub.data), push.pub.offset, push.pub.info)
            for what, attendance in (("join", push.join), ("leave", push.leave)):
                if attendance is not None:
                    yield Told(push.channel, what, attendance.info["client"])

    def _message(self) -> bytes:
        first, length = self._exactly(2)
        assert first == 0x81
        if length == 126:
            length = int.from_bytes(self._exactly(2), "big")
        elif length == 127:
            length = int.from_bytes(self._exactly(8), "big")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            # MSG_WAITALL would not: the timeout makes the descriptor one that does not block.
            more = self._theirs.recv(count - len(data))
            assert more, "the connection was cut"
            data += more
        return data

    def close(self) -> None:
        """Only after the core has let go of the descriptor."""
        self._ours.close()
        self._theirs.close()


class World:
    """Everything wired as in the server."""

    def __init__(
        self,
        settings: Settings,
        max_channels: int,
        presence_bytes: int,
        clock: Callable[[], float],
        dashboards: DashboardRules | None = None,
    ) -> None:
        self.fanout = Fanout(max_total_bytes=1 << 30)
        self.broker = MemoryBroker()
        self.hub = Hub(
            self.fanout,
            self.broker,
            max_channels=max_channels,
            retention=settings.history,
            options=OptionsTable(settings.channels, settings.history),
            presence_bytes=presence_bytes,
            clock=clock,
        )
        self.columns = PendingColumns()
        self.streams = StreamTable(self.hub, settings, self.columns, clock=clock)
        self.scope = StreamScope(self.hub, max_frame_bytes=settings.streams.packet_bytes, clock=clock)
        self.messages = PendingMessages()
        self.last_messages = LastMessages(settings.store, self.messages)
        self.scopes = build_scopes(self.hub, settings, last_messages=self.last_messages, dashboards=dashboards)
        self._subscribers: list[Subscriber] = []

    def subscriber(self) -> Subscriber:
        self._subscribers.append(Subscriber(self.fanout))
        return self._subscribers[-1]

    async def push(self, stream: str, body: bytes, *, org_id: int = 1, received_ns: int = 7_000_000) -> int:
        """Push one body; return how many lines were accepted."""
        return (await self.streams.push(org_id, stream, body, received_ns)).accepted

    async def begin(
        self,
        address: Address,
        returning: Position | None = None,
        data: bytes | None = None,
        options: ChannelOptions | None = None,
    ) -> Beginning:
        """What a subscriber begins with that comes now."""
        begin = await self.scope.subscribe(DEVELOPER, address, data, options)
        return begin(returning)

    def close(self) -> None:
        self.fanout.close()
        for subscriber in self._subscribers:
            subscriber.close()


@asynccontextmanager
async def live_world(
    *,
    streams: Streams | None = None,
    push: Push | None = None,
    history: History | None = None,
    channels: Mapping[str, ChannelOverrides] | None = None,
    max_channels: int = 100,
    presence_bytes: int = 1 << 20,
    clock: Callable[[], float] = trio.current_time,
    dashboards: DashboardRules | None = None,
) -> AsyncIterator[World]:
    """Run a world, all within a deadline."""
    settings = Settings(
        streams=streams or Streams(), push=push or Push(), history=history or History(), channels=channels or {}
    )
    limited = World(settings, max_channels, presence_bytes, clock, dashboards)
    with trio.fail_after(PATIENCE_SECONDS), contextlib.closing(limited) as world:
        async with trio.open_nursery() as nursery:
            await nursery.start(world.broker.run, world.hub.deliver)
            yield world
            nursery.cancel_scope.cancel()


def stream_address(path: str, *, stream: str = "s", org_id: int = 1) -> Address:
    return Address(org_id, "stream", stream, path)
