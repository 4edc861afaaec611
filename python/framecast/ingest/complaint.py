"""Keeps a log readable when a sender repeats its mistake with every batch."""

from collections import OrderedDict
from collections.abc import Hashable


class Complaints:
    """Decides which complaints are logged: one per key and window. Remembers a bounded number of keys."""

    def __init__(self, window_seconds: float, max_keys: int) -> None:
        self._window_seconds = window_seconds
        self._max_keys = max_keys
        self._last: OrderedDict[Hashable, list[float]] = OrderedDict()

    def due(self, key: Hashable, now: float, count: int) -> int | None:
        """Note `count` complaints about `key`. When a line is due: how many went unlogged since the last one."""
        found = self._last.get(key)
        if found is None:
            self._last[key] = [now, 0]
            if len(self._last) > self._max_keys:
                self._last.popitem(last=False)
            return 0
        since, unlogged = found
        if now - since < self._window_seconds:
            found[1] = unlogged + count
            return None
        self._last[key] = [now, 0]
        self._last.move_to_end(key)
        return int(unlogged)
