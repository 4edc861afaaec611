"""Noticing the first wait of something, and what runs beside it from then on."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import trio

from framecast.client.noticing import Beside, Noticing


class Told:
    """Counts how often it was told of a wait."""

    def __init__(self) -> None:
        self.times = 0

    def note(self) -> None:
        self.times += 1


async def test_what_never_waits_is_not_told_of() -> None:
    told, done = Told(), []

    async def run() -> None:
        done.append("all of it")

    await Noticing(run(), told.note)
    assert done == ["all of it"]
    assert told.times == 0


async def test_the_first_wait_is_told_of_before_it_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    told, seen = Told(), []

    async def run() -> None:
        seen.append(told.times)
        await trio.sleep(1)
        seen.append(told.times)
        await trio.sleep(1)
        seen.append(told.times)

    await Noticing(run(), told.note)
    assert seen == [0, 1, 1]
    assert trio.current_time() == 2


async def test_a_task_begun_at_the_first_wait_is_outside_the_scopes_within(
    autojump_clock: trio.testing.MockClock,
) -> None:
    beside = trio.Event()

    async def run_beside() -> None:
        await trio.sleep(10)
        beside.set()

    async def run() -> None:
        with trio.move_on_after(1):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await Noticing(run(), lambda: nursery.start_soon(run_beside))
        assert trio.current_time() == 1
        await beside.wait()
    assert trio.current_time() == 10


async def _raise_at_once() -> None:
    raise ValueError("ours")


async def _raise_later() -> None:
    await trio.sleep(1)
    raise ValueError("ours")


@pytest.mark.parametrize("run", [_raise_at_once, _raise_later])
async def test_errors_come_through(
    run: Callable[[], Coroutine[Any, Any, None]], autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(ValueError, match="ours"):
        await Noticing(run(), Told().note)


async def test_cancellation_comes_through(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()

    async def run() -> None:
        await trio.sleep_forever()

    with trio.move_on_after(1) as scope:
        await Noticing(run(), told.note)
    assert scope.cancelled_caught
    assert told.times == 1


async def test_what_is_given_up_ends_what_runs() -> None:
    ended = []

    async def run() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("it")

    noticing = Noticing(run(), Told().note)
    noticing.send(None)
    noticing.close()
    assert ended == ["it"]


async def test_what_is_never_begun_beside_is_not_waited_for(nursery: trio.Nursery) -> None:
    beside = Beside(nursery, trio.sleep_forever)
    with trio.testing.assert_no_checkpoints():
        await beside.end()
    assert not nursery.child_tasks


async def test_what_runs_beside_has_ended_when_its_end_is_told(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    ended = []

    async def run() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            ended.append(trio.current_time())

    beside = Beside(nursery, run)
    beside.begin()
    await trio.testing.wait_all_tasks_blocked()
    await beside.end()
    assert ended == [1]


async def test_what_ended_by_itself_beside_is_not_waited_for(nursery: trio.Nursery) -> None:
    beside = Beside(nursery, partial(trio.sleep, 0))
    beside.begin()
    await trio.testing.wait_all_tasks_blocked()
    with trio.fail_after(1):
        await beside.end()


async def test_what_fails_beside_is_the_nurserys_to_tell(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="ours")):
        async with trio.open_nursery() as nursery:
            Beside(nursery, _raise_later).begin()
