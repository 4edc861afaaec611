"""What happened within the last minute, as ``/api/live/list`` and a stream's page show it."""

from array import array

SECONDS = 60


class MinuteRate:
    """Counts in sixty one-second slots: one kilobyte, exact to the second."""

    __slots__ = ("_counts", "_newest", "_stamps")

    def __init__(self) -> None:
        self._counts = array("q", [0]) * SECONDS
        self._stamps = array("q", [-SECONDS]) * SECONDS
        self._newest = -SECONDS

    def add(self, now_seconds: int, count: int = 1) -> None:
        """Count `count` more at `now_seconds` (any clock that does not step back and is never below 0)."""
        slot = now_seconds % SECONDS
        if now_seconds != self._newest:
            self._stamps[slot] = self._newest = now_seconds
            self._counts[slot] = 0
        self._counts[slot] += count

    @property
    def newest_seconds(self) -> int | None:
        """The last `now_seconds` that something was counted at; None before the first."""
        return self._newest if self._newest >= 0 else None

    def total(self, now_seconds: int) -> int:
        """The sum over the slots younger than a minute."""
        if now_seconds - self._newest >= SECONDS:
            return 0
        pairs = zip(self._counts, self._stamps, strict=True)
        return sum(count for count, stamp in pairs if now_seconds - stamp < SECONDS)
