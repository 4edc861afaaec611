"""What became of a pushed body, whoever says so: a role that the core's `PushResult` plays."""

from collections.abc import Sequence
from typing import Protocol

from framecast.streams.rejections import Rejections


class Outcome(Rejections, Protocol):
    """What became of a pushed body; a `PushResult` is one."""

    @property
    def accepted(self) -> int:
        """Lines that are stored."""

    @property
    def mismatched(self) -> int:
        """Values of stored lines that did not fit their columns."""

    @property
    def mismatches(self) -> Sequence[str]:
        """The first `push.report_lines` such columns."""

    @property
    def late(self) -> int:
        """Rows older than the newest that their measurement had before."""
