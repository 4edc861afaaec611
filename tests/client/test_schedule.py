"""One task that minds the times of all connections."""

import gc
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from framecast.client.schedule import FEW_ENTRIES, KEPT_AT_ONCE, Appointment, Schedule
from framecast.client.session import Session
from framecast.client.timekeeping import PING_GRID_SECONDS, Due, Timekeeping
from framecast.protocol import json_codec
from framecast.settings import Live

SETTINGS = Live(ping_seconds=25, pong_seconds=10.0, connect_seconds=15.0, close_seconds=5.0)


@asynccontextmanager
async def running() -> AsyncIterator[Schedule]:
    schedule = Schedule()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(schedule.run)
        yield schedule
        nursery.cancel_scope.cancel()


class Kept:
    """Notes when an appointment was kept, and makes the next one as it is told."""

    def __init__(self, schedule: Schedule, *later: float) -> None:
        self.times: list[float] = []
        self._later = list(later)
        self.appointment = schedule.make(self.keep)

    def keep(self, now: float) -> float:
        self.times.append(now)
        return self._later.pop(0) if self._later else inf


async def test_appointments_are_kept_in_time_whatever_the_order_they_were_made_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as schedule:
        every = [Kept(schedule) for _ in range(5_000)]
        for number, one in enumerate(every):
            schedule.move(one.appointment, number * 7919 % 5_000 / 10)
        await trio.sleep(1_000)
        assert [one.times for one in every] == [[number * 7919 % 5_000 / 10] for number in range(5_000)]
        assert len(schedule) == 0


