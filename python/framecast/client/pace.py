"""How fast one client's commands are carried out: a bucket of tokens. Sans-io: times are passed in."""

ENTRIES_PER_COMMAND = 20
"""Publications or presences of one answer that cost about as much to write as a command costs to carry out."""


class Pace:
    """Lets `burst` commands pass at once and `per_second` from then on. Nothing is refused: who is fast waits."""

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Count one command; how many seconds it has to wait."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second) - 1
        self._at = now
        return max(0.0, -self._tokens / self._per_second)

    def charge(self, entries: int) -> None:
        """The last command was answered with so many entries: the next one waits for them as well."""
        self._tokens -= entries / ENTRIES_PER_COMMAND
