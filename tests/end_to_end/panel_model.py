"""What a panel must show, worked out from nothing but the pushes and from which of them it was given.

Slow and simple on purpose. It knows what the formats mean and how much of the past a server keeps; the frames that went
over the wire it never sees.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from end_to_end.reference import Value, label_text, read_points

Column = tuple[str, str]
"""A field's key, and its labels as text. The time is ("time", "")."""
Shown = dict[Column, list[Value | None]]
"""The values of every column, row by row."""

TIME: Column = ("time", "")


@dataclass
class Row:
    time_ms: int
    cells: dict[Column, Value] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    """Of the points in it, whatever became of their values."""


@dataclass(frozen=True)
class Publication:
    """What one push became."""

    rows: list[Row]
    columns: frozenset[Column]
    """All that the stream had by then."""


class PushedStream:
    """A stream with one measurement, in one format, on a server that keeps so many rows."""

    def __init__(self, frame_format: str, *, history_rows: int) -> None:
        self.publications: list[Publication] = []
        self.lives = [0]
        """How many there were when a server began."""
        self.has_labels_column = frame_format == "labels_column"
        self._history_rows = history_rows
        self._families: dict[Column | str, str] = {}
        self._columns: set[Column] = set()

    def push(self, body: str, *, units_per_ms: int = 1) -> None:
        """Take the lines of one body, all of them valid."""
        rows: dict[tuple[int, str], Row] = {}
        for point in read_points(body.encode()):
            assert point.time_ns is not None
            key = (point.time_ns, point.labels if self.has_labels_column else "")
            row = rows.setdefault(key, Row(point.time_ns // units_per_ms))
            row.labels.add(point.labels)
            for name, value in point.fields.items():
                column = (name, point.labels)
                self._columns.add(column)
                fitting = self._fit(name if self.has_labels_column else column, value)
                row.cells.pop(column, None)
                if fitting is not None:
                    row.cells[column] = fitting
        in_time_order = [rows[key] for key in sorted(rows, key=lambda key: key[0])]
        self.publications.append(Publication(in_time_order, frozenset(self._columns)))

    def _fit(self, column: Column | str, value: Value) -> Value | None:
        """The value as its column takes it, whose first value settled the type."""
        settled = self._families.setdefault(column, family_of(value))
        if settled == family_of(value):
            return value
        return written(value) if settled == "string" else None

    def restart(self) -> None:
        """Another server goes on with the columns, and with nothing else."""
        self.lives.append(len(self.publications))

    def kept(self, start: int, end: int) -> list[Publication]:
        """What a server still has of these publications when the last of them is its newest."""
        rows, oldest = 0, end
        for place in reversed(range(start, end)):
            rows += len(self.publications[place].rows)
            if place < end - 1 and rows > self._history_rows:
                break
            oldest = place
        return self.publications[oldest:end]

    def shown(self, messages: Iterable[list[Publication]]) -> Shown:
        """What a panel shows that was given these frames, each made of one publication or several."""
        rows: list[Row] = []
        columns: frozenset[Column] = frozenset()
        for publications in messages:
            in_time_order = sorted(
                (row for publication in publications for row in publication.rows), key=lambda row: row.time_ms
            )
            rows += join_by_time(in_time_order) if self.has_labels_column else in_time_order
            columns = columns.union(*(publication.columns for publication in publications))
        if self.has_labels_column:
            # The panel makes a series of each field for each text of labels that it saw.
            labels = {text for row in rows for text in row.labels}
            columns = frozenset((name, text) for name, _ in columns for text in labels)
        return {
            TIME: [row.time_ms for row in rows],
            **{column: [row.cells.get(column) for row in rows] for column in columns},
        }


def join_by_time(rows: Iterable[Row]) -> list[Row]:
    """One row for each time, with the cells of all of its labels; no labels may come twice."""
    joined: dict[int, Row] = {}
    for row in rows:
        one = joined.setdefault(row.time_ms, Row(row.time_ms))
        assert not one.labels & row.labels, "what the panel makes of that is for a test to say"
        one.cells |= row.cells
        one.labels |= row.labels
    return list(joined.values())


def family_of(value: Value) -> str:
    match value:
        case ("bool", _):
            return "boolean"
        case str():
            return "string"
        case _:
            return "number"


def written(value: Value) -> str:
    """A value in a column of text."""
    match value:
        case ("bool", told):
            return str(told).lower()
        case _:
            return str(value)


class Given:
    """Which publications a panel was given, frame by frame, from what its client tells of a channel."""

    def __init__(self, stream: PushedStream) -> None:
        self.messages: list[list[Publication]] = []
        self.recovered = self.not_recovered = 0
        """Returns of the client."""
        self.lost = 0
        """Publications that were gone by then."""
        self._stream = stream
        self._epoch = ""
        self._life = 0
        self._count = 0

    @property
    def is_complete(self) -> bool:
        return self._count == len(self._stream.publications)

    def read(self, event: Mapping[str, Any]) -> None:
        """Take one event of the channel."""
        if event["event"] == "publication":
            count = self._life_start + event["offset"]
            assert count == self._count + 1, f"publication {count} came behind {self._count}"
            self._take(count)
        elif event["event"] == "subscribed":
            self._begin(event)

    def _begin(self, event: Mapping[str, Any]) -> None:
        epoch = event["position"]["epoch"]
        if epoch != self._epoch:
            # A channel that nobody published to is forgotten, and begins again: that is not another server.
            self._life += self._count > self._life_start
            self._epoch = epoch
        if not event["returned"]:
            self.messages = []
            self._count = self._life_start
        self.recovered += event["recovered"]
        self.not_recovered += event["returned"] and not event["recovered"]
        if event["recovered"]:
            assert "data" not in event, "what was missed comes as publications"
        else:
            self._take(self._life_start + event["position"]["offset"])

    @property
    def _life_start(self) -> int:
        return self._stream.lives[self._life]

    def _take(self, count: int) -> None:
        kept = self._stream.kept(max(self._count, self._life_start), count)
        self.lost += count - self._count - len(kept)
        self.messages.append(kept)
        self._count = count


def read_shown(fields: Iterable[Mapping[str, Any]]) -> Shown:
    """The fields of a panel as the model has them; a bool is ("bool", …)."""
    shown: Shown = {}
    for described in fields:
        name = described["name"] if described["labels"] is None else described["name"].partition("{")[0]
        column = (name, label_text(described["labels"] or {}))
        assert column not in shown, f"two fields are {column}"
        shown[column] = [("bool", value) if isinstance(value, bool) else value for value in described["values"]]
    return shown


def check_shown(shown: Shown, expected: Shown) -> None:
    """Every column once, with its values row by row."""
    assert set(shown) == set(expected)
    for column, values in sorted(expected.items()):
        assert shown[column] == values, column


def check_series_names(fields: Iterable[Mapping[str, Any]]) -> None:
    """A series is named by its key and labels; people read the same without escapes."""
    for described in fields:
        key, brace, _ = described["name"].partition("{")
        labels = sorted((described["labels"] or {}).items())
        if brace:
            assert described["name"] == f"{key}{{{', '.join(f'{escaped(k)}={escaped(v)}' for k, v in labels)}}}"
            assert described["display"] == f"{key} {{{', '.join(f'{k}={v}' for k, v in labels)}}}"
        else:
            assert (labels, described["display"]) == ([], key)


def escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in r",={}\\" else character for character in text)
