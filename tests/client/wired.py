"""A real WebSocket client against `serve_subscriber`, over streams in memory and on a clock that jumps.

All bytes of the server, trio-websocket's own included, go through one FIFO, as on a real connection.
"""

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing
from prometheus_client import REGISTRY
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from client.world import MemoryHub, MemoryScopes, Wishes, build_rooms, read_line
from framecast.accounts.identity import DEVELOPER
from framecast.client.connection import serve_subscriber
from framecast.client.newcomer import Newcomer
from framecast.client.roster import Roster
from framecast.door.head import HeadReader
from framecast.door.upgrade import encode_switch
from framecast.door.websocket import WebSocket
from framecast.settings import Live, Server

CONNECT = '{"id":1,"connect":{}}'
CLOSE_FRAME = 0x88
SETTINGS = Live(ping_seconds=25, pong_seconds=10.0, connect_seconds=15.0, close_seconds=5.0, message_size_limit=10_000)


async def _open_client(nursery: trio.Nursery, stream: Any) -> WebSocketConnection:
    return await wrap_client_stream(nursery, stream, "localhost", "/api/live/ws")


class FifoStream(trio.abc.Stream):
    """The server's end: sending only queues, one task writes. It is the connection's outbox too."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.connection = 1
        self.last_received = 0.0
        self.alive = True
        self.overflowed = False
        self.stalled = False
        self.queued_bytes = 0
        self.waiting_bytes = 0
        self.opcode = 0x81
        self.most_bytes: int | None = None
        """That are read at once."""
        self.sent: list[int] = []
        """The first byte of everything that was queued: of each frame, as all are queued alone."""
        self.closed = trio.Event()
        self._stream = stream
        self._queue: deque[bytes] = deque()
        self._more = trio.Event()

    async def write(self) -> None:
        """The writer; ends when the stream is closed and the queue is empty."""
        with contextlib.suppress(trio.BrokenResourceError):  # as with a socket, nobody is told that the peer is gone
            while self._queue or not self.closed.is_set():
                if self._queue:
                    await self._stream.send_all(self._queue.popleft())
                else:
                    await self._more.wait()
                    self._more = trio.Event()
        await self._stream.aclose()

    def _put(self, data: bytes) -> bool:
        if self.closed.is_set() or not self.alive or CLOSE_FRAME in self.sent:
            return False
        self.sent.append(data[0])
        self._queue.append(data)
        self._more.set()
        return True

    def send_message(self, payload: bytes) -> None:
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        head = bytes([self.opcode]) + length
        if not self._put(head + payload):
            raise trio.BrokenResourceError

    def deliver(self, payload: bytes) -> None:
        """A publication: as the core does it, nobody who publishes is told that a client is gone."""
        with contextlib.suppress(trio.BrokenResourceError):
            self.send_message(payload)

    def send(self, data: bytes) -> None:
        if not self._put(data):
            raise trio.BrokenResourceError

    async def send_all(self, data: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(self.most_bytes or max_bytes)
        self.last_received = trio.current_time()
        return data

    async def aclose(self) -> None:
        self.closed.set()
        self._more.set()
        await trio.lowlevel.checkpoint()


@dataclass
class World:
    """One client, one server, and what a test wants to turn."""

    client: WebSocketConnection
    server: WebSocket
    outbox: FifoStream
    hub: MemoryHub
    scopes: MemoryScopes
    stopping: trio.Event
    roster: Roster
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    async def say(self, *lines: str) -> None:
        await self.client.send_message("\n".join(lines))

    async def next_line(self) -> Any:
        """The next thing the server says that is no ping; pings are answered."""
        while True:
            line = read_line(await self.client.get_message())
            if line:
                return line
            await self.client.send_message("{}")

    async def ask(self, line: str) -> Any:
        await self.say(line)
        return await self.next_line()

    async def connect(self) -> None:
        assert "connect" in await self.ask(CONNECT)

    async def wait_closed(self) -> tuple[int, str | None]:
        """The code and reason the server closes with; anything it says before is ignored."""
        try:
            while True:
                await self.client.get_message()
        except ConnectionClosed as closed:
            assert closed.reason is not None
            return closed.reason.code, closed.reason.reason


@asynccontextmanager
async def open_world(
    settings: Live = SETTINGS, *, wishes: Wishes | None = None, serving: bool = True
) -> AsyncIterator[World]:
    wishes = wishes or Wishes(settings)
    with trio.fail_after(3_600):
        async with trio.open_nursery() as nursery:
            client_end, server_end = trio.testing.memory_stream_pair()
            outbox = FifoStream(server_end)
            nursery.start_soon(outbox.write)
            accepted: list[WebSocket] = []

            async def accept() -> None:
                received = await HeadReader(outbox, Server()).next_request()
                assert received is not None
                outbox.send(encode_switch(received.head))
                accepted.append(WebSocket(outbox, max_message_bytes=wishes.settings.message_bytes))

            async with trio.open_nursery() as handshake:
                handshake.start_soon(accept)
                client = await _open_client(nursery, client_end)
            outbox.opcode = 0x82 if wishes.codec.BINARY else 0x81
            hub = MemoryHub({1: outbox.deliver}, wishes.codec)
            stopping = trio.Event()
            roster = Roster(wishes.settings, stopping)
            world = World(client, accepted[0], outbox, hub, MemoryScopes(hub), stopping, roster)
            rooms = build_rooms(wishes, hub, world.scopes, world.stopping)
            nursery.start_soon(rooms.schedule.run)
            nursery.start_soon(roster.run)

            async def serve() -> None:
                with world.scope, world.roster.place("203.0.113.7") as place:
                    assert place is not None
                    newcomer = Newcomer(
                        transport=world.server, outbox=outbox, codec=wishes.codec, place=place, visitor=DEVELOPER
                    )
                    await serve_subscriber(newcomer, rooms)
                world.ended.set()
                await outbox.aclose()

            if serving:
                nursery.start_soon(serve)
            yield world
            nursery.cancel_scope.cancel()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"framecast_client_{name}", labels) or 0.0
