"""What a subscriber hears of a channel whose rows are numbered. No I/O.

Every row must be the one after the row before, from the window that a subscription begins with into what is live.
"""

from dataclasses import dataclass
from typing import Any

NUMBER = "n"
"""The field that holds the number of a row."""


@dataclass(slots=True)
class Follower:
    """One subscriber of one channel."""

    last: int | None = None
    rows: int = 0
    gaps: int = 0
    disorder: int = 0
    """Rows that came late, or twice."""
    _column: int | None = None

    def take(self, frame: dict[str, Any]) -> None:
        """A frame has arrived. ValueError when it cannot be one of this channel."""
        if "schema" in frame:
            self._column = [field["name"] for field in frame["schema"]["fields"]].index(NUMBER)
        if self._column is None:
            raise ValueError("rows came before the schema that tells what they are")
        for number in frame["data"]["values"][self._column] if "data" in frame else ():
            self._follow(int(number))

    def _follow(self, number: int) -> None:
        self.rows += 1
        if self.last is not None and number <= self.last:
            self.disorder += 1
            return
        if self.last is not None and number > self.last + 1:
            self.gaps += 1
        self.last = number
