"""Connections that have not shown yet that somebody speaks on them: few at once, and the newest before the oldest."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Unfinished:
    """At most `limit` of something that honest peers are through with in a round trip or two.

    At the limit who has taken longest gives way: that is the least likely to come to an end. Those who hold connections
    open in this way then hold `limit` of them, and keep nobody out who is quicker than they are replaced.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._scopes: dict[trio.CancelScope, None] = {}  # the oldest first
        self._displaced: set[trio.CancelScope] = set()

    @contextmanager
    def one(self, scope: trio.CancelScope) -> Iterator[None]:
        """Inside, one is under way, and may be cancelled by `scope`."""
        if len(self._scopes) >= self._limit:
            oldest = next(iter(self._scopes))
            del self._scopes[oldest]
            self._displaced.add(oldest)
            oldest.cancel()
        self._scopes[scope] = None
        try:
            yield
        finally:
            self._scopes.pop(scope, None)

    def was_displaced(self, scope: trio.CancelScope) -> bool:
        """Whether that one had to give way. Forgets it."""
        displaced = scope in self._displaced
        self._displaced.discard(scope)
        return displaced
