"""What is between the core's queue and a peer that it does not write to: how much that holds, and how it ends."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from framecast._core import Fanout
from framecast.door.direct import DirectStream
from framecast.door.outbound import WriterEvents, WriterStream
from framecast.door.relay import PAIR_BYTES, carry, open_pair
from patience import PATIENCE_SECONDS

QUEUE_BYTES = 300_000
MESSAGE = b'"' + b"x" * 7_998 + b'"'


@pytest.fixture
async def events(nursery: trio.Nursery) -> AsyncIterator[WriterEvents]:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout, trio.fail_after(PATIENCE_SECONDS):
        events = WriterEvents(fanout)
        await nursery.start(events.run)
        yield events


def adopt(events: WriterEvents, ours: DirectStream) -> WriterStream:
    return events.adopt(
        ours,
        max_queue_bytes=QUEUE_BYTES,
        write_seconds=PATIENCE_SECONDS,
        close_flush_seconds=0.05,
    )


async def test_what_is_ready_at_a_wake_up_goes_on_as_one_until_the_end(events: WriterEvents) -> None:
    ours, theirs = open_pair()
    pieces: list[bytes] = []
    taking = trio.Event()

    async def take(piece: bytes) -> None:
        pieces.append(piece)
        await taking.wait()

    async with theirs, trio.open_nursery() as nursery, adopt(events, ours) as outbound:
        outbound.send_message(b"{}")
        nursery.start_soon(lambda: carry(theirs, take, piece_bytes=PAIR_BYTES))
        await trio.testing.wait_all_tasks_blocked(0.01)
        for _ in range(6):  # while the first is being taken
            outbound.send_message(MESSAGE)
        while outbound.queued_bytes:  # noqa: ASYNC110 - another thread's doing has no event
            await trio.sleep(0.0005)
        taking.set()
    assert len(pieces) == 2
    assert 6 * len(MESSAGE) < len(pieces[1]) <= PAIR_BYTES
    assert pieces[1].count(MESSAGE) == 6


async def test_who_takes_nothing_holds_little_beyond_its_queue(events: WriterEvents) -> None:
    ours, theirs = open_pair()
    async with theirs, adopt(events, ours) as outbound:
        said = 0
        while said < QUEUE_BYTES - len(MESSAGE):
            outbound.send_message(MESSAGE)
            said += len(MESSAGE) + 4
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert said - outbound.queued_bytes < 3 * PAIR_BYTES
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                outbound.send_message(MESSAGE)
        assert outbound.overflowed


async def test_carrying_ends_when_the_pair_is_closed() -> None:
    ours, theirs = open_pair()
    pieces: list[bytes] = []

    async def take(piece: bytes) -> None:
        pieces.append(piece)

    with trio.fail_after(PATIENCE_SECONDS):
        async with ours, trio.open_nursery() as nursery:
            nursery.start_soon(lambda: carry(theirs, take, piece_bytes=1))
            await ours.send_all(b"ab")
            await trio.testing.wait_all_tasks_blocked(0.01)
            await theirs.aclose()
    assert pieces == [b"a", b"b"]
