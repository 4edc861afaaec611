"""What fills a channel only while somebody is subscribed to it: started, started again, stopped.

One task per such channel, from when a scope claims it for a subscriber until it has had none for the grace time. It has
the channel's source run by `Outsiders`, at most once at a time, and never waits for it without a deadline. Rules and
figures are Grafana Live's (grafana-live §7), but for one: a source is whoever the scope says, decided before anybody is
subscribed, so that who comes first decides nothing for those who come later.

A source that fails, returns, floods (the sender's limits hold it back), hangs or ignores that it is cancelled costs its
own channel. One that never comes to a checkpoint costs everybody: see outsiders.py.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import trio

from framecast import metrics
from framecast.channels.address import Address
from framecast.channels.backoff import Backoff
from framecast.channels.outsiders import Outsiders, Run
from framecast.complaints import Complaints
from framecast.errors import Refusal
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import Sources

log = structlog.get_logger(__name__)

COMPLAINING_CHANNELS = 1_000
"""Whose last complaint is remembered."""

COMPLAINTS_AT_ONCE = 100
"""Of all channels, in `sources.complaint_seconds`."""


class Source(Protocol):
    """Fills one channel."""

    @property
    def identity(self) -> Hashable:
        """Equal for two sources of a channel that would send the same."""

    async def run(self, run: Run) -> None:
        """Send until cancelled; returning means that there is nothing more to send.

        A Refusal that is not temporary means the same. Whatever else is raised has it started again. Nothing that it
        sends after `run` was cancelled may have an effect.
        """


class Watched(Protocol):
    """What lifetimes need of the hub."""

    def follow(self, followed: Callable[[Address, bool], None]) -> None:
        """Tell `followed` when a channel begins and ceases to have subscribers."""

    def end(self, address: Address, code: UnsubscribeCode) -> None:
        """End all subscriptions to a channel."""

    def forget(self, address: Address) -> None:
        """End a channel with its past."""


@dataclass(eq=False, slots=True)
class _Life:
    """One channel that was claimed."""

    address: Address
    source: Source
    empty_since: float
    watched: bool = False
    done: bool = False
    """The source has nothing more to send, until somebody subscribes anew."""
    renewing: bool = False
    """The present run is to end, and the next to begin."""
    stopped: bool = False
    stuck: bool = False
    """The last run was cancelled, and does not end."""
    news: trio.Event = field(default_factory=trio.Event)

    def ring(self) -> None:
        """Something about it has changed."""
        self.news.set()


class Lifetimes:
    """All such channels. Belongs to the Trio thread; `run` is the task that they live in."""

    def __init__(self, hub: Watched, outsiders: Outsiders, limits: Sources) -> None:
        self._hub = hub
        self._outsiders = outsiders
        self._limits = limits
        self._nursery: trio.Nursery | None = None
        self._lives: dict[Address, _Life] = {}
        self._complaints = Complaints(limits.complaint_seconds, COMPLAINING_CHANNELS, COMPLAINTS_AT_ONCE)
        hub.follow(self._follow)

    @property
    def count(self) -> int:
        """Channels that are claimed."""
        return len(self._lives)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let channels live until cancelled, which cancels all sources and waits for none of them."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def claim(self, address: Address, source: Source) -> None:
        """Somebody is about to subscribe: from then on `source` fills the channel, if nothing does yet.

        Nothing comes of it when nobody subscribes. Refusal, and nothing has changed: 409 for a source other than the
        one that fills the channel for somebody else; 503, temporary, for one stream too many, and where the last run
        does not end.
        """
        life = self._lives.get(address)
        if life is None:
            self._begin(address, source)
            return
        if life.stuck or life.stopped:
            raise Refusal(503, f"the stream of {address} is just being ended: try again", temporary=True)
        if life.source.identity != source.identity:
            if life.watched:
                raise Refusal(
                    409,
                    f"Conflict: {address} runs for other subscribers with other data than yours, and a channel has one "
                    "stream: what differs has to be part of its path",
                )
            self._hub.forget(address)
            life.source, life.renewing = source, True
        life.done = False
        life.ring()

    def renew(self, concerned: Callable[[Address], bool]) -> None:
        """What these channels are filled from has changed: end their runs and begin new ones."""
        for life in tuple(self._lives.values()):
            if concerned(life.address):
                life.renewing, life.done = True, False
                life.ring()

    def stop(self, concerned: Callable[[Address], bool]) -> None:
        """What these channels are filled from is gone: end them, with their pasts.

        Their subscribers are told that it is over (2000), which SDKs take as final.
        """
        for life in tuple(self._lives.values()):
            if concerned(life.address):
                life.stopped = True
                life.ring()
                self._hub.end(life.address, UnsubscribeCode.SERVER)
                self._hub.forget(life.address)

    def _begin(self, address: Address, source: Source) -> None:
        if self._nursery is None:
            raise Refusal(503, "the server does not run streams just now: try again", temporary=True)
        if len(self._lives) >= self._limits.max_running:
            raise Refusal(
                503,
                f"{address} would be one stream too many: sources.max_running = {self._limits.max_running}; try again",
                temporary=True,
            )
        life = self._lives[address] = _Life(address, source, trio.current_time())
        self._nursery.start_soon(self._live, life, name=f"lifetime of {address}")

    def _follow(self, address: Address, watched: bool) -> None:  # noqa: FBT001 - the hub's own
        life = self._lives.get(address)
        if life is not None and life.watched != watched:
            life.watched = watched
            life.empty_since = trio.current_time()
            life.ring()

    async def _live(self, life: _Life) -> None:
        backoff = Backoff(self._limits)
        try:
            while await self._is_wanted(life):
                began = trio.current_time()
                run = await self._run_once(life)
                if run.cancelled:
                    continue
                if run.failure is None or _is_final(run.failure):
                    life.done = True
                    self._tell_end(life, run)
                    continue
                seconds = backoff.after(trio.current_time() - began)
                self._complain(life, run.failure, seconds)
                await self._pause(life, seconds)
        finally:
            del self._lives[life.address]

    async def _is_wanted(self, life: _Life) -> bool:
        """Wait until the source is to run; False when the channel has been without a subscriber for too long."""
        while not life.stopped:
            if life.watched and not life.done:
                return True
            if not await self._wait_news(life):
                return False
        return False

    async def _run_once(self, life: _Life) -> Run:
        """Run the source until it ends, or is not wanted any more and has ended of that."""
        life.renewing = False
        run = self._outsiders.start(life.source.run, life.address.key, on_end=life.ring)
        try:
            with metrics.source_runs.track_inprogress():
                await self._watch(life, run)
        finally:
            if not run.ended.is_set():
                run.cancel()
        if not await run.wait_ended(self._limits.stop_seconds):
            await self._await_stuck(life, run)
        return run

    async def _watch(self, life: _Life, run: Run) -> None:
        """Wait until the run has ended, or is to end."""
        while not (run.ended.is_set() or life.stopped or life.renewing):
            if not await self._wait_news(life):
                return

    async def _pause(self, life: _Life, seconds: float) -> None:
        """Wait before the next run, unless it is not to be any more, or to be another."""
        with trio.move_on_after(seconds):
            while not (life.stopped or life.renewing):
                if not await self._wait_news(life):
                    return

    async def _wait_news(self, life: _Life) -> bool:
        """Wait until something about the channel changes; False when it has had no subscriber for the grace time."""
        if life.news.is_set():
            life.news = trio.Event()
            return True
        deadline = float("inf") if life.watched else life.empty_since + self._limits.grace_seconds
        with trio.CancelScope(deadline=deadline):
            await life.news.wait()
        if not life.news.is_set():
            return False
        life.news = trio.Event()
        return True

    async def _await_stuck(self, life: _Life, run: Run) -> None:
        """Close the channel until its run has ended after all. Who is subscribed is sent back to ask again."""
        life.stuck = True
        run.give_up()
        metrics.source_failures.labels("stuck").inc()
        log.error(
            "a stream does not end when it is cancelled, and its channel stays closed until it does",
            channel=str(life.address),
            org=life.address.org_id,
            seconds=self._limits.stop_seconds,
        )
        self._hub.end(life.address, UnsubscribeCode.INSUFFICIENT_STATE)
        await run.ended.wait()
        log.info("a stream ended at last", channel=str(life.address), org=life.address.org_id)
        life.stuck = False

    def _tell_end(self, life: _Life, run: Run) -> None:
        if isinstance(run.failure, Refusal):
            self._log(life, "refused", "a stream says that there is nothing to stream", error=run.failure.message)
        else:
            log.debug("a stream came to its end", channel=str(life.address), org=life.address.org_id)

    def _complain(self, life: _Life, failure: BaseException, seconds: float) -> None:
        metrics.source_failures.labels("failed").inc()
        if isinstance(failure, Refusal):
            self._log(life, "refused", "a stream failed", error=failure.message, again_in_seconds=seconds)
            return
        kind = type(failure).__name__
        self._log(life, kind, "a stream failed", error=repr(failure), exc_info=failure, again_in_seconds=seconds)

    def _log(self, life: _Life, kind: Hashable, what: str, **more: object) -> None:
        """Once per channel, kind and time."""
        unlogged = self._complaints.due((life.address, kind), trio.current_time(), 1)
        if unlogged is not None:
            log.warning(what, channel=str(life.address), org=life.address.org_id, unlogged=unlogged, **more)


def _is_final(failure: BaseException) -> bool:
    return isinstance(failure, Refusal) and not failure.temporary
