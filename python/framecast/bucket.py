"""A bucket of tokens: how fast something may go on the average, and how much of it at once. Sans-io.

There is always an answer at once: what is taken beyond what there is makes a debt, and whoever took it rests until
that is paid, or takes nothing while there is one.
"""


class Bucket:
    """Holds `burst` tokens at most and gets `per_second`; times are passed in."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take `amount` in any case; return for how many seconds to rest, as it was more than there was."""
        self._fill(now)
        self._left -= amount
        return 0.0 if self._left >= 0 else -self._left / self._per_second

    def wait(self, amount: float, now: float) -> float:
        """For how many seconds to wait until there is as much; 0 when there is. Takes nothing."""
        self._fill(now)
        return max(0.0, (amount - self._left) / self._per_second)

    def charge(self, amount: float) -> None:
        """What was taken last cost so much more."""
        self._left -= amount

    def take_one(self, now: float) -> bool:
        """Take one token if there is one; return whether there was."""
        self._fill(now)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _fill(self, now: float) -> None:
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
