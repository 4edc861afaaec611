"""A connection that is handed its frames: what it reads when, and that nothing of it is lost."""

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing

from client.desk import EmptyOutbox
from client.world import MemoryHub, MemoryScopes, Wishes, build_rooms
from framecast.accounts.identity import DEVELOPER
from framecast.client.connection import COMMANDS_PER_TURN, serve_subscriber
from framecast.client.newcomer import Newcomer
from framecast.client.roster import Roster
from framecast.client.schedule import Schedule
from framecast.errors import PeerLeft
from framecast.protocol import json_codec
from framecast.settings import Live

CONNECT = b'{"id":1,"connect":{}}'
PING = b"{}"
PONG = b"{}"


class Said(EmptyOutbox):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.pinged: list[float] = []
        self.answer_ping: Callable[[], object] = lambda: None

    def send_message(self, payload: bytes) -> None:
        self.messages.append(payload)
        if payload == PING:
            self.pinged.append(trio.current_time())
            self.answer_ping()


@dataclass
class Handed:
    """A transport whose frames a test hands over without waiting, when it is read from and when it is not."""

    frames: list[bytes] = field(default_factory=list)
    reads: int = 0
    left: bool = False
    closed: tuple[int, str] | None = None
    _came: trio.Event = field(default_factory=trio.Event)

    def hand(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._came.set()

    def leave(self) -> None:
        self.left = True
        self._came.set()

    async def receive(self) -> bytes:
        self.reads += 1
        while not self.frames:
            if self.left:
                raise PeerLeft
            self._came = trio.Event()
            await self._came.wait()
        return self.frames.pop(0)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@dataclass
class Reading:
    """One connection on such a transport."""

    settings: Live = field(default_factory=lambda: Live(ping_seconds=3600))
    schedule: Schedule = field(default_factory=Schedule)
    transport: Handed = field(default_factory=Handed)
    outbox: Said = field(default_factory=Said)
    stopping: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        hub = self.hub = MemoryHub({1: self.outbox.send_message})
        self.scopes = MemoryScopes(hub)
        self.rooms = replace(
            build_rooms(Wishes(self.settings), hub, self.scopes, self.stopping), schedule=self.schedule
        )
        self.roster = Roster(self.settings, self.stopping)

    async def serve(self) -> None:
        with self.roster.place("203.0.113.7") as place:
            assert place is not None
            newcomer = Newcomer(
                transport=self.transport, outbox=self.outbox, codec=json_codec, place=place, visitor=DEVELOPER
            )
            await serve_subscriber(newcomer, self.rooms)

    def publish_when_called(self, path: str, then: Callable[[], object]) -> None:
        async def call() -> None:
            then()

        self.scopes.grafana.hooks[path] = call

    @property
    def published(self) -> list[str]:
        return [channel for channel, _ in self.scopes.grafana.published]


def publish(number: int, path: str) -> bytes:
    return b'{"id":%d,"publish":{"channel":"grafana/a/%s","data":1}}' % (number, path.encode())


async def test_a_frame_that_comes_in_the_moment_in_which_all_else_is_done_is_acted_upon(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Many times, because the order of tasks is left to chance."""
    for _ in range(50):
        reading = Reading()
        reading.publish_when_called("first", partial(reading.transport.hand, publish(3, "second")))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.serve)
            reading.transport.hand(CONNECT + b"\n" + publish(2, "first"))
            await trio.testing.wait_all_tasks_blocked()
            assert reading.published == ["1/grafana/a/first", "1/grafana/a/second"]
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("messages", [1, 400])
async def test_commands_that_come_at_once_leave_others_their_turn(
    messages: int, autojump_clock: trio.testing.MockClock
) -> None:
    settings = Live(ping_seconds=3600, commands_burst=1_000)
    reading, seen = Reading(settings), [0]
    commands = [publish(number, "b") for number in range(2, 402)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        reading.transport.hand(CONNECT)
        await trio.testing.wait_all_tasks_blocked()
        for start in range(0, 400, 400 // messages):
            reading.transport.hand(b"\n".join(commands[start : start + 400 // messages]))
        while seen[-1] < 400:
            await trio.lowlevel.checkpoint()
            seen.append(len(reading.published))
        nursery.cancel_scope.cancel()
    assert max(later - sooner for sooner, later in pairwise(seen)) <= 2 * COMMANDS_PER_TURN


async def test_who_leaves_in_that_moment_has_left(autojump_clock: trio.testing.MockClock) -> None:
    for _ in range(50):
        reading = Reading()
        reading.publish_when_called("last", reading.transport.leave)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.serve)
            reading.transport.hand(CONNECT + b"\n" + publish(2, "last"))
        assert reading.published == ["1/grafana/a/last"]
        assert reading.transport.closed is None
        assert trio.current_time() == 0


async def test_nothing_is_read_while_what_was_read_is_more_than_may_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reading = Reading(Live(ping_seconds=3600, message_size_limit=1_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        hung = trio.Event()
        reading.scopes.grafana.hooks["slow"] = hung.wait
        reading.transport.hand(CONNECT)
        for number in range(2, 102):
            reading.transport.hand(publish(number, "slow"))
        await trio.testing.wait_all_tasks_blocked()
        assert 5 < reading.transport.reads < 15
        hung.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(reading.published) == 100
        nursery.cancel_scope.cancel()


async def test_who_comes_when_the_server_goes_down_is_told_so(autojump_clock: trio.testing.MockClock) -> None:
    reading = Reading()
    reading.stopping.set()
    await reading.serve()
    assert reading.transport.closed == (3001, "shutdown")


async def test_a_connection_that_ended_has_no_appointment(autojump_clock: trio.testing.MockClock) -> None:
    reading = Reading()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        reading.transport.hand(CONNECT)
        await trio.testing.wait_all_tasks_blocked()
        assert len(reading.schedule) == 1
        reading.transport.leave()
    assert len(reading.schedule) == 0


async def test_a_crowd_is_pinged_in_small_groups_and_its_silent_ones_are_cut_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    schedule = Schedule()
    ended: dict[int, float] = {}

    async def serve(number: int, reading: Reading) -> None:
        await reading.serve()
        ended[number] = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(schedule.run)
        crowd = [Reading(Live(ping_seconds=25, pong_seconds=10.0), schedule) for _ in range(1_000)]
        for number, reading in enumerate(crowd):
            if number % 2:
                reading.outbox.answer_ping = partial(reading.transport.hand, PONG)
            nursery.start_soon(serve, number, reading)
            reading.transport.hand(CONNECT)
        await trio.sleep(1_000)
        groups = Counter(reading.outbox.pinged[0] for reading in crowd)
        assert len(groups) <= 12.5 * 16 + 1, "what is due together is done together"
        assert max(groups.values()) < 30
        assert set(ended) == set(range(0, 1_000, 2))
        assert all(ended[number] == crowd[number].outbox.pinged[0] + 10 for number in ended)
        assert {reading.transport.closed for reading in crowd} == {None, (3012, "no pong")}
        assert all(len(reading.outbox.pinged) in {39, 40} for reading in crowd[1::2])
        assert len(schedule) == 500
        nursery.cancel_scope.cancel()


async def test_an_idle_client_keeps_nothing_of_what_it_said(autojump_clock: trio.testing.MockClock) -> None:
    reading = Reading()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        reading.transport.hand(CONNECT)
        await trio.testing.wait_all_tasks_blocked()
        frame = publish(2, "large")
        before = sys.getrefcount(frame)
        reading.transport.hand(frame)
        await trio.testing.wait_all_tasks_blocked()
        assert len(reading.published) == 1
        assert sys.getrefcount(frame) == before
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["leave", "break", "stop", "say no pong", "hang"])
async def test_nothing_of_a_client_that_ended_waits_for_the_collector(
    how: str, autojump_clock: trio.testing.MockClock
) -> None:
    reading = Reading(Live(ping_seconds=25))
    reading.scopes.grafana.hooks["hang"] = trio.sleep_forever
    gc.disable()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.schedule.run)
            nursery.start_soon(reading.roster.run)
            nursery.start_soon(reading.serve)
            reading.transport.hand(CONNECT + b"\n" + publish(2, "hang" if how == "hang" else "x"))
            await trio.testing.wait_all_tasks_blocked()
            bound: Any = reading.hub.ended[1]
            gone = weakref.ref(bound.__self__)
            del bound
            if how in {"leave", "hang"}:
                reading.transport.leave()
            elif how == "break":
                reading.transport.hand(b"no command")
            elif how == "stop":
                reading.stopping.set()
            await trio.sleep(60)
            assert reading.hub.left == [1]
            assert gone() is None
            nursery.cancel_scope.cancel()
    finally:
        gc.enable()


async def test_what_waits_for_nothing_is_acted_upon_by_the_one_task_that_reads(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reading = Reading()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        reading.transport.hand(CONNECT + b"\n" + publish(2, "x"))
        await trio.testing.wait_all_tasks_blocked()
        assert reading.published == ["1/grafana/a/x"]
        assert reading.transport.reads == 2, "the message, and the wait for the next"
        nursery.cancel_scope.cancel()


async def test_many_commands_of_one_message_let_others_have_their_turns(autojump_clock: trio.testing.MockClock) -> None:
    reading = Reading(Live(ping_seconds=3600, commands_burst=1_000))
    many, turns = 160, 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reading.serve)
        reading.transport.hand(b"\n".join([CONNECT, *(publish(2 + number, "x") for number in range(many))]))
        while len(reading.published) < many:
            await trio.lowlevel.checkpoint()
            turns += 1
        nursery.cancel_scope.cancel()
    assert turns >= many // 10
