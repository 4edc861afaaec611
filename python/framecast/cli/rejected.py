"""A line that was refused, as the core and the server's report tell it."""

import re

import msgspec

_PLACE = re.compile(r"line \d+, column \d+: ")


class Rejected(msgspec.Struct, frozen=True):
    """`line` and `column` (in bytes) count from 1 in the body that was parsed; a file has another count."""

    line: int
    column: int = 1
    reason: str = ""
    message: str = ""

    @property
    def words(self) -> str:
        """What is wrong, without the place: that is said by whoever knows the file."""
        return _PLACE.sub("", self.message, count=1) if _PLACE.match(self.message) else self.message or self.reason
