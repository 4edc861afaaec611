"""What of a pushed body was refused, whoever says so: a role that the core's results play."""

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


class Rejections(Protocol):
    """The refused lines of a body, or its refused rows."""

    @property
    def rejected(self) -> int:
        """Lines that are not."""

    @property
    def rejections(self) -> Sequence[Rejected]:
        """The first `push.report_lines` of these."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many each reason cost."""
