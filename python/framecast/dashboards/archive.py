"""Reads what the store has of dashboards, and changes it: one change after another, each told once it is committed.

**How every committed change is told, in the order of the commits, and no other.** A change belongs to no request, which
may end between the commit and the news, but to the one task that `run` is. That commits it, and at once, without a
checkpoint, puts its news at the end of its dashboard's line; only a change that was committed has any. Each line that
is not empty has a task that tells it from its beginning, so that what takes long about one dashboard keeps no other's
waiting. Whoever asked for the change is answered when it was told. If the process is killed between commit and news,
nobody is subscribed any more: who comes back is told the version that is committed (scopes/dashboard.py).
"""

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import structlog
import trio

from framecast.dashboards.events import Deleted, Saved
from framecast.dashboards.patch import fits, make_patch
from framecast.errors import Refusal
from framecast.settings import Dashboards
from framecast.store.database import Database

log = structlog.get_logger(__name__)

T = TypeVar("T")

Announce = Callable[[int, Saved | Deleted], Awaitable[None]]
"""Tells the subscribers of an org's dashboard; never fails."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of one dashboard."""

    org_id: int
    change: Saved | Deleted
    documents: tuple[bytes, bytes] | None = None
    """Before and after, as clients get them, for a patch between them."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a change came to."""

    result: T
    news: tuple[News, ...] = ()


Change = Callable[[sqlite3.Connection], Outcome[T]]
"""What is run as one transaction, in the store's thread. What it raises undoes it."""


class Archive:
    """One for the server. `run` must outlive whoever asks for a change."""

    def __init__(self, database: Database, announce: Announce, limits: Dashboards) -> None:
        self._database = database
        self._announce = announce
        self._limits = limits
        self._ordered, self._waiting = trio.open_memory_channel[_Errand[Any]](limits.waiting_changes)
        self._lines: dict[tuple[int, str], deque[tuple[News, trio.Event]]] = {}
        self._patch_threads = trio.CapacityLimiter(1)
        self._patches = 0
        self._failing = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make and tell changes until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for errand in self._waiting:
                await self._carry_out(errand, nursery)

    async def change(self, change: Change[T]) -> T:
        """What `change` found, once it is on the disk and told. What it raises goes through.

        Refusal 503 when too many wait, and when it did not take place in time, though it may nonetheless; 507 when the
        disk is full, 503 when the store fails otherwise: then nothing of it was written.
        """
        errand = _Errand(change)
        try:
            self._ordered.send_nowait(errand)
        except trio.WouldBlock:
            raise Refusal(
                503, "too many changes of dashboards wait at once (dashboards.waiting_changes): try again"
            ) from None
        with trio.move_on_after(self._limits.change_seconds):
            return await errand.wait()
        raise Refusal(
            503,
            f"the change did not take place within {self._limits.change_seconds:g} s (dashboards.change_seconds), and "
            "may nonetheless: look before you try again",
        )

    async def look(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns. Refusal 503 when the store cannot be read in time."""
        with trio.move_on_after(self._limits.change_seconds):
            try:
                return await self._database.look(query)
            except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: the system gave no thread
                log.warning("dashboards not read", error=str(error))
                raise Refusal(503, f"the dashboards cannot be read: {error}") from None
        raise Refusal(
            503, f"the store did not answer within {self._limits.change_seconds:g} s (dashboards.change_seconds)"
        )

    async def _carry_out(self, errand: "_Errand[Any]", nursery: trio.Nursery) -> None:
        """Commit one change. Whatever goes wrong is told to who asked for it, and to nobody else."""
        try:
            outcome = await self._database.transact(errand.change)
        except (sqlite3.Error, RuntimeError) as error:
            if not self._failing:  # whoever saves is told each time, and the log once
                log.warning("dashboards not saved", error=str(error))
            self._failing = True
            errand.fail(_refusal_of(error))
        except Exception as error:  # noqa: BLE001 - the boundary of one change; it is raised again where it was asked for
            errand.fail(error)
        else:
            if self._failing:
                log.info("dashboards saved again")
            self._failing = False
            errand.succeed(outcome.result, [self._queue(news, nursery) for news in outcome.news])

    def _queue(self, news: News, nursery: trio.Nursery) -> trio.Event:
        """Have it told behind what is to be told of its dashboard already; the event is set when it was."""
        told = trio.Event()
        place = (news.org_id, news.change.uid)
        line = self._lines.setdefault(place, deque())
        line.append((self._without_patch(news), told))
        if len(line) == 1:
            nursery.start_soon(self._tell_all, place)
        return told

    def _without_patch(self, news: News) -> News:
        """The documents are let go where no patch will be made: they may be large, and there may be many of them."""
        if news.documents is None or not all(fits(document, self._limits) for document in news.documents):
            return replace(news, documents=None)
        if self._patches >= self._limits.patches:
            return replace(news, documents=None)
        self._patches += 1
        return news

    async def _tell_all(self, place: tuple[int, str]) -> None:
        line = self._lines[place]
        while line:
            news, told = line[0]
            try:
                await self._announce(news.org_id, await self._with_patch(news))
            except Exception:
                log.exception("dashboard change not told", org=news.org_id, uid=news.change.uid)
            told.set()
            line.popleft()
        del self._lines[place]

    async def _with_patch(self, news: News) -> Saved | Deleted:
        if news.documents is None or not isinstance(news.change, Saved):
            return news.change
        patch = None
        make = partial(make_patch, *news.documents, self._limits)
        try:
            with trio.move_on_after(self._limits.patch_seconds):
                patch = await trio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=self._patch_threads)
        except RuntimeError as error:  # the system gave no thread
            log.warning("no patch of a dashboard", error=str(error))
        finally:
            self._patches -= 1
        return replace(news.change, patch=patch)


class _Errand(Generic[T]):
    """One change, and what became of it."""

    def __init__(self, change: Change[T]) -> None:
        self.change = change
        self._over = trio.Event()
        self._results: list[T] = []
        self._told: list[trio.Event] = []
        self._error: Exception | None = None

    def succeed(self, result: T, told: list[trio.Event]) -> None:
        """It is committed; `told` are set as its news is."""
        self._results.append(result)
        self._told = told
        self._over.set()

    def fail(self, error: Exception) -> None:
        """Nothing of it took place."""
        self._error = error
        self._over.set()

    async def wait(self) -> T:
        """What came of it, when that was told."""
        await self._over.wait()
        if self._error is not None:
            raise self._error
        for told in self._told:
            await told.wait()
        return self._results[0]


def _refusal_of(error: Exception) -> Refusal:
    # Extended codes carry the plain one in their lowest byte.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return Refusal(507, "Insufficient Storage: the disk of the server's data is full, nothing was saved")
    return Refusal(503, f"nothing was saved: {error}")
