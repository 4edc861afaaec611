"""The time range of a request, as Grafana's clients write it: milliseconds since 1970, or relative to now.

``now-6h``, ``now-1d/d``: steps back or forth, then to the beginning of a unit; of the end of a range, to its end. All
in UTC. Panels send milliseconds; the rest is for people.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from framecast.errors import Refusal, printable

SHOWN_CHARACTERS = 50
"""Of a time that is none, or that comes behind another."""

_MILLISECONDS = re.compile(r"-?[0-9]{1,16}")
_RELATIVE = re.compile(r"now((?:[+-][0-9]{1,9}(?:ms|[smhdwMy]))*)(?:/([smhdwMy]))?")
_STEP = re.compile(r"([+-][0-9]+)(ms|[smhdwMy])")
_LENGTHS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PARTS = ("y", "M", "d", "h", "m", "s")
"""What a moment is made of, from the coarsest."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
MAX_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The end of the year 9999."""


def parse_range(begin: str | int, end: str | int, now_ms: int) -> tuple[int, int]:
    """Both ends in milliseconds. Refusal 400 for what is no time, and for a range that ends before it begins."""
    from_ms, to_ms = _parse("from", begin, now_ms, to_end=False), _parse("to", end, now_ms, to_end=True)
    if from_ms > to_ms:
        told = f"from {printable(str(begin), SHOWN_CHARACTERS)} to {printable(str(end), SHOWN_CHARACTERS)}"
        raise Refusal(400, f"bad request data: the time range ends before it begins ({told})")
    return from_ms, to_ms


def _parse(key: str, text: str | int, now_ms: int, *, to_end: bool) -> int:
    try:
        found = _read(str(text), now_ms, to_end=to_end)
    except (OverflowError, ValueError):  # a year that no calendar has
        found = None
    if found is None or abs(found) > MAX_MS:
        raise Refusal(
            400,
            f"bad request data: {key} has to be milliseconds since 1970 or relative, now-6h or now-1d/d, and is "
            f"'{printable(str(text), SHOWN_CHARACTERS)}'",
        )
    return found


def _read(text: str, now_ms: int, *, to_end: bool) -> int | None:
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    relative = _RELATIVE.fullmatch(text)
    if relative is None:
        return None
    moment = _EPOCH + now_ms * _MILLISECOND
    for count, unit in _STEP.findall(relative[1]):
        moment = _step(moment, int(count), unit)
    if relative[2]:
        begin = _begin_of(moment, relative[2])
        moment = _step(begin, 1, relative[2]) - _MILLISECOND if to_end else begin
    return (moment - _EPOCH) // _MILLISECOND


def _step(moment: datetime, count: int, unit: str) -> datetime:
    """So many units on. The 31st of a month is the last day of a shorter one."""
    if unit in _LENGTHS:
        return moment + count * _LENGTHS[unit]
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _begin_of(moment: datetime, unit: str) -> datetime:
    """Weeks begin on Sunday, as Grafana's do where nobody set it otherwise."""
    if unit == "w":
        moment -= timedelta(days=moment.isoweekday() % 7)
        unit = "d"
    kept = _PARTS.index(unit)
    return moment.replace(
        month=moment.month if kept >= 1 else 1,
        day=moment.day if kept >= 2 else 1,
        hour=moment.hour if kept >= 3 else 0,
        minute=moment.minute if kept >= 4 else 0,
        second=moment.second if kept >= 5 else 0,
        microsecond=0,
    )
