"""Whether a figure that was looked at for long has stayed where it was. No I/O.

The rule: over the second half of the time, the straight line of least squares rises by no more than `ALLOWED` of the
mean there; and the median of the last quarter is no more than that above the median of the second. The first quarter
does not count: caches, histories and the allocator fill in it. Both must hold, because a line hides a step at the end
of the time, and two medians hide a rise that has just begun.
"""

import statistics
from collections.abc import Sequence

import msgspec

ALLOWED = 0.03
LEAST_SECONDS = 300.0
"""Below, nothing has filled yet: a rise says nothing."""
LEAST_POINTS = 40


class Trend(msgspec.Struct, frozen=True):
    """Of one figure."""

    line_rise: float
    """Over the second half, as a share of its mean."""
    quarter_rise: float
    """From the second quarter's median to the last one's, as a share of the former."""
    flat: bool | None
    """None where there was too little to tell."""


def find_trend(seconds: Sequence[float], values: Sequence[float]) -> Trend:
    """Of values in the order of time."""
    count = len(values)
    if count < 4:
        return Trend(0.0, 0.0, None)
    half, quarter = count // 2, count // 4
    late_seconds, late = seconds[half:], values[half:]
    mean = statistics.fmean(late)
    slope = statistics.linear_regression(late_seconds, late).slope if len(set(late_seconds)) > 1 else 0.0
    line_rise = slope * (late_seconds[-1] - late_seconds[0]) / mean if mean else 0.0
    second, last = statistics.median(values[quarter:half]), statistics.median(values[count - quarter :])
    quarter_rise = last / second - 1.0 if second else 0.0
    enough = count >= LEAST_POINTS and seconds[-1] - seconds[0] >= LEAST_SECONDS
    flat = line_rise <= ALLOWED and quarter_rise <= ALLOWED
    return Trend(line_rise, quarter_rise, flat if enough else None)
