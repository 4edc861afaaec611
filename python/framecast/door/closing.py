"""Who is let go, and when: connections that wait for a request in vain, and everybody when the server goes down.

One table and one task keep the time of all waits for requests. A cancel scope of its own around each of them was a
tenth of a small push; a connection has one for as long as it serves requests, and it is cancelled from here.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from types import TracebackType
from typing import Protocol

import trio

from framecast.settings import Server


class Waiter(Protocol):
    """A connection that waits for a request. It stays one until it has told that it waits no more."""

    @property
    def idle(self) -> bool:
        """Whether nothing of the request has come: nothing is lost when the connection ends."""

    def end(self) -> None:
        """End the wait, and the connection. Waits for nothing itself."""


class Closing:
    """One for the server. An idle connection has nothing to finish, so it must not use up the grace time."""

    def __init__(self) -> None:
        self.begun = False
        self._waits: dict[float, dict[Waiter, float]] = {}
        """By how many seconds they may take, and in each of them until when: the first is the first to end."""
        self._idle: set[trio.CancelScope] = set()
        self._sends: set[trio.CancelScope] = set()
        self._over_at = math.inf

    async def run(self, limits: Server, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End the waits whose time is over, until cancelled. Without this they last for ever."""
        task_status.started()
        shortest = min(limits.head_seconds, limits.keep_alive_seconds)
        while True:
            self._end_overdue()
            firsts = (next(iter(waits.values()), math.inf) for waits in self._waits.values())
            # What begins meanwhile is not over before the shortest of all waits would be.
            await trio.sleep_until(min([*firsts, trio.current_time() + shortest]))

    def begin(self, *, grace_seconds: float = math.inf) -> None:
        """End every wait for a request's first byte, now and from now on, and every send after the grace time."""
        self.begun = True
        self._over_at = trio.current_time() + grace_seconds
        for waits in self._waits.values():
            for waiter in waits:
                if waiter.idle:
                    waiter.end()
        for scope in self._idle:
            scope.cancel()
        for scope in self._sends:
            scope.deadline = min(scope.deadline, self._over_at)

    def wait(self, waiter: Waiter, seconds: float) -> None:
        """From now on it waits, and is ended after `seconds`; at once if it is idle and the server is going down."""
        self._waits.setdefault(seconds, {})[waiter] = trio.current_time() + seconds
        if self.begun and waiter.idle:
            waiter.end()

    def wait_no_more(self, waiter: Waiter, seconds: float) -> None:
        """What it waited for, `seconds` at most, has come, or never will."""
        self._waits[seconds].pop(waiter, None)

    def idle(self, scope: trio.CancelScope) -> "_Idle":
        """Inside, the connection waits for a request's first byte and nothing is lost when `scope` is cancelled."""
        if self.begun:
            scope.cancel()
        return _Idle(self._idle, scope)

    def _end_overdue(self) -> None:
        now = trio.current_time()
        for waits in self._waits.values():
            over = list(takewhile(lambda wait: wait[1] <= now, waits.items()))
            for waiter, _ in over:
                del waits[waiter]
                waiter.end()

    @contextmanager
    def sending(self, seconds: float) -> Iterator[None]:
        """Inside, a send may take `seconds`, and no longer than the grace time; TooSlowError when it takes more.

        For sends inside a shield of somebody else's, which the cancellation at the end of the grace cannot reach.
        """
        with trio.CancelScope(deadline=min(trio.current_time() + seconds, self._over_at)) as scope:
            self._sends.add(scope)
            try:
                yield
            finally:
                self._sends.discard(scope)
        if scope.cancelled_caught:
            raise trio.TooSlowError


class _Idle:
    """One wait that nothing is lost with."""

    __slots__ = ("_all", "_scope")

    def __init__(self, all_idle: set[trio.CancelScope], scope: trio.CancelScope) -> None:
        self._all = all_idle
        self._scope = scope

    def __enter__(self) -> None:
        self._all.add(self._scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.discard(self._scope)
