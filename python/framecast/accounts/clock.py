"""What time it is for tokens and sessions, on a machine whose clock may be set.

A clock that is set back must make no token good again that had expired, and must end no session by putting its last
request into the future. So time only goes on here: it follows the wall clock forwards, as after a machine slept, and
goes on at the pace of the steady clock where the wall clock went back.
"""

import time
from collections.abc import Callable


class ForwardClock:
    """Unix seconds that never become fewer. A new process begins with the wall clock's again."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._now = wall()
        self._at = steady()

    def __call__(self) -> float:
        """The time now."""
        at = self._steady()
        self._now = max(self._wall(), self._now + (at - self._at))
        self._at = at
        return self._now
