"""What the rounds of a row come to: medians, ratios, and whether a goal is met. No I/O.

A round with a fault counts for nothing. A round in which something else than the server set the pace (`held_back`) is
kept and marked: it makes a time or a rate look worse than it is, never better, so it can still show that ours meets a
goal, or that it misses it against another that did even better than was seen. Whatever it cannot show is not judged.
"""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from bench.rows.row import Figure

OURS, PEER, LIMIT = "framecast", "centrifuge", "bare send"
Outcome = Literal["met", "missed", "not judged"]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One server measured once."""

    server: str
    number: int
    figures: dict[str, float] = {}
    faults: list[str] = []
    """Why it counts for nothing."""
    remarks: list[str] = []
    held_back: str = ""
    """What else than the server set the pace."""
    load_average: float = 0.0
    """Of the machine, before it."""
    command: str = ""


class Median(msgspec.Struct, frozen=True):
    """A figure of one server over the rounds that count."""

    middle: float
    least: float
    most: float
    rounds: int
    held_back: str
    """In any of them, by what."""


class Ratio(msgspec.Struct, frozen=True):
    """Ours to another's, and what is to be thought of it."""

    goal: float
    outcome: Outcome
    value: float | None = None
    why: str = ""
    """It is not judged."""


class Comparison(msgspec.Struct, frozen=True):
    """A figure of a row, of all servers."""

    name: str
    unit: str
    more_is_better: bool
    medians: dict[str, Median]
    against_peer: Ratio
    against_limit: Ratio | None
    """None where there is no goal."""


def compare(figure: Figure, rounds: Sequence[Round]) -> Comparison:
    """A figure out of the rounds of a row."""
    servers = dict.fromkeys(each.server for each in rounds)
    found = {server: find_median(figure, [each for each in rounds if each.server == server]) for server in servers}
    medians = {server: median for server, median in found.items() if median is not None}
    return Comparison(
        name=figure.name,
        unit=figure.unit,
        more_is_better=figure.more_is_better,
        medians=medians,
        against_peer=judge(figure, figure.against_peer, medians, PEER),
        against_limit=None if figure.against_limit is None else judge(figure, figure.against_limit, medians, LIMIT),
    )


def find_median(figure: Figure, rounds: Sequence[Round]) -> Median | None:
    """Of one server; None where no round counts."""
    good = [each for each in rounds if not each.faults and figure.name in each.figures]
    if not good:
        return None
    values = [each.figures[figure.name] * figure.scale for each in good]
    held_back = next((each.held_back for each in good if each.held_back), "")
    return Median(statistics.median(values), min(values), max(values), len(good), held_back)


def judge(figure: Figure, goal: float, medians: dict[str, Median], other: str) -> Ratio:
    """Ours against another, as far as what was measured can tell."""
    missing = [server for server in (OURS, other) if server not in medians]
    if missing:
        return Ratio(goal, "not judged", why=f"no valid round of {' and '.join(missing)}")
    ours, theirs = medians[OURS], medians[other]
    if theirs.middle <= 0:
        return Ratio(goal, "not judged", why=f"{other} was too little to be divided by")
    ratio = ours.middle / theirs.middle
    met = ratio >= goal if figure.more_is_better else ratio <= goal
    if figure.worse_when_held_back:
        # Only one that is better than it was seen could turn this round: theirs if it is met, else ours.
        doubts = {other: theirs.held_back} if met else {OURS: ours.held_back}
    else:
        doubts = {OURS: ours.held_back, other: theirs.held_back}
    told = "; ".join(f"{server} was held back: {why}" for server, why in doubts.items() if why)
    if told:
        return Ratio(goal, "not judged", ratio, why=told)
    return Ratio(goal, "met" if met else "missed", ratio)
