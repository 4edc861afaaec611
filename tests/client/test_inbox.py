"""What clients have said and nobody has acted upon: bounded for each of them, and for all of them together."""

from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from client.wired import counted, open_world
from framecast.client.inbox import FRAME_BYTES, FREE_BYTES, Inbox, waiting_budget
from framecast.errors import Refusal
from framecast.settings import KIB, Live

ROOM = Live(waiting_bytes=100 * KIB)


def test_a_small_part_of_each_client_is_free_when_the_others_hold_everything() -> None:
    budget = waiting_budget(ROOM)
    with budget.hold() as others, budget.hold() as held:
        others.grow(ROOM.waiting_bytes)
        inbox = Inbox(1_000_000, held)
        inbox.put(b"x" * (FREE_BYTES - FRAME_BYTES))
        with pytest.raises(Refusal, match=r"live\.waiting_bytes"):
            inbox.put(b"")
        assert len(inbox.take() or b"") == FREE_BYTES - FRAME_BYTES
        inbox.put(b"again")
        assert inbox.take() == b"again"


@given(st.lists(st.integers(0, 40_000) | st.none()))
def test_what_is_held_is_what_waits_beyond_the_free_part(steps: list[int | None]) -> None:
    budget = waiting_budget(Live(waiting_bytes=10**9))
    waiting: list[int] = []

    with budget.hold() as held:
        inbox = Inbox(10**9, held)
        for size in steps:
            if size is not None:
                inbox.put(b"x" * size)
                waiting.append(size)
            elif waiting:
                assert len(inbox.take() or b"") == waiting.pop(0)
            assert budget.held_bytes == max(0, sum(waiting) + FRAME_BYTES * len(waiting) - FREE_BYTES)
    assert budget.held_bytes == 0


async def test_who_reads_waits_while_it_is_full(autojump_clock: trio.testing.MockClock) -> None:
    with waiting_budget(ROOM).hold() as held:
        inbox = Inbox(FRAME_BYTES + 10, held)
        inbox.put(b"x" * 9)
        await inbox.wait_room()
        inbox.put(b"x" * 100)
        with trio.move_on_after(5) as waiting:
            await inbox.wait_room()
        assert waiting.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inbox.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            assert inbox.take() == b"x" * 9
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks, "what is left alone fills it"
            assert inbox.take() == b"x" * 100
        assert inbox.take() is None


async def test_who_floods_while_all_room_is_taken_is_sent_away_to_come_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    settings = Live(waiting_bytes=60 * KIB, message_size_limit=50 * KIB)
    async with open_world(settings) as world:
        world.scopes.grafana.hooks["b"] = partial(trio.sleep, 5)
        await world.connect()
        before = counted("closes_total", code="3013")
        publish = '{"id":%d,"publish":{"channel":"grafana/a/b","data":"' + "x" * 40_000 + '"}}'
        for number in range(2, 5):
            await world.say(publish % number)
        assert (await world.wait_closed())[0] == 3013
        await world.ended.wait()
        assert counted("closes_total", code="3013") == before + 1
    assert counted("waiting_bytes") == 0
