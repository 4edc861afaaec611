"""Counts the bytes of bodies held in memory by all senders together."""

from types import TracebackType
from typing import Self

from prometheus_client import Gauge

from framecast.errors import Refusal


class ByteBudget:
    """A fixed number of bytes that all bodies of one kind share. Not for several threads."""

    def __init__(self, max_bytes: int, *, full: str, gauge: Gauge) -> None:
        """`full` is what a refused sender is told, `gauge` shows what is held."""
        self._max_bytes = max_bytes
        self._full = full
        self.held_bytes = 0
        gauge.set_function(lambda: self.held_bytes)

    def hold(self) -> "Held":
        """Begin to hold nothing; use it as a context manager."""
        return Held(self)

    def take(self, count: int) -> None:
        """Count `count` more bytes; Refusal 503 when they do not fit."""
        if self.held_bytes + count > self._max_bytes:
            raise Refusal(503, self._full, temporary=True, reason="waiting_limit")
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Count `count` bytes less."""
        self.held_bytes -= count


class Held:
    """What one sender holds of the budget; all of it is given back on leaving the ``with`` block."""

    __slots__ = ("_budget", "_bytes")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._bytes)
        self._bytes = 0

    def grow(self, count: int) -> None:
        """Hold `count` bytes more; Refusal 503."""
        self._budget.take(count)
        self._bytes += count

    def resize(self, count: int) -> None:
        """Hold `count` bytes in all; Refusal 503 when that is more than fits."""
        if count > self._bytes:
            self.grow(count - self._bytes)
        elif count < self._bytes:
            self._budget.give_back(self._bytes - count)
            self._bytes = count
