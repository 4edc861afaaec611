"""Plots as inline SVG: lines over an axis, with a grid, a legend and nothing that is loaded or run."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from framecast.cli.bench.spelling import tell_count

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 14, 46
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
COLOURS = 6
"""Classes of lines that the page's style knows."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line: what it is, and its points from left to right."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """From a value to a share of the plot's length, and the values that are written beside it."""

    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]
    label: str


@dataclass(frozen=True)
class Plot:
    """Lines over two axes."""

    title: str
    about: str
    x: Axis
    y: Axis
    lines: Sequence[Line]


def linear_axis(most: float, label: str, tell: Callable[[float], str] = tell_count) -> Axis:
    """From 0 to a round number that is no less than `most`."""
    step = _round_step(most / 5 if most > 0 else 1.0)
    count = max(1, math.ceil(most / step - 1e-9))
    end = step * count
    return Axis(lambda value: value / end, [(step * tick, tell(step * tick)) for tick in range(count + 1)], label)


def duration_axis(values: Iterable[float], label: str) -> Axis:
    """Microseconds, by their logarithm: from the power of ten below the least to the one above the most."""
    positive = [value for value in values if value > 0] or [1.0]
    low = math.floor(math.log10(min(positive)))
    high = max(low + 1, math.ceil(math.log10(max(positive)) - 1e-9))
    ticks = [(10.0**power, _tell_power(power)) for power in range(low, high + 1)]
    return Axis(lambda value: (math.log10(max(value, 10.0**low)) - low) / (high - low), ticks, label)


def percentile_axis(count: int) -> Axis:
    """Shares below 1, by how little is left: 90 %, 99 % and 99.9 % are equally far from one another."""
    nines = max(2, min(6, math.floor(math.log10(max(10, count)))))
    ticks = [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")]
    ticks += [(1 - 10.0**-nine, f"99.{'9' * (nine - 2)} %") for nine in range(3, nines + 1)]
    return Axis(lambda share: min(1.0, -math.log10(max(1 - share, 10.0**-nines)) / nines), ticks, "percentile")


def seconds_axis(seconds: float) -> Axis:
    """The time that counts."""
    return linear_axis(seconds, "seconds", lambda value: f"{value:g}")


def draw(plot: Plot) -> str:
    """The plot as a figure of HTML, well-formed as XML."""
    parts = [
        f"<figure><figcaption><strong>{escape(plot.title)}</strong> {escape(plot.about)}</figcaption>",
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}">',
        *_grid(plot),
        *(_polyline(plot, line, number) for number, line in enumerate(plot.lines)),
        "</svg>",
        _legend(plot.lines),
        "</figure>",
    ]
    return "\n".join(parts)


def _grid(plot: Plot) -> Iterable[str]:
    bottom = TOP + INNER_HEIGHT
    for value, label in plot.y.ticks:
        y = _y(plot, value)
        yield f'<line class="grid" x1="{LEFT}" x2="{LEFT + INNER_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    for value, label in plot.x.ticks:
        x = _x(plot, value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        anchor = "end" if x > WIDTH - 3 * RIGHT else "middle"
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="{anchor}">{escape(label)}</text>'
    yield f'<text x="{LEFT + INNER_WIDTH}" y="{HEIGHT - 8}" text-anchor="end">{escape(plot.x.label)}</text>'
    yield f'<text x="4" y="{HEIGHT - 8}">{escape(plot.y.label)}</text>'


def _polyline(plot: Plot, line: Line, number: int) -> str:
    points = " ".join(f"{_x(plot, x):.1f},{_y(plot, y):.1f}" for x, y in line.points)
    return f'<polyline class="line c{number % COLOURS}" points="{points}"><title>{escape(line.name)}</title></polyline>'


def _legend(lines: Sequence[Line]) -> str:
    items = (
        f'<span class="key"><span class="swatch s{number % COLOURS}"></span>{escape(line.name)}</span>'
        for number, line in enumerate(lines)
    )
    return f'<div class="legend">{"".join(items)}</div>'


def _x(plot: Plot, value: float) -> float:
    return LEFT + _bounded(plot.x.place(value)) * INNER_WIDTH


def _y(plot: Plot, value: float) -> float:
    return TOP + (1 - _bounded(plot.y.place(value))) * INNER_HEIGHT


def _bounded(share: float) -> float:
    return min(1.0, max(0.0, share))


def _tell_power(power: int) -> str:
    """A power of ten of microseconds."""
    for unit, most in (("µs", 3), ("ms", 6)):
        if power < most:
            return f"{10.0 ** (power - most + 3):g} {unit}"
    return f"{10.0 ** (power - 6):g} s"


def _round_step(step: float) -> float:
    """The least of 1, 2, 5, 10, … that is no less."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))
