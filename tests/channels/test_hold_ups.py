"""Foreign code that holds the thread is named; what it asks of Trio and gets back is what it would be without."""

from collections.abc import Awaitable, Callable

import pytest
import structlog
import trio
from prometheus_client import REGISTRY
from trio.testing import MockClock

from framecast.channels.hold_ups import HoldUps
from framecast.channels.outsiders import Outsiders, Run
from framecast.settings import Sources


class Thread:
    """The clock of a thread, and code that holds it."""

    def __init__(self) -> None:
        self.now = 0.0

    def hold(self, seconds: float) -> None:
        self.now += seconds


def blocked_seconds() -> float:
    return REGISTRY.get_sample_value("framecast_source_blocked_seconds_total") or 0.0


async def carry_out(hold_ups: HoldUps, work: Callable[[Run], Awaitable[object]], what: str = "it") -> Run:
    outsiders = Outsiders(hold_ups)
    async with outsiders.open(5, abandon=lambda: None):
        run = outsiders.start(work, what)
        await run.wait_ended(1_000)
    return run


async def test_who_holds_the_thread_is_named_once_a_minute(autojump_clock: MockClock) -> None:
    thread = Thread()
    hold_ups, before = HoldUps(Sources(), lambda: thread.now), blocked_seconds()

    async def block(run: Run) -> None:
        run.what = "the stream x"
        for seconds in (0.4, 3, 2, 0.1, 58, 0.5):
            thread.hold(seconds)
            await trio.sleep(1)

    async def behave(run: Run) -> None:
        for _ in range(1_000):
            thread.hold(0.49)
            await trio.sleep(0.001)

    with structlog.testing.capture_logs() as logs:
        await carry_out(hold_ups, block)
        await carry_out(hold_ups, behave)
    common = {"event": "a plugin held the server up", "log_level": "warning", "what": "the stream x"}
    assert logs == [{"seconds": 3, "unlogged": 0, **common}, {"seconds": 58, "unlogged": 1, **common}]
    assert blocked_seconds() - before == pytest.approx(63.5)


async def test_what_it_raises_after_it_held_the_thread_is_its_failure(autojump_clock: MockClock) -> None:
    thread = Thread()

    async def fail(run: Run) -> None:
        await trio.sleep(1)
        thread.hold(1)
        raise ValueError("x")

    with structlog.testing.capture_logs() as logs:
        run = await carry_out(HoldUps(Sources(), lambda: thread.now), fail)
    assert isinstance(run.failure, ValueError)
    assert [line["seconds"] for line in logs] == [1]


async def test_cancellation_values_and_errors_come_through(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    waiting = trio.Event()

    async def listen(run: Run) -> None:
        send, receive = trio.open_memory_channel[int](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send.send, 7)
            heard.append(await receive.receive())
        with trio.move_on_after(1) as scope:
            await trio.sleep_forever()
        heard.append(scope.cancelled_caught)
        with pytest.raises(trio.ClosedResourceError):
            await _closed(receive)
        heard.append(await trio.to_thread.run_sync(lambda: "thread"))
        waiting.set()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            heard.append("cancelled")
            raise

    outsiders = Outsiders(HoldUps(Sources()))
    async with outsiders.open(5, abandon=lambda: None):
        run = outsiders.start(listen, "it")
        await waiting.wait()
        run.cancel()
        assert await run.wait_ended(1)
    assert (run.failure, heard) == (None, [7, True, "thread", "cancelled"])


async def _closed(receive: trio.MemoryReceiveChannel[int]) -> None:
    receive.close()
    await receive.receive()
