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
from typing import Generic, TypeVar

import structlog
import trio

from framecast.dashboards.events import Deleted, Saved
from framecast.dashboards.patch import fits, make_patch
from framecast.settings import Dashboards
from framecast.store.clerk import Clerk
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
        self._announce = announce
        self._limits = limits
        self._clerk = Clerk(database, limits, "dashboards")
        self._tellers: trio.Nursery
        """Of `run`, within which every change is made."""
        self._lines: dict[tuple[int, str], deque[tuple[News, trio.Event]]] = {}
        self._patch_threads = trio.CapacityLimiter(1)
        self._patches = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make and tell changes until cancelled."""
        async with trio.open_nursery() as self._tellers:
            await self._clerk.run(task_status=task_status)

    async def change(self, change: Change[T]) -> T:
        """What `change` found, once it is on the disk and told. What it raises goes through; Refusal as of `Clerk`."""
        with self._clerk.in_time():
            result, told = await self._clerk.make(partial(self._commit, change))
            for each in told:
                await each.wait()
            return result

    async def look(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` returns. Refusal 503 when the store cannot be read in time."""
        return await self._clerk.look(query)

    async def _commit(self, change: Change[T]) -> tuple[T, list[trio.Event]]:
        """What it found, and what is set as its news are told."""
        outcome = await self._clerk.write(change)
        return outcome.result, [self._queue(news) for news in outcome.news]

    def _queue(self, news: News) -> trio.Event:
        """Have it told behind what is to be told of its dashboard already; the event is set when it was."""
        told = trio.Event()
        place = (news.org_id, news.change.uid)
        line = self._lines.setdefault(place, deque())
        line.append((self._without_patch(news), told))
        if len(line) == 1:
            self._tellers.start_soon(self._tell_all, place)
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
