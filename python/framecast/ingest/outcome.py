"""What became of a pushed body, whoever says so: a role that the core's `PushResult` plays."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Rejected(Protocol):
    """One refused line, or row."""

    @property
    def line(self) -> int:
        """Its number, from 1."""

    @property
    def column(self) -> int:
        """Where in it, from 1."""

    @property
    def reason(self) -> str:
        """One of a small fixed set of words."""

    @property
    def message(self) -> str:
        """The same for a person."""


class Outcome(Protocol):
    """What became of a pushed body; a `PushResult` is one."""

    @property
    def accepted(self) -> int:
        """Lines that are stored."""

    @property
    def rejected(self) -> int:
        """Lines that are not."""

    @property
    def rejections(self) -> Sequence[Rejected]:
        """The first `push.report_lines` of these."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many each reason cost."""

    @property
    def mismatched(self) -> int:
        """Values of stored lines that did not fit their columns."""

    @property
    def mismatches(self) -> Sequence[str]:
        """The first `push.report_lines` such columns."""

    @property
    def late(self) -> int:
        """Rows older than the newest that their measurement had before."""
