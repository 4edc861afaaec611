"""What is between the core's queue and an answer that a test holds in its hand. The session is the test's own."""

import contextlib
import errno
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from framecast._core import Fanout
from framecast.client.http_stream import PIECE_BYTES, HttpStreams, Opening
from framecast.client.newcomer import Newcomer
from framecast.client.rooms import Outbox
from framecast.client.roster import Roster
from framecast.door.outbound import Reading, WriterEvents
from framecast.door.relay import PAIR_BYTES
from framecast.errors import PeerLeft, Refusal
from framecast.protocol.emulation import EmulationRequest
from framecast.settings import Live
from patience import PATIENCE_SECONDS

LIMITS = Live(queue_bytes=300_000, write_seconds=PATIENCE_SECONDS, close_seconds=PATIENCE_SECONDS)
HASTY = Live(queue_bytes=300_000, write_seconds=0.05, close_seconds=PATIENCE_SECONDS)
OPENING = Opening(visitor=None, address="", first=b"first", reading=Reading("json", "stream"))
MESSAGE = b'"' + b"x" * 7_998 + b'"'

Session = Callable[[Newcomer], Awaitable[None]]


class HeldAnswer:
    """Takes nothing until it is told to, and then everything."""

    def __init__(self) -> None:
        self.begun = False
        self.taken = bytearray()
        self.taking = trio.Event()
        self.left = trio.Event()

    async def begin(self) -> None:
        self.begun = True

    async def write(self, data: bytes) -> None:
        await self.taking.wait()
        self.taken += data

    async def wait_left(self) -> None:
        await self.left.wait()


@dataclass
class Here:
    events: WriterEvents
    limits: Live = LIMITS
    answer: HeldAnswer = field(default_factory=HeldAnswer)
    ended: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    session: Session | None = None

    async def serve(self) -> None:
        with self.scope:
            await self.streams.serve(OPENING, self.answer)
        self.ended.set()

    @cached_property
    def streams(self) -> HttpStreams:
        rooms: Any = SimpleNamespace(settings=self.limits)
        return HttpStreams(rooms, Roster(self.limits, trio.Event()), self.events)


