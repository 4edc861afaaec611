"""Whether the server is going down, and who is to be told: idle connections, and sends that nothing else can end."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Closing:
    """One for the server. An idle connection has nothing to finish, so it must not use up the grace time."""

    def __init__(self) -> None:
        self.begun = False
        self._idle: set[trio.CancelScope] = set()
        self._sends: set[trio.CancelScope] = set()
        self._over_at = math.inf

    def begin(self, *, grace_seconds: float = math.inf) -> None:
        """End every wait for a request's first byte, now and from now on, and every send after the grace time."""
        self.begun = True
        self._over_at = trio.current_time() + grace_seconds
        for scope in self._idle:
            scope.cancel()
        for scope in self._sends:
            scope.deadline = min(scope.deadline, self._over_at)

    @contextmanager
    def idle(self, scope: trio.CancelScope) -> Iterator[None]:
        """Inside, the connection waits for a request's first byte and nothing is lost when `scope` is cancelled."""
        if self.begun:
            scope.cancel()
        self._idle.add(scope)
        try:
            yield
        finally:
            self._idle.discard(scope)

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
