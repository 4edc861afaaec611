"""A row of the table: what the load is asked for, which of its figures count, and how good they are to be."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from bench.servers import DEFAULT_LIMITS, Limits

DRAIN_SECONDS = 30.0
"""For what is on its way at the end: at full load a slow server has seconds of it."""

Kind = Literal["latency", "fanout", "ingest", "connect"]


@dataclass(frozen=True)
class Figure:
    """A figure of the load's by its name there, and its goals: ratios of ours to the peer's and to the limit's."""

    name: str
    unit: str
    against_peer: float
    against_limit: float | None = None
    more_is_better: bool = False
    scale: float = 1.0
    """From the load's unit to this one."""
    worse_when_held_back: bool = True
    """Whether a server that was held back looks worse by it, never better: true of times and rates."""


@contextmanager
def alone(address: str) -> Iterator[None]:  # noqa: ARG001 - the role's argument
    """Nobody but the load."""
    yield


@dataclass(frozen=True)
class Row:
    """One thing that is measured."""

    name: str
    title: str
    kind: Kind
    arguments: tuple[str, ...]
    """For the load, without times."""
    figures: tuple[Figure, ...]
    connections: int
    """That either side opens."""
    beside_limit: bool = False
    """Whether the limit can do it too."""
    limits: Limits = DEFAULT_LIMITS
    company: Callable[[str], AbstractContextManager[None]] = alone
    """Who else is there, at this HOST:PORT, from before the load until after it."""

    @property
    def at_full_load(self) -> bool:
        """Whether the server is to have all that it can do."""
        return self.kind in {"fanout", "ingest"}

    def timed_arguments(self, seconds: float) -> list[str]:
        """For the load, to measure for so long."""
        if self.kind == "connect":
            return [*self.arguments, "--idle", f"{seconds:g}"]
        times = {"seconds": seconds, "warm-up": min(1.0, seconds / 2), "drain": DRAIN_SECONDS}
        return [*self.arguments, *(part for flag, value in times.items() for part in (f"--{flag}", f"{value:g}"))]
