"""Runs code that is not ours, and lets nobody wait for it longer than a deadline.

**What Trio allows.** A task cannot be abandoned: its nursery is open until it ends. A task that catches `Cancelled` and
goes on gets it again at its next checkpoint, in a circle that takes a whole core; one that is shielded, or waits for a
thread, does not hear of it. So each piece of foreign code runs in a task of one nursery that stands outside of all of a
server. Whoever wants it to end cancels it and waits with a deadline. Past that it is *given up*: shielded from the
cancellation, which stops the circle, and left to itself. When everything else of a server has ended and such tasks are
still there after another deadline, the process ends without them.

Code that never comes to a checkpoint (a loop that computes, `time.sleep`) stops the whole server, and nothing on this
side of a process can help; it is named when it has come to one (hold_ups.py). Nor can anything keep it from taking
memory, or from calling `os._exit`.
"""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import structlog
import trio

from framecast.channels.hold_ups import HoldUps

log = structlog.get_logger(__name__)


class Run:
    """One piece of foreign code that was started. Its failure is kept, and raised nowhere."""

    def __init__(self, what: str, on_end: Callable[[], None]) -> None:
        self.what = what
        """For the log."""
        self._on_end = on_end
        self.ended = trio.Event()
        self.failure: BaseException | None = None
        """What it raised; None as long as it runs, and where it returned or was cancelled."""
        self.cancelled = False
        """Whether it was told to end. Whatever it does then is to have no effect."""
        self._cancelling = trio.CancelScope()
        self._sparing = trio.CancelScope()

    def cancel(self) -> None:
        """Tell it to end; idempotent."""
        self.cancelled = True
        self._cancelling.cancel()

    async def wait_ended(self, seconds: float) -> bool:
        """Wait for its end; whether that came within `seconds`."""
        with trio.move_on_after(seconds):
            await self.ended.wait()
        return self.ended.is_set()

    def give_up(self) -> None:
        """It does not end: cancel it no more, or it turns in circles."""
        self._sparing.shield = True

    def insist(self) -> None:
        """Cancel it again after all."""
        self.cancel()
        self._sparing.shield = False

    async def carry_out(self, work: Callable[[], Awaitable[object]], interrupts: Callable[[], bool]) -> None:
        """Belongs to `Outsiders`. `interrupts` is whether a KeyboardInterrupt may be somebody's Ctrl-C."""
        try:
            with self._cancelling, self._sparing:
                await work()
        except KeyboardInterrupt as error:
            if interrupts():
                raise
            self.failure = error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary of foreign code
            self.failure = error
        except BaseExceptionGroup as group:
            ours, self.failure = group.split((trio.Cancelled, KeyboardInterrupt) if interrupts() else trio.Cancelled)
            if ours is not None:
                raise ours from None
        finally:
            self.ended.set()
            self._on_end()


class Outsiders:
    """All foreign code of a server, each piece in a task of its own."""

    def __init__(self, hold_ups: HoldUps | None = None) -> None:
        self._hold_ups = hold_ups
        self._nursery: trio.Nursery | None = None
        self._interrupts = True
        self._runs: set[Run] = set()
        self._stopping = False

    @property
    def running(self) -> int:
        """Pieces of code that have not ended."""
        return len(self._runs)

    def start(
        self, work: Callable[[Run], Awaitable[object]], what: str, on_end: Callable[[], None] = lambda: None
    ) -> Run:
        """Start it; `on_end` is called when it has ended, and must neither wait nor raise.

        RuntimeError outside of `open`; once that is to end, what is started is cancelled at once.
        """
        if self._nursery is None:
            raise RuntimeError("nobody runs the code of plugins yet")
        run = Run(what, on_end)
        if self._stopping:
            run.cancel()
        self._runs.add(run)
        self._nursery.start_soon(self._carry_out, run, work, name=what)
        return run

    def dismiss(self, run: Run, seconds: float) -> None:
        """Nobody waits for it any more: cancel it, and give it up if it has not ended `seconds` later."""
        run.cancel()
        if self._nursery is not None and not self._stopping:
            self._nursery.start_soon(_give_up_later, run, seconds)

    def stop(self) -> None:
        """Tell all of it to end, and whatever is started from now on; returns before it has."""
        self._stopping = True
        for run in tuple(self._runs):
            run.insist()

    @contextmanager
    def signals_received(self) -> Iterator[None]:
        """While somebody receives SIGINT (`trio.open_signal_receiver`), no Ctrl-C is raised where the thread just is.

        So a KeyboardInterrupt that comes out of foreign code is its own, and its failure like any other.
        """
        self._interrupts = False
        try:
            yield
        finally:
            self._interrupts = True

    @asynccontextmanager
    async def open(self, stop_seconds: float, abandon: Callable[[], object] | None = None) -> AsyncIterator[None]:
        """Run foreign code for the length of the block; at its end all of it is told to end.

        What has not ended `stop_seconds` later is told in the log, and `abandon` is called, which must not return:
        without it the process ends there and then. So this must be the last that a server leaves.
        """
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised behind the nursery, which would make a group of it
                failure = error
            finally:
                self.stop()
                await self._wait_all(stop_seconds)
                nursery.cancel_scope.cancel()  # those that wait to give something up
                if self._runs:
                    log.error(
                        "plugins do not end when they are cancelled, so the process ends without them",
                        what=sorted(run.what for run in self._runs)[:20],
                        count=len(self._runs),
                        seconds=stop_seconds,
                    )
                    (abandon or partial(_end_process, failure))()
        if failure is not None:
            raise failure

    async def _carry_out(self, run: Run, work: Callable[[Run], Awaitable[object]]) -> None:
        try:
            await run.carry_out(partial(self._watched, run, work), lambda: self._interrupts)
        finally:
            self._runs.discard(run)

    async def _watched(self, run: Run, work: Callable[[Run], Awaitable[object]]) -> None:
        await (work(run) if self._hold_ups is None else self._hold_ups.watch(work(run), lambda: run.what))

    async def _wait_all(self, seconds: float) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
            for run in tuple(self._runs):
                await run.ended.wait()


async def _give_up_later(run: Run, seconds: float) -> None:
    if not await run.wait_ended(seconds):
        log.error("a plugin does not end when it is cancelled", what=run.what, seconds=seconds)
        run.give_up()


def _end_process(failure: Exception | None) -> None:
    """End it as it stands: leaving Trio would wait for the tasks, and the interpreter for their threads."""
    if failure is not None:
        log.error("the server failed", exc_info=failure)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0 if failure is None else 1)
