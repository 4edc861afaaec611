"""Keeps a log readable when a sender repeats its mistake with every batch, or with ever new streams."""

import math
from collections import OrderedDict
from collections.abc import Hashable


class Complaints:
    """Decides which complaints are logged: one per key and window, and so many per window over all keys together.

    Remembers a bounded number of keys. Keys come from outside: a limit per key alone would be none.
    """

    def __init__(self, window_seconds: float, max_keys: int, max_lines: int) -> None:
        self._window_seconds = window_seconds
        self._max_keys = max_keys
        self._max_lines = max_lines
        self._last: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._window_began = -math.inf
        self._lines = 0
        self._passed_over = 0

    def due(self, key: Hashable, now: float, count: int) -> int | None:
        """Note `count` complaints about `key`. When a line is due: how many went unlogged since the last one."""
        since, unlogged = self._last.get(key, (-math.inf, 0))
        if now - since < self._window_seconds:
            self._last[key] = (since, unlogged + count)
            return None
        if now - self._window_began >= self._window_seconds:
            self._window_began, self._lines = now, 0
        logged = self._lines < self._max_lines
        self._last[key] = (now, 0 if logged else unlogged + count)
        self._last.move_to_end(key)
        if len(self._last) > self._max_keys:
            self._last.popitem(last=False)
        if not logged:
            self._passed_over += 1
            return None
        self._lines += 1
        return unlogged

    def take_passed_over(self, now: float) -> int:
        """How many lines were due and left out in a window over all keys that has ended; each is told once."""
        if now - self._window_began < self._window_seconds:
            return 0
        passed_over, self._passed_over = self._passed_over, 0
        return passed_over
