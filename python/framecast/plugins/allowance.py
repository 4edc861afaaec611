"""How much may be sent: so much a second on the average, and a burst at once. A bucket of tokens, without a clock."""


class Allowance:
    """What one sender may still take. It may overdraw once, so that one large thing passes, and then waits for it."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take `amount`; return how many seconds whoever took it has to wait before it uses it."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - amount
        self._at = now
        return max(0.0, -self._left / self._per_second)
