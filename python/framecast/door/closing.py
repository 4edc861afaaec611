"""Whether the server is going down, and who is to be told: idle connections, and sends that nothing else can end."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

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

    def idle(self, scope: trio.CancelScope) -> "_Idle":
        """Inside, the connection waits for a request's first byte and nothing is lost when `scope` is cancelled."""
        if self.begun:
            scope.cancel()
        return _Idle(self._idle, scope)

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
    """One wait that nothing is lost with. No generator: there is one for every request."""

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
