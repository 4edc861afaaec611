"""Keeps the columns of a stream in one order and of one kind, where a plugin sends dicts and tables instead of frames.

Each of them names the columns that it has. What one lacks is null in it, what is new comes behind the rest, whole
numbers fit a column of floats, and a column of whole numbers becomes one of floats once. So the schema changes only
where it has to: the shipped panel survives little else (grafana-live §4.3).
"""

from typing import Any

from framecast.plugins.columns import FLOATS, INTEGERS, Column, FrameError
from framecast.plugins.frames import Frame, columns_of

MAX_COLUMNS = 1_000
"""Of one stream: names may come from data."""


class StickyColumns:
    """The columns of one stream so far."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}

    def frame(self, data: Any) -> Frame:
        """The frame of what `Frame.of` takes, in the stream's columns.

        FrameError, and nothing has changed, for values of another kind than their column's.
        """
        given = {column.name: column for column in columns_of(data)}
        kinds = dict(self._kinds)
        for name, column in given.items():
            kinds[name] = _join(column, kinds.get(name))
        if len(kinds) > MAX_COLUMNS:
            raise FrameError(f"more than {MAX_COLUMNS} columns in one stream: labels and times belong into values")
        rows = max(map(len, given.values()), default=0)
        frame = Frame(_fit(name, kind, given.get(name), rows) for name, kind in kinds.items())
        self._kinds = kinds
        return frame


def _join(column: Column, known: str | None) -> str:
    kind = column.cells.kind
    if known is None or kind == known:
        return kind
    if not any(value is not None for value in column.cells.values) and not column.cells.entities:
        return known
    if kind in INTEGERS and known in {*INTEGERS, *FLOATS}:
        return known if known in FLOATS else "float64"
    if kind in FLOATS and known in {*INTEGERS, *FLOATS}:
        return "float64"
    raise FrameError(f"column {column.name!r}: {kind} where it was {known} before")


def _fit(name: str, kind: str, column: Column | None, rows: int) -> Column:
    if column is None:
        return Column(name, [None] * rows, kind, nullable=True)
    if column.cells.kind == kind and column.cells.nullable:
        return column
    return Column(name, column.values, kind, nullable=True)
