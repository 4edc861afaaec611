"""Visitors: clients that come, and leave in every way there is, the impolite ones first of all.

Each visit is one connection. What a visitor hears while it listens must have no gap either.
"""

import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection

from bench.soak.following import Follower
from bench.soak.listening import TRANSPORTS, LostError, Seat, hear_websocket, open_tcp, open_websocket
from bench.soak.pushing import PUSH_PATH
from bench.soak.speaking import JSON, PROTOBUF, Heard, Tongue

SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 2.0
CUT_SECONDS = 30.0
"""Until the server has ended a connection that it must not keep; several times its own limits."""
STALLED_BUFFER_BYTES = 4096
HALF_HEAD = b"GET /api/live/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"
BROKEN = (OSError, trio.BrokenResourceError, trio.TooSlowError, ConnectionClosed, HandshakeError, LostError)
"""What goes wrong with connections."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 seconds; closing sends RST instead of FIN."""


@dataclass
class Visits:
    """Everybody who came, by how they left, and what was wrong."""

    address: str
    channels: list[str]
    bulk_channel: str
    """Where enough comes that a reader which stalls must be cut."""
    random: Random
    stalled_seconds: float
    """How long one that stalls reads nothing: longer than the server waits for it."""
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    async def come_and_go(self, number: int) -> None:
        """One visitor after the other; of several places each begins with another kind."""
        kinds = list(KINDS)
        kind = kinds[number % len(kinds)]
        while True:
            self.counts[kind] += 1
            try:
                await KINDS[kind](self)
            except* BROKEN as errors:
                self.faults.append(f"a visitor that {kind}: {errors.exceptions[0]!r}")
            kind = self.random.choice(kinds)

    def stay(self) -> float:
        return self.random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)

    def seat(self) -> Seat:
        return Seat(self.address, self.random.choice(self.channels), Follower())

    def check(self, seat: Seat) -> None:
        """What a visitor heard must be whole."""
        follower = seat.follower
        if follower.gaps or follower.disorder:
            self.faults.append(f"a visitor of {seat.channel}: {follower.gaps} gaps, {follower.disorder} out of order")


async def listen_and_leave(visits: Visits) -> None:
    """By any transport, closed as its clients close it."""
    seat = visits.seat()
    transport = visits.random.choice(list(TRANSPORTS))
    try:
        with trio.move_on_after(visits.stay()):
            await TRANSPORTS[transport](seat)
    except LostError as error:
        visits.faults.append(f"a visitor by {transport}: {error}")
    visits.check(seat)


async def listen_and_reset(visits: Visits) -> None:
    """A WebSocket whose connection is reset while it hears."""
    seat = visits.seat()
    stream = await open_tcp(seat.address)
    tongues: list[Tongue] = [JSON, PROTOBUF]
    tongue = visits.random.choice(tongues)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_reset_later, stream, visits.stay())
        with suppress(LostError):
            await hear_websocket(seat, tongue, stream)
        nursery.cancel_scope.cancel()
    visits.check(seat)


async def _reset_later(stream: trio.SocketStream, seconds: float) -> None:
    await trio.sleep(seconds)
    _reset(stream)


def _reset(stream: trio.SocketStream) -> None:
    with suppress(OSError):  # the other side was first
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, RESET)
    stream.socket.close()


async def stall_until_cut(visits: Visits) -> None:
    """A subscriber that stops reading, of a channel where much comes."""
    stream = await open_tcp(visits.address, receive_buffer_bytes=STALLED_BUFFER_BYTES)
    async with stream, open_websocket(stream, visits.address, "/api/live/ws") as websocket:
        await websocket.send_message(JSON.greet(visits.bulk_channel))
        while not any(isinstance(event, Heard) for event in JSON.read(await websocket.get_message())):
            pass
        # The library reads one message ahead, and no further than that until it is asked.
        await trio.sleep(visits.stalled_seconds)
        await expect_close(visits, websocket, "that stalled")


async def expect_close(visits: Visits, websocket: WebSocketConnection, who: str) -> None:
    """The server has ended or soon ends the WebSocket, whatever it has sent before."""
    with trio.move_on_after(CUT_SECONDS) as patience, suppress(ConnectionClosed):
        while True:
            await websocket.get_message()
    if patience.cancelled_caught:
        visits.faults.append(f"a visitor {who} was still connected {CUT_SECONDS:g} s later")


async def expect_end(visits: Visits, stream: trio.SocketStream, who: str) -> None:
    """The server ends the connection, by FIN or RST, whatever it has sent before."""
    with trio.move_on_after(CUT_SECONDS) as patience:
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some(65_536):
                pass
    if patience.cancelled_caught:
        visits.faults.append(f"a visitor {who} was still connected {CUT_SECONDS:g} s later")


async def say_nothing(visits: Visits) -> None:
    async with await open_tcp(visits.address) as stream:
        await expect_end(visits, stream, "that said nothing")


async def send_half_a_head(visits: Visits) -> None:
    async with await open_tcp(visits.address) as stream:
        await stream.send_all(HALF_HEAD)
        await expect_end(visits, stream, "that sent half a head")


async def upgrade_and_say_nothing(visits: Visits) -> None:
    stream = await open_tcp(visits.address)
    async with stream, open_websocket(stream, visits.address, "/api/live/ws") as websocket:
        await expect_close(visits, websocket, "that never sent connect")


async def push_half_a_body(visits: Visits) -> None:
    """Then the connection is reset: nothing of it may be taken."""
    stream = await open_tcp(visits.address)
    head = f"POST {PUSH_PATH} HTTP/1.1\r\nHost: {visits.address}\r\nContent-Length: 1000\r\n\r\n"
    await stream.send_all(head.encode() + b"half n=1i\nhalf n=")
    await trio.sleep(visits.stay())
    _reset(stream)


async def push_and_reset(visits: Visits) -> None:
    """A push WebSocket that goes in the middle of things."""
    stream = await open_tcp(visits.address)
    async with open_websocket(stream, visits.address, PUSH_PATH) as websocket:
        for number in range(visits.random.randrange(1, 20)):
            await websocket.send_message(b"passing n=%di\n" % number)
        _reset(stream)


Visit = Callable[[Visits], Awaitable[None]]
KINDS: dict[str, Visit] = {
    "left": listen_and_leave,
    "reset its connection": listen_and_reset,
    "stalled": stall_until_cut,
    "said nothing": say_nothing,
    "sent half a head": send_half_a_head,
    "never sent connect": upgrade_and_say_nothing,
    "reset its push": push_half_a_body,
    "reset its push WebSocket": push_and_reset,
}
