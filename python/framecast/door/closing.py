"""Whether the server is going down, and the connections to tell: those that wait for their next request."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Closing:
    """One for the server. An idle connection has nothing to finish, so it must not use up the grace time."""

    def __init__(self) -> None:
        self.begun = False
        self._idle: set[trio.CancelScope] = set()

    def begin(self) -> None:
        """End every wait for a request's first byte, now and from now on."""
        self.begun = True
        for scope in self._idle:
            scope.cancel()

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
