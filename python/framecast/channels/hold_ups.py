"""Notices foreign code that holds the server's one thread: it can neither be ended nor helped, but it can be named.

Each turn of a task that runs such code is timed, from where Trio goes on with it to its next checkpoint. Only those
tasks pay for it, about a microsecond a turn; an instrument of Trio's would be called for every task of the server.
Tasks that foreign code starts in nurseries of its own are not seen.
"""

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

import structlog

from framecast import metrics
from framecast.complaints import Complaints
from framecast.settings import Sources

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

HOLDING = 1_000
"""Whose last complaint is remembered."""

COMPLAINTS_AT_ONCE = 100
"""In `sources.complaint_seconds`."""


class HoldUps:
    """Those of a server."""

    def __init__(self, limits: Sources, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = limits.blocking_seconds
        self._clock = clock
        self._complaints = Complaints(limits.complaint_seconds, HOLDING, COMPLAINTS_AT_ONCE)

    def watch(self, work: Awaitable[Result], told: Callable[[], str]) -> Awaitable[Result]:
        """The same work, its turns timed. `told` says in words whose it is, when it comes to that."""
        return _Timed(work, self._clock, lambda seconds: self._note(seconds, told()))

    def _note(self, seconds: float, what: str) -> None:
        if seconds < self._seconds:
            return
        metrics.source_blocked_seconds.inc(seconds)
        unlogged = self._complaints.due(what, self._clock(), 1)
        if unlogged is not None:
            log.warning("a plugin held the server up", what=what, seconds=round(seconds, 3), unlogged=unlogged)


class _Timed(Awaitable[Result]):
    """Hands on what the work asks of Trio, and what Trio answers."""

    def __init__(self, work: Awaitable[Result], clock: Callable[[], float], note: Callable[[float], None]) -> None:
        self._work = work
        self._clock = clock
        self._note = note

    def __await__(self) -> Generator[Any, Any, Result]:
        steps = self._work.__await__()
        answer: Any = None
        while True:
            began = self._clock()
            try:
                asked = steps.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                self._note(self._clock() - began)
            answer = yield asked  # Trio throws nothing in here: it sends outcomes, failures too
