"""Publications within the last minute, as ``/api/live/list`` shows them."""

from array import array

SECONDS = 60


class MinuteRate:
    """Counts in sixty one-second slots: one kilobyte, exact to the second."""

    __slots__ = ("_counts", "_newest", "_stamps")

    def __init__(self) -> None:
        self._counts = array("q", [0]) * SECONDS
        self._stamps = array("q", [-SECONDS]) * SECONDS
        self._newest = -SECONDS

    def add(self, now_seconds: int) -> None:
        """Count one publication at `now_seconds` (any clock that does not step back)."""
        slot = now_seconds % SECONDS
        if self._stamps[slot] != now_seconds:
            self._stamps[slot] = self._newest = now_seconds
            self._counts[slot] = 0
        self._counts[slot] += 1

    def total(self, now_seconds: int) -> int:
        """The sum over the slots younger than a minute."""
        if now_seconds - self._newest >= SECONDS:
            return 0
        pairs = zip(self._counts, self._stamps, strict=True)
        return sum(count for count, stamp in pairs if now_seconds - stamp < SECONDS)