@pytest.fixture
async def here(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    async def serve_subscriber(newcomer: Newcomer, rooms: object) -> None:
        assert world.session is not None
        await world.session(newcomer)

    monkeypatch.setattr("framecast.client.http_stream.serve_subscriber", serve_subscriber)
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout, trio.fail_after(PATIENCE_SECONDS):
        events = WriterEvents(fanout)
        await nursery.start(events.run)
        world = Here(events)
        yield world


async def until_left(newcomer: Newcomer) -> None:
    with contextlib.suppress(PeerLeft):
        while True:
            await newcomer.transport.receive()


def open_descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_everything_goes_out_in_order_however_late_it_is_taken(here: Here, nursery: trio.Nursery) -> None:
    async def say(newcomer: Newcomer) -> None:
        assert await newcomer.transport.receive() == b"first"
        for number in range(3_000):
            newcomer.outbox.send_message(b"%d" % number)
        await newcomer.transport.close(3001, "shutdown")

    here.session = say
    nursery.start_soon(here.serve)
    await trio.testing.wait_all_tasks_blocked(0.01)
    here.answer.taking.set()
    await here.ended.wait()
    *numbers, goodbye = bytes(here.answer.taken).splitlines()
    assert numbers == [b"%d" % number for number in range(3_000)]
    assert goodbye == b'{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}'


def say_as_much_as_the_queue_holds(outbox: Outbox) -> int:
    """Say it at once; how many bytes it is. That is more than the pair can hold besides."""
    count = LIMITS.queue_bytes // (len(MESSAGE) + 1)
    for _ in range(count):
        outbox.send_message(MESSAGE)
    return count * (len(MESSAGE) + 1)


async def test_who_takes_nothing_holds_little_beyond_its_queue_and_is_cut(here: Here, nursery: trio.Nursery) -> None:
    cut = trio.Event()

    async def flood(newcomer: Newcomer) -> None:
        outbox = newcomer.outbox
        said_bytes = say_as_much_as_the_queue_holds(outbox)
        while said_bytes - outbox.queued_bytes < PAIR_BYTES // 2:  # noqa: ASYNC110 - another thread's doing has no event
            await trio.sleep(0.0005)
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                outbox.send_message(MESSAGE)
        await until_left(newcomer)
        assert outbox.overflowed
        cut.set()

    here.session = flood
    nursery.start_soon(here.serve)
    await cut.wait()
    assert not here.ended.is_set()  # the answer cannot be ended before its peer takes what was begun
    here.answer.taking.set()
    await here.ended.wait()
    # The queue is dropped with the connection: what still comes is what was kept beyond it. The kernel doubles what it
    # is asked for, and lets one more write in, of half of that, while there is a byte left.
    assert PIECE_BYTES < len(here.answer.taken) < 3 * PAIR_BYTES + PIECE_BYTES


async def test_who_takes_nothing_for_too_long_is_cut_with_a_queue_that_is_not_full(
    here: Here, nursery: trio.Nursery
) -> None:
    stalled = trio.Event()

    async def say_much(newcomer: Newcomer) -> None:
        say_as_much_as_the_queue_holds(newcomer.outbox)
        await until_left(newcomer)
        assert (newcomer.outbox.stalled, newcomer.outbox.overflowed) == (True, False)
        stalled.set()

    here.limits = HASTY
    here.session = say_much
    nursery.start_soon(here.serve)
    await stalled.wait()
    here.answer.taking.set()
    await here.ended.wait()


async def test_frames_beside_the_stream_count_as_signs_of_life(here: Here, nursery: trio.Nursery) -> None:
    first_heard = last_heard = 0.0

    async def hear(newcomer: Newcomer) -> None:
        nonlocal first_heard, last_heard
        assert await newcomer.transport.receive() == b"first"
        first_heard = newcomer.outbox.last_received
        assert newcomer.emulated is not None
        later = EmulationRequest(newcomer.emulated.session, newcomer.emulated.node, b"later")
        nursery.start_soon(here.streams.deliver, None, later)
        assert await newcomer.transport.receive() == b"later"
        last_heard = newcomer.outbox.last_received

    here.session = hear
    here.answer.taking.set()
    await here.serve()
    assert 0 < first_heard < last_heard


async def test_a_client_that_leaves_much_unread_is_gone_all_the_same(here: Here, nursery: trio.Nursery) -> None:
    async def say_much(newcomer: Newcomer) -> None:
        for _ in range(10):
            newcomer.outbox.send_message(MESSAGE)
        await until_left(newcomer)

    here.session = say_much
    nursery.start_soon(here.serve)
    await trio.testing.wait_all_tasks_blocked(0.05)
    here.answer.left.set()
    await trio.testing.wait_all_tasks_blocked(0.05)
    here.answer.taking.set()
    with trio.fail_after(PATIENCE_SECONDS):
        await here.ended.wait()


async def test_a_client_that_left_ends_its_session(here: Here, nursery: trio.Nursery) -> None:
    here.session = until_left
    nursery.start_soon(here.serve)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert not here.ended.is_set()
    here.answer.left.set()
    await here.ended.wait()


async def test_nothing_is_said_to_a_client_that_left_and_nothing_fails(here: Here, nursery: trio.Nursery) -> None:
    async def say_goodbye(newcomer: Newcomer) -> None:
        await until_left(newcomer)
        for _ in range(3):
            await newcomer.transport.close(3001, "shutdown")
            await trio.lowlevel.checkpoint()

    here.session = say_goodbye
    here.answer.taking.set()
    nursery.start_soon(here.serve)
    await trio.testing.wait_all_tasks_blocked(0.01)
    here.answer.left.set()
    await here.ended.wait()
    assert here.answer.taken == b""


async def test_a_session_that_goes_on_after_its_client_is_waited_for(here: Here, nursery: trio.Nursery) -> None:
    done = trio.Event()

    async def linger(newcomer: Newcomer) -> None:
        await until_left(newcomer)
        await done.wait()

    here.session = linger
    here.answer.left.set()
    nursery.start_soon(here.serve)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert not here.ended.is_set()
    done.set()
    await here.ended.wait()


@pytest.mark.parametrize("how", ["ends", "leaves", "cancelled", "fails"])
async def test_no_descriptor_is_left(here: Here, nursery: trio.Nursery, how: str) -> None:
    async def session(newcomer: Newcomer) -> None:
        newcomer.outbox.send_message(MESSAGE)
        if how == "ends":
            return
        if how == "fails":
            raise RuntimeError("a bug of ours")
        await until_left(newcomer)

    here.session = session
    before = open_descriptors()
    if how != "cancelled":
        here.answer.taking.set()
    if how == "leaves":
        here.answer.left.set()
    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True) if how == "fails" else contextlib.nullcontext():
        async with trio.open_nursery() as serving:
            serving.start_soon(here.serve)
            if how == "cancelled":
                await trio.testing.wait_all_tasks_blocked(0.01)
                here.scope.cancel()
    assert open_descriptors() == before


async def test_a_pair_that_cannot_be_watched_is_closed_again(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError("no more")

    monkeypatch.setattr(WriterEvents, "adopt", fail)
    before = open_descriptors()
    with pytest.raises(OSError, match="no more"):
        await here.streams.serve(OPENING, here.answer)
    assert open_descriptors() == before


async def test_who_gets_no_sockets_is_refused_before_the_answer_begins(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(trio.socket, "socketpair", fail)
    with pytest.raises(Refusal, match="Too many open files") as refused:
        await here.streams.serve(OPENING, here.answer)
    assert (refused.value.code, refused.value.temporary) == (503, True)
    assert not here.answer.begun
