"""The arithmetic of readings: shares of what was seen, and how far off the beat a stream's packets came. No I/O.

Stands on the standard library alone: the reader that uses grpcio runs in an environment without ours.
"""

import statistics
from collections.abc import Iterable, Sequence


def find_share(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; they must be sorted, and there must be one."""
    return values[int((len(values) - 1) * share)]


def spread(values: Iterable[float], unit: float) -> dict[str, float]:
    """The median, the 99th of a hundred and the largest, in this unit. ValueError where there are none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was seen")
    return {name: find_share(ordered, share) / unit for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}


def find_deviations(arrivals: Sequence[float], period: float) -> list[float]:
    """How far each arrival is off the beat, early or late alike.

    The beat is the grid of `period` that most agree with (the median of their phases): when a stream began is no fault
    of its. The grid never gives way, so that one which drifts, or leaves out a beat, is off from there on.
    """
    phases = [arrival - number * period for number, arrival in enumerate(arrivals)]
    if not phases:
        return []
    beat = statistics.median(phases)
    return [abs(phase - beat) for phase in phases]


class Marks:
    """Counts what is in every packet once, in a stream that comes in pieces cut anywhere."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._rest = b""
        self.seen = 0

    def take(self, piece: bytes) -> None:
        """The next piece."""
        joined = self._rest + piece
        self.seen += joined.count(self._mark)
        # Too short to hold a whole one, which would count twice.
        self._rest = joined[-(len(self._mark) - 1) :]
