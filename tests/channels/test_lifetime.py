"""When a channel's source runs: from its first subscriber until after its last, again when it fails, never twice."""

import contextlib
import math

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.channels.backoff import Backoff
from framecast.channels.outsiders import Run
from framecast.errors import Refusal
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import Sources
from lived import Place, Scripted, channel, place

A = channel("a")
B = channel("b")


async def test_the_first_subscriber_starts_it_and_others_share_it(autojump_clock: MockClock) -> None:
    async with place() as here:
        source = Scripted()
        here.lifetimes.claim(A, source)
        await trio.sleep(1)
        assert source.began == []
        here.board.join(A)
        await trio.sleep(1)
        for _ in range(10):
            here.subscribe(A, source)
        await trio.sleep(1)
        assert source.began == [1.0]
        assert (source.running, here.lifetimes.count) == (1, 1)


async def test_it_runs_on_for_the_grace_time_and_ends_after_it(autojump_clock: MockClock) -> None:
    async with place() as here:
        source = Scripted()
        for wait in (14.9, 14.9, 15.1):
            here.subscribe(A, source)
            await trio.sleep(100)
            assert source.running == 1
            here.board.leave(A)
            await trio.sleep(wait)
        assert (source.began, source.running, here.lifetimes.count) == ([0.0], 0, 0)
        here.subscribe(A, source)
        await trio.sleep(1)
        assert len(source.began) == 2


async def test_a_claim_without_a_subscriber_is_let_go(autojump_clock: MockClock) -> None:
    async with place() as here:
        here.lifetimes.claim(A, Scripted())
        await trio.sleep(16)
        assert here.lifetimes.count == 0


def test_the_first_failure_is_made_good_at_once_and_then_ever_later() -> None:
    backoff = Backoff(Sources())
    assert [backoff.after(0.05) for _ in range(9)] == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    assert backoff.after(0.1) == 0
    assert [backoff.after(0.099) for _ in range(3)] == [0, 0.2, 0.4]
    assert all(math.isfinite(backoff.after(0)) for _ in range(2_000))


async def test_a_source_that_fails_is_started_again(autojump_clock: MockClock) -> None:
    async def fail(run: Run) -> None:
        raise ValueError("broken")

    async with place() as here:
        source = Scripted(fail)
        here.subscribe(A, source)
        await trio.sleep(11.5)
        assert source.began == pytest.approx([0, 0, 0.2, 0.6, 1.4, 3.0, 6.2, 11.2])


async def test_a_source_that_failed_late_is_started_again_at_once(autojump_clock: MockClock) -> None:
    async def fail(run: Run) -> None:
        await trio.sleep(0.5)
        raise ValueError("broken")

    async with place() as here:
        source = Scripted(fail)
        here.subscribe(A, source)
        await trio.sleep(1.9)
        assert source.began == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("failure", [SystemExit(1), BaseExceptionGroup("", [SystemExit()])], ids=repr)
async def test_a_source_that_would_end_the_process_only_fails(
    failure: BaseException, autojump_clock: MockClock
) -> None:
    async def leave(run: Run) -> None:
        raise failure

    async with place() as here:
        source, bystander = Scripted(leave), Scripted()
        here.subscribe(A, source)
        here.subscribe(B, bystander)
        await trio.sleep(0.5)
        assert len(source.began) == 3
        assert bystander.running == 1


INTERRUPTS = pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()])], ids=["alone", "in a group"]
)


@INTERRUPTS
async def test_an_interrupt_is_a_failure_where_a_real_one_comes_as_a_signal(
    failure: BaseException, autojump_clock: MockClock
) -> None:
    async def interrupt(run: Run) -> None:
        raise failure

    async with place() as here:
        with here.outsiders.signals_received(), structlog.testing.capture_logs() as logs:
            source, bystander = Scripted(interrupt), Scripted()
            here.subscribe(A, source)
            here.subscribe(B, bystander)
            await trio.sleep(0.5)
            assert (len(source.began), bystander.running) == (3, 1)
            assert (logs[0]["event"], logs[0]["channel"]) == ("a stream failed", str(A))


@INTERRUPTS
async def test_an_interrupt_that_may_be_somebodys_ends_everything(
    failure: BaseException, autojump_clock: MockClock
) -> None:
    runs: list[Run] = []

    async def interrupt(run: Run) -> None:
        runs.append(run)
        raise failure

    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with place() as here:
            here.subscribe(A, Scripted(interrupt))
            await trio.sleep(60)
    assert len(runs) == 1, "it is not started again"


async def test_what_a_source_raises_beside_being_cancelled_reaches_nobody(autojump_clock: MockClock) -> None:
    async def break_when_cancelled(run: Run) -> None:
        async def complain() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while it ends")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(complain)
            nursery.start_soon(trio.sleep_forever)

    async with place() as here:
        source = Scripted(break_when_cancelled)
        here.subscribe(A, source)
        await trio.sleep(1)
        here.board.leave(A)
        await trio.sleep(20)
        assert (source.running, here.lifetimes.count) == (0, 0)


@pytest.mark.parametrize("final", [None, Refusal(404, "no such stream")], ids=repr)
async def test_a_source_that_is_done_begins_anew_with_the_next_subscriber(
    final: Refusal | None, autojump_clock: MockClock
) -> None:
    async def finish(run: Run) -> None:
        if final is not None:
            raise final

    async with place() as here:
        source = Scripted(finish)
        here.subscribe(A, source)
        await trio.sleep(1_000)
        assert len(source.began) == 1
        here.subscribe(A, source)
        await trio.sleep(1)
        assert len(source.began) == 2


