"""Packets on their way to a channel that is told less often: the newest goes on, and nothing that is needed is lost."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from framecast import metrics
from framecast.plugins.conflation import Conflation
from framecast.plugins.packets import Packet

Step = tuple[float, bool]
"""Seconds before the next packet, and whether that is needed."""
Sent = tuple[float, int]

SECONDS = 1.0
STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.75]), st.booleans()), max_size=20)


def run(
    steps: Sequence[Step], *, rest: float = 0.0, delivering: Callable[[int], float] = lambda number: 0.0
) -> tuple[list[Sent], list[float]]:
    """When which packet went on, and when each came."""
    sent: list[Sent] = []
    came: list[float] = []

    async def deliver(packet: Packet) -> None:
        await trio.sleep(delivering(int(packet.whole)))
        sent.append((trio.current_time(), int(packet.whole)))

    async def play() -> None:
        began = trio.current_time()
        conflation = Conflation(deliver, SECONDS)
        async with conflation.open():
            for number, (gap, needed) in enumerate(steps):
                await trio.sleep(gap)
                came.append(trio.current_time() - began)
                await conflation.take(Packet(b"%d" % number), needed=needed)
            await trio.sleep(rest)
        sent[:] = [(at - began, number) for at, number in sent]

    trio.run(play, clock=MockClock(autojump_threshold=0))
    return sent, came


@given(steps=STEPS, rest=st.sampled_from([0.0, 5.0]))
def test_packets_go_in_order_and_seldom_and_the_last_and_the_needed_always(steps: list[Step], rest: float) -> None:
    before = metrics.source_conflated._value.get()
    sent, came = run(steps, rest=rest)
    numbers = [number for _, number in sent]
    assert numbers == sorted(set(numbers))
    assert {number for number, (_, needed) in enumerate(steps) if needed} <= set(numbers)
    assert numbers[-1:] == [*range(len(steps))][-1:]
    assert metrics.source_conflated._value.get() - before == len(steps) - len(sent)
    for (last, _), (at, number) in pairwise(sent):
        is_last_of_all = number == len(steps) - 1
        assert steps[number][1] or is_last_of_all or at - last >= SECONDS
    for at, number in sent:
        assert at - came[number] <= SECONDS, "none waits for longer"
        assert not any(came[number] < other < at for other in came), "no newer one was there"


def test_what_is_kept_goes_when_it_is_time_though_nothing_follows() -> None:
    sent, _ = run([(0.0, False), (0.25, False), (0.25, False)], rest=10.0)
    assert sent == [(0.0, 0), (1.0, 2)]


def test_a_slow_channel_is_never_told_an_older_one_behind_a_newer() -> None:
    """What goes because it is time takes longer to go than what is needed and comes meanwhile."""
    needed = range(0, 40, 5)
    steps = [(0.25, number in needed) for number in range(40)]
    sent, _ = run(steps, delivering=lambda number: 0.05 if number in needed else 0.4)
    numbers = [number for _, number in sent]
    assert numbers == sorted(set(numbers))
    assert {*needed, 39} <= set(numbers)


@pytest.mark.parametrize("fail", [True, False])
async def test_what_is_still_kept_at_the_end_goes_then(fail: bool, autojump_clock: MockClock) -> None:
    sent: list[bytes] = []

    async def deliver(packet: Packet) -> None:
        sent.append(packet.whole)

    async def play(end: Callable[[], None]) -> None:
        conflation = Conflation(deliver, 100.0)
        async with conflation.open():
            for text in (b"1", b"2", b"3"):
                await conflation.take(Packet(text), needed=False)
            end()

    def raise_it() -> None:
        raise RuntimeError("broken")

    if fail:
        with pytest.raises(ExceptionGroup):
            await play(raise_it)
    else:
        await play(lambda: None)
    assert sent == [b"1", b"3"]
