"""How fast one client's commands are carried out. Sans-io: times are passed in."""

from framecast.bucket import Bucket

ENTRIES_PER_COMMAND = 20
"""Publications or presences of one answer that cost about as much to write as a command costs to carry out."""


class Pace(Bucket):
    """Lets `burst` commands pass at once and `per_second` from then on. Nothing is refused: who is fast waits."""

    __slots__ = ()

    def take_command(self, now: float) -> float:
        """Count one command; how many seconds it has to wait."""
        return self.take(1, now)

    def charge_entries(self, entries: int) -> None:
        """The last command was answered with so many entries: the next one waits for them as well."""
        self.charge(entries / ENTRIES_PER_COMMAND)
