"""What a push means and what a subscriber saw, both as plain points, so that they can be compared.

The line-protocol reader here is slow and simple on purpose and shares nothing with the core. It reads what is valid;
what is not, it does not judge.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

Value = int | Decimal | str | tuple[str, bool]
"""A bool is ("bool", …): for Python, True equals 1."""


@dataclass(frozen=True, slots=True)
class Point:
    measurement: str
    labels: str
    """``k=v, k2=v2``, sorted by key; ``{k="v", k2="v2"}`` where that would be misread."""
    time_ns: int | None
    fields: Mapping[str, Value]


# --- line protocol ---------------------------------------------------------------------------------------------------


def read_points(text: bytes) -> list[Point]:
    return [point for point, _ in read_entries(text)]


def read_entries(text: bytes) -> Iterator[tuple[Point, int]]:
    """Every point with the place, in characters, where its entry ends (behind the newline)."""
    reader = _Reader(text.decode())
    while reader.skip_to_entry():
        point = reader.read_point()
        yield point, reader.at


def cut_batches(text: bytes, entries: int) -> Iterator[tuple[bytes, list[Point]]]:
    """Cut into bodies of `entries` entries each, with their points; never inside a string."""
    decoded = text.decode()
    points: list[Point] = []
    start = end = 0
    for point, end in read_entries(text):
        points.append(point)
        if len(points) == entries:
            yield decoded[start:end].encode(), points
            start, points = end, []
    if points:
        yield decoded[start:end].encode(), points


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_to_entry(self) -> bool:
        """Go to the next entry over blank lines and comments; False at the end."""
        while self.at < len(self.text):
            if self.text[self.at] in " \n\r":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False

    def read_point(self) -> Point:
        measurement = self.read_word(stops=", ", escapable=", ")
        tags = {}
        while self.take(","):
            key = self.read_word(stops="=", escapable=",= ")
            self.expect("=")
            tags[key] = self.read_word(stops=", ", escapable=",= ")
        self.read_blanks()
        fields = {}
        while True:
            key = self.read_word(stops="=", escapable=",= ")
            self.expect("=")
            fields[key] = self.read_string() if self.take('"') else plain_value(self.read_word(", \n\r", ""))
            if not self.take(","):
                break
        self.read_blanks()
        stamp = self.read_word(stops=" \n\r", escapable="")
        self.read_blanks()
        self.take("\r")
        if self.at < len(self.text):
            self.expect("\n")
        return Point(measurement, label_text(tags), int(stamp) if stamp else None, fields)

    def read_word(self, stops: str, escapable: str) -> str:
        text, at = self.text, self.at
        parts = []
        while at < len(text) and text[at] not in stops:
            if text[at] == "\\" and text[at + 1 : at + 2] and text[at + 1] in escapable:
                at += 1
            parts.append(text[at])
            at += 1
        self.at = at
        return "".join(parts)

    def read_string(self) -> str:
        text, at = self.text, self.at
        parts = []
        while text[at] != '"':
            if text[at] == "\\" and text[at + 1] in '"\\':
                at += 1
            parts.append(text[at])
            at += 1
        self.at = at + 1
        return "".join(parts)

    def read_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def take(self, character: str) -> bool:
        if self.text.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def expect(self, character: str) -> None:
        assert self.take(character), f"no {character!r} at {self.at}: {self.text[self.at - 40 : self.at + 40]!r}"


def label_text(tags: Mapping[str, str]) -> str:
    """What a labels cell holds for these tags."""
    pairs = sorted(tags.items())
    plain = ", ".join(f"{key}={value}" for key, value in pairs)
    if plain[:1] != "{" and plain.count("=") == len(pairs) and plain.count(",") == max(len(pairs) - 1, 0):
        return plain
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for _, value in pairs)
    return "{" + ", ".join(f'{key}="{value}"' for (key, _), value in zip(pairs, quoted, strict=True)) + "}"


def plain_value(word: str) -> Value:
    if word in {"t", "T", "true", "True", "TRUE"}:
        return "bool", True
    if word in {"f", "F", "false", "False", "FALSE"}:
        return "bool", False
    return int(word[:-1]) if word[-1] in "iu" else Decimal(word)


# --- frames ----------------------------------------------------------------------------------------------------------


class FrameReader:
    """Follows one channel as a subscriber does: schema first, then packets; its columns may only be appended to."""

    def __init__(self) -> None:
        self.columns: list[tuple[str, str]] = []
        self.measurement = ""

    def read_schema(self, frame: Mapping[str, Any]) -> None:
        """Take the schema if there is one."""
        if "schema" not in frame:
            return
        columns = [(field["name"], field["type"]) for field in frame["schema"]["fields"]]
        assert columns[:2] == [("labels", "string"), ("time", "time")], columns
        assert columns[: len(self.columns)] == self.columns, "columns were not only appended"
        self.columns = columns
        self.measurement = frame["schema"]["name"]

    def read(self, frame: Mapping[str, Any]) -> list[Point]:
        """The rows of a publication or snapshot."""
        assert set(frame) <= {"schema", "data"}, set(frame)
        self.read_schema(frame)
        values = frame["data"]["values"]
        assert len(values) == len(self.columns), f"{len(values)} columns came, {len(self.columns)} are known"
        assert len({len(column) for column in values}) == 1, "columns of different length"
        labels, milliseconds = values[0], values[1]
        nanos = (frame["data"].get("nanos") or [None, None])[1] or [0] * len(labels)
        times = [ms * 1_000_000 + rest for ms, rest in zip(milliseconds, nanos, strict=True)]
        assert times == sorted(times), "rows out of time order"
        rows: list[dict[str, Value]] = [{} for _ in labels]
        for (name, kind), column in zip(self.columns[2:], values[2:], strict=True):
            for row, value in zip(rows, column, strict=True):
                if value is not None:
                    row[name] = ("bool", value) if kind == "boolean" else value
        return [
            Point(self.measurement, text, time_ns, row) for text, time_ns, row in zip(labels, times, rows, strict=True)
        ]


def channel_path(measurement: str) -> str:
    """The measurement's part of its channel's name: what cannot stand there is ``=XX``, byte by byte."""
    escaped = []
    for at, character in enumerate(measurement):
        inner_slash = (
            character == "/"
            and 0 < at < len(measurement) - 1
            and measurement[at - 1] != "/"
            and measurement[at + 1] != "/"
        )
        if (character.isascii() and character.isalnum()) or character in "_-." or inner_slash:
            escaped.append(character)
        else:
            escaped.extend(f"={byte:02X}" for byte in character.encode())
    return "".join(escaped)


def published_order(stream: str, pushes: Iterable[Sequence[Point]]) -> dict[str, list[Point]]:
    """What the subscribers of each channel must see: push after push, each one's rows in time order.

    Points of one measurement, time and labels are one row; of a field that is given twice the last value counts.
    """
    channels: dict[str, list[Point]] = defaultdict(list)
    for push in pushes:
        rows: dict[object, Point] = {}
        for point in push:
            row = (point.measurement, point.labels, point.time_ns)
            rows[row] = replace(point, fields={**rows[row].fields, **point.fields}) if row in rows else point
        for point in sorted(rows.values(), key=lambda point: point.time_ns or 0):
            channels[f"stream/{stream}/{channel_path(point.measurement)}"].append(point)
    return dict(channels)


def check_same_points(received: Sequence[Point], expected: Sequence[Point]) -> None:
    """Every point once, in order, with equal time and values."""
    for number, (got, wanted) in enumerate(zip(received, expected, strict=False)):
        assert got == wanted, f"point {number} of {len(expected)}: {describe_difference(got, wanted)}"
    assert len(received) == len(expected), f"{len(received)} points came, {len(expected)} were pushed"


def describe_difference(got: Point, wanted: Point) -> str:
    if replace(got, fields={}) != replace(wanted, fields={}):
        return f"{replace(got, fields={})} came instead of {replace(wanted, fields={})}"
    names = sorted({*got.fields, *wanted.fields})
    return ", ".join(
        f"{name}={got.fields.get(name)!r} instead of {wanted.fields.get(name)!r}"
        for name in names
        if got.fields.get(name) != wanted.fields.get(name)
    )