async def test_one_that_is_moved_is_kept_at_its_last_time_only(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        one = Kept(schedule, 40.0, 50.0)
        for at in (20.0, 30.0, 10.0, 25.0):
            schedule.move(one.appointment, at)
        await trio.sleep(22)
        assert one.times == []
        await trio.sleep(5)
        assert one.times == [25]
        await trio.sleep(100)
        assert one.times == [25, 40, 50]


async def test_a_sooner_one_wakes_a_schedule_that_sleeps(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        late, soon = Kept(schedule), Kept(schedule)
        await trio.testing.wait_all_tasks_blocked()
        schedule.move(late.appointment, 1_000)
        await trio.testing.wait_all_tasks_blocked()
        schedule.move(soon.appointment, 1)
        await trio.sleep(2)
        assert (soon.times, late.times) == ([1], [])


async def test_one_that_ends_is_forgotten_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        one = Kept(schedule)
        schedule.move(one.appointment, 3_600)
        gone, appointment = weakref.ref(one), one.appointment
        schedule.cancel(appointment)
        schedule.cancel(appointment)
        del one
        gc.collect()
        assert gone() is None
        assert len(schedule) == 0
        schedule.move(appointment, 1)
        await trio.sleep(5_000)


async def test_one_may_end_itself_or_another_while_it_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        neighbour = Kept(schedule)

        def end_both(now: float) -> float:
            schedule.cancel(mine)
            schedule.cancel(neighbour.appointment)
            return now + 1

        mine = schedule.make(end_both)
        schedule.move(mine, 1)
        schedule.move(neighbour.appointment, 1)
        await trio.sleep(100)
        assert neighbour.times == []
        assert len(schedule) == 0


async def test_clients_that_come_and_go_leave_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        staying = [Kept(schedule) for _ in range(10)]
        for number, one in enumerate(staying):
            schedule.move(one.appointment, 70_000 + number)
        for number in range(50_000):
            passing = Kept(schedule)
            schedule.move(passing.appointment, 50_000)
            schedule.move(passing.appointment, number % 100 + 1)
            schedule.cancel(passing.appointment)
        assert len(schedule) == len(staying)
        assert len(schedule._entries) < 3 * FEW_ENTRIES
        await trio.sleep(80_000)
        assert [one.times for one in staying] == [[70_000 + number] for number in range(10)]


async def test_a_crowd_leaves_others_their_turn(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as schedule:
        crowd = [Kept(schedule) for _ in range(10 * KEPT_AT_ONCE)]
        for one in crowd:
            schedule.move(one.appointment, 1)
        turns = []
        await trio.sleep(1)
        while sum(len(one.times) for one in crowd) < len(crowd):
            turns.append(sum(len(one.times) for one in crowd))
            await trio.lowlevel.checkpoint()
        assert len(set(turns)) >= 5, "the order of tasks is left to chance"
        assert trio.current_time() == 1


TIMES = st.none() | st.integers(0, 30) | st.just(inf)
MOVES = st.lists(st.tuples(st.integers(0, 3), TIMES, st.integers(0, 5)))


@given(MOVES)
def test_a_schedule_does_what_alarm_clocks_would(moves: list[tuple[int, float | None, int]]) -> None:
    """None cancels one and makes another; the naive twin looks at every clock at every second."""
    kept: list[tuple[int, float]] = []
    expected: list[tuple[int, float]] = []
    alarms: dict[int, float] = {}

    def note(name: int) -> Callable[[float], float]:
        def keep(now: float) -> float:
            kept.append((name, now))
            return now + 7 if name % 2 else inf

        return keep

    def pass_time(start: float, seconds: float) -> None:
        for now in range(int(start), int(start + seconds) + 1):
            for name in [name for name, at in alarms.items() if at <= now]:
                expected.append((name, now))
                alarms[name] = now + 7 if name % 2 else inf

    async def take_steps() -> None:
        async with running() as schedule:
            appointments: dict[int, Appointment] = {name: schedule.make(note(name)) for name in range(4)}
            for name, at, pause in [*moves, (0, inf, 40)]:
                if at is None:
                    schedule.cancel(appointments[name])
                    appointments[name] = schedule.make(note(name))
                    alarms.pop(name, None)
                else:
                    schedule.move(appointments[name], at)
                    alarms[name] = at
                pass_time(trio.current_time(), pause)
                await trio.sleep(pause)
                await trio.testing.wait_all_tasks_blocked()
            assert len(schedule) <= sum(at < inf for at in alarms.values()) + 4

    trio.run(take_steps, clock=trio.testing.MockClock(autojump_threshold=0))
    assert Counter(kept) == Counter(expected)


def connected(now: float, settings: Live = SETTINGS, *, answers: bool = True) -> tuple[Session, Timekeeping]:
    session = Session("c", settings=settings, publishable=json_codec.publishable)
    times = Timekeeping(session, settings, now=now, answers=answers)
    times.connect_came()
    session.connected(1)
    times.connect_answered(now)
    return session, times


def test_first_pings_of_a_crowd_are_spread_over_half_the_interval_and_gathered_on_a_grid() -> None:
    firsts = Counter(connected(1_000.3)[1].next_look(busy=False) for _ in range(10_000))
    assert 1_000.3 + 12.5 <= min(firsts) < 1_000.3 + 13
    assert 1_000.3 + 24.5 < max(firsts) < 1_000.3 + 25
    assert all(time % PING_GRID_SECONDS == 0 for time in firsts)
    assert max(firsts.values()) < 150, "of 10,000, in 200 places"


def test_a_listener_is_pinged_and_not_expected_to_answer() -> None:
    session, times = connected(0.0, answers=False)
    for _ in range(10):
        now = times.next_look(busy=False)
        assert times.look(now, busy=False) is Due.PING
    assert session.pong_deadline == inf


@pytest.mark.parametrize("busy", [True, False])
def test_who_is_silent_is_told_so_when_nothing_of_it_waits_to_be_looked_at(busy: bool) -> None:
    session, times = connected(0.0)
    pinged = times.next_look(busy=False)
    assert times.look(pinged, busy=False) is Due.PING
    assert times.next_look(busy=busy) == (pinged + 25 if busy else pinged + 10)
    assert times.look(pinged + 9.9, busy=busy) is Due.NOTHING
    assert times.look(pinged + 10, busy=busy) is (Due.NOTHING if busy else Due.NO_PONG)
    assert session.pong_deadline == pinged + 10


def test_before_connect_came_and_until_it_is_answered() -> None:
    session = Session("c", settings=SETTINGS, publishable=json_codec.publishable)
    times = Timekeeping(session, SETTINGS, now=100.0, answers=True)
    assert times.next_look(busy=False) == 115
    assert times.look(114.9, busy=False) is Due.NOTHING
    assert times.look(115.0, busy=False) is Due.STALE
    times.connect_came()
    assert times.next_look(busy=True) == inf
    session.refused()
    times.connect_answered(120.0)
    times.connect_answered(123.0)
    assert times.next_look(busy=False) == 125
    assert times.look(125.0, busy=False) is Due.REFUSED
