"""What is between the core's queue and a peer behind TLS: how much it holds, who ends whom, what still goes out."""

import contextlib
import errno
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from framecast._core import Fanout
from framecast.door.outbound import WriterEvents, WriterStream
from framecast.door.relay import PAIR_BYTES, TRAIN_BYTES, relayed
from patience import PATIENCE_SECONDS

QUEUE_BYTES = 300_000
MESSAGE = b'"' + b"x" * 7_998 + b'"'


class HeldStream:
    """Stands for a connection behind TLS whose peer takes nothing until it is told to, and then everything."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.pieces: list[int] = []
        self.taking = trio.Event()
        self.aborted = trio.Event()
        self.broken = False

    async def send_all(self, data: bytes) -> None:
        if self.broken:
            raise trio.BrokenResourceError
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fail_when_aborted)
            await self.taking.wait()
            nursery.cancel_scope.cancel()
        if self.broken:
            raise trio.BrokenResourceError
        self.pieces.append(len(data))
        self.taken += data

    async def _fail_when_aborted(self) -> None:
        await self.aborted.wait()
        self.broken = True
        self.taking.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The peer says nothing; its reader sees the end when the connection is ended."""
        await self.aborted.wait()
        return b""

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
async def events(nursery: trio.Nursery) -> AsyncIterator[WriterEvents]:
    with contextlib.closing(Fanout(max_total_bytes=1 << 30)) as fanout, trio.fail_after(PATIENCE_SECONDS):
        events = WriterEvents(fanout)
        await nursery.start(events.run)
        yield events


def adopt(
    events: WriterEvents, ours: trio.SocketStream, reads: Any, *, write_seconds: float = PATIENCE_SECONDS
) -> WriterStream:
    return events.adopt(
        ours,
        reads,
        max_queue_bytes=QUEUE_BYTES,
        write_seconds=write_seconds,
        close_flush_seconds=PATIENCE_SECONDS,
    )


def open_descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def say_until_cut(outbound: WriterStream) -> None:
    with contextlib.suppress(trio.BrokenResourceError):
        while True:
            outbound.send_message(MESSAGE)


async def until_told(outbound: WriterStream) -> None:
    """Read to the end, where who reads learns why."""
    assert await outbound.receive_some() == b""


async def test_what_is_ready_at_a_wake_up_goes_on_as_one(events: WriterEvents) -> None:
    stream: Any = HeldStream()
    async with relayed(stream, flush_seconds=PATIENCE_SECONDS) as ours, adopt(events, ours, stream) as outbound:
        outbound.send_message(b"{}")
        await trio.testing.wait_all_tasks_blocked(0.01)
        for _ in range(6):  # while the first is being taken
            outbound.send_message(MESSAGE)
        while outbound.queued_bytes:  # noqa: ASYNC110 - another thread's doing has no event
            await trio.sleep(0.0005)
        stream.taking.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(stream.pieces) == 2
        assert 6 * len(MESSAGE) < stream.pieces[1] <= TRAIN_BYTES
    assert stream.taken.count(MESSAGE) == 6


async def test_who_takes_nothing_holds_little_beyond_its_queue_and_is_cut(events: WriterEvents) -> None:
    stream: Any = HeldStream()
    async with relayed(stream, flush_seconds=PATIENCE_SECONDS) as ours, adopt(events, ours, stream) as outbound:
        said = 0
        while said < QUEUE_BYTES - len(MESSAGE):
            outbound.send_message(MESSAGE)
            said += len(MESSAGE) + 4
        while said - outbound.queued_bytes < PAIR_BYTES // 2:  # noqa: ASYNC110 - as above
            await trio.sleep(0.0005)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert said - outbound.queued_bytes < 2 * PAIR_BYTES + TRAIN_BYTES
        say_until_cut(outbound)
        await until_told(outbound)
        assert (outbound.overflowed, outbound.stalled) == (True, False)
    assert stream.broken


async def test_who_takes_nothing_for_too_long_is_cut_with_a_queue_that_is_not_full(events: WriterEvents) -> None:
    stream: Any = HeldStream()
    async with (
        relayed(stream, flush_seconds=PATIENCE_SECONDS) as ours,
        adopt(events, ours, stream, write_seconds=0.05) as outbound,
    ):
        for _ in range(QUEUE_BYTES // (len(MESSAGE) + 4)):
            outbound.send_message(MESSAGE)
        await until_told(outbound)
        assert (outbound.overflowed, outbound.stalled) == (False, True)


async def test_a_peer_that_is_gone_ends_the_connection(events: WriterEvents) -> None:
    stream: Any = HeldStream()
    async with relayed(stream, flush_seconds=PATIENCE_SECONDS) as ours, adopt(events, ours, stream) as outbound:
        stream.broken = True
        outbound.send_message(b"{}")
        await stream.aborted.wait()
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                outbound.send_message(b"{}")
                await trio.sleep(0.0005)
        assert outbound.broken


async def test_what_was_said_goes_out_behind_the_block_and_also_when_all_is_cancelled(
    events: WriterEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("outbound", "relay"):  # when they get their turn
        monkeypatch.setattr(f"framecast.door.{place}.LAST_PASS_SECONDS", PATIENCE_SECONDS)
    stream: Any = HeldStream()
    stream.taking.set()
    with trio.CancelScope() as scope:
        async with relayed(stream, flush_seconds=PATIENCE_SECONDS) as ours, adopt(events, ours, stream) as outbound:
            for number in range(1_000):
                outbound.send_message(b"%d" % number)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert stream.taken.endswith(b"999")
    assert not stream.aborted.is_set()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_who_does_not_take_the_rest_in_time_is_not_waited_for(events: WriterEvents, cancelled: bool) -> None:
    stream: Any = HeldStream()
    before = open_descriptors()
    with trio.CancelScope() as scope:
        async with relayed(stream, flush_seconds=0.05) as ours, adopt(events, ours, stream) as outbound:
            outbound.send_message(MESSAGE)
            await trio.testing.wait_all_tasks_blocked(0.01)
            if cancelled:
                scope.cancel()
    assert stream.pieces == []
    assert open_descriptors() == before


async def test_without_sockets_the_connection_ends_as_if_it_were_broken(
    events: WriterEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(trio.socket, "socketpair", starve)
    stream: Any = HeldStream()
    with pytest.raises(trio.BrokenResourceError):
        async with relayed(stream, flush_seconds=PATIENCE_SECONDS):
            raise AssertionError


async def test_a_pair_that_nobody_adopts_is_closed(events: WriterEvents) -> None:
    stream: Any = HeldStream()
    before = open_descriptors()
    with pytest.RaisesGroup(OSError):
        async with relayed(stream, flush_seconds=PATIENCE_SECONDS):
            raise OSError
    assert open_descriptors() == before