async def test_a_change_of_the_data_source_begins_its_streams_anew_and_no_others(autojump_clock: MockClock) -> None:
    async with place() as here:
        mine, other = Scripted(), Scripted()
        here.subscribe(A, mine)
        here.subscribe(B, other)
        await trio.sleep(1)
        here.lifetimes.renew(lambda address: address == A)
        await trio.sleep(1)
        assert (mine.began, other.began) == ([0.0, 1.0], [0.0])
        assert here.board.ended == []


async def test_a_change_counts_at_once_for_a_stream_that_waits_after_a_failure(autojump_clock: MockClock) -> None:
    broken = True

    async def work(run: Run) -> None:
        if broken:
            raise ValueError("no credentials")
        await trio.sleep_forever()

    async with place() as here:
        source = Scripted(work)
        here.subscribe(A, source)
        await trio.sleep(7)
        broken = False
        here.lifetimes.renew(lambda address: True)
        await trio.sleep(0.01)
        assert source.running == 1
        assert source.began[-1] == 7.0


async def test_a_deleted_data_source_ends_its_streams_and_tells_who_watches(autojump_clock: MockClock) -> None:
    async with place() as here:
        source = Scripted()
        here.subscribe(A, source)
        await trio.sleep(1)
        here.lifetimes.stop(lambda address: address == A)
        with pytest.raises(Refusal) as caught:
            here.lifetimes.claim(A, source)
        assert (caught.value.code, caught.value.temporary) == (503, True)
        await trio.sleep(0.01)
        assert (source.running, here.lifetimes.count) == (0, 0)
        assert here.board.ended[0] == (A, UnsubscribeCode.SERVER)
        assert here.board.forgotten == [A]


async def test_who_brings_other_data_is_refused_while_somebody_watches(autojump_clock: MockClock) -> None:
    async with place() as here:
        mine, other = Scripted(identity="x"), Scripted(identity="y")
        here.subscribe(A, mine)
        await trio.sleep(1)
        with pytest.raises(Refusal) as caught:
            here.lifetimes.claim(A, other)
        assert (caught.value.code, caught.value.temporary) == (409, False)
        assert mine.running == 1
        here.board.leave(A)
        here.subscribe(A, other)
        await trio.sleep(1)
        assert (mine.running, other.running) == (0, 1)
        assert here.board.forgotten == [A], "what one sent is no past of the other"


async def test_one_stream_too_many_is_refused_for_now(autojump_clock: MockClock) -> None:
    async with place(Sources(max_running=1)) as here:
        here.subscribe(A, Scripted())
        with pytest.raises(Refusal) as caught:
            here.lifetimes.claim(B, Scripted())
        assert (caught.value.code, caught.value.temporary) == (503, True)
        here.board.leave(A)
        await trio.sleep(16)
        here.subscribe(B, Scripted())


LONG = 10_000


async def go_on(run: Run) -> None:
    """Swallow the cancellation for as long as a test lasts."""
    until = trio.current_time() + LONG
    while trio.current_time() < until:
        with contextlib.suppress(trio.Cancelled):
            await trio.sleep(1)
        with trio.CancelScope(shield=True):  # or no time would pass on a clock that jumps
            await trio.sleep(0.5)


async def deaf(run: Run) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(LONG)


@pytest.mark.parametrize("work", [go_on, deaf])
async def test_a_source_that_ignores_cancellation_closes_its_channel_alone(
    work: object, autojump_clock: MockClock
) -> None:
    async with place() as here:
        source, bystander = Scripted(work), Scripted()  # type: ignore[arg-type] # a parametrised function
        here.subscribe(A, source)
        here.subscribe(B, bystander)
        await trio.sleep(1)
        here.lifetimes.renew(lambda address: address == A)
        await trio.sleep(4)
        assert here.board.ended == []
        await trio.sleep(2)
        assert here.board.ended == [(A, UnsubscribeCode.INSUFFICIENT_STATE)]
        with pytest.raises(Refusal) as caught:
            here.lifetimes.claim(A, source)
        assert (caught.value.code, caught.value.temporary) == (503, True)
        assert (len(source.began), bystander.began) == (1, [0.0])
        await trio.sleep(LONG)
        assert (source.running, here.lifetimes.count) == (0, 1), "it ended at last, and the other goes on"
        here.subscribe(A, Scripted())


async def test_what_was_given_up_does_not_turn_in_circles() -> None:
    """On the real clock: as long as it turns, no other one would jump."""
    rounds = 0
    over = False

    async def swallow(run: Run) -> None:
        nonlocal rounds
        while not over:
            rounds += 1
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep(0.05)

    async with place(Sources(stop_seconds=0.1)) as here:
        here.subscribe(A, Scripted(swallow))
        await wait_all_tasks_blocked()
        here.lifetimes.renew(lambda address: True)
        await here.board.any_ended.wait()
        before = rounds
        await trio.sleep(0.5)
        after, over = rounds, True
        assert after - before < before, "in five times the time"


@pytest.mark.parametrize("work", [go_on, deaf])
async def test_the_server_ends_without_a_source_that_does_not(work: object, autojump_clock: MockClock) -> None:
    here: Place
    async with place() as here:
        here.subscribe(A, Scripted(work))  # type: ignore[arg-type] # a parametrised function
        here.subscribe(B, Scripted())
        await trio.sleep(1)
    # Past its deadline the process would have ended. Trio waits for the task, as it must.
    assert here.abandoned == 1


async def test_nothing_is_abandoned_where_everything_ends(autojump_clock: MockClock) -> None:
    async with place() as here:
        for number in range(20):
            here.subscribe(channel(f"c{number}"), Scripted())
        await trio.sleep(1)
    assert (here.abandoned, here.outsiders.running, here.lifetimes.count) == (0, 0, 0)
    with pytest.raises(Refusal):
        here.lifetimes.claim(A, Scripted())
