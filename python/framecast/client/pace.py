"""How fast one client's commands are carried out. Sans-io: times are passed in."""

from framecast.bucket import Bucket

ENTRIES_PER_COMMAND = 20
"""Publications or presences of one answer that cost about as much to write as a command costs to carry out."""


class Pace:
    """Lets `burst` commands pass at once and `per_second` from then on. Nothing is refused: who is fast waits."""

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._commands = Bucket(per_second, burst, now)

    def take(self, now: float) -> float:
        """Count one command; how many seconds it has to wait."""
        return self._commands.take(1, now)

    def charge(self, entries: int) -> None:
        """The last command was answered with so many entries: the next one waits for them as well."""
        self._commands.charge(entries / ENTRIES_PER_COMMAND)
