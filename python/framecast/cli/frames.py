"""Reads Grafana data frames as JSON into rows, the schema kept from packet to packet. No I/O.

Format: https://grafana.com/developers/dataplane/ and the Go SDK's encoder. Columns hold values; ``entities`` name
the rows that are NaN or infinite (null in the values); ``nanos`` holds what milliseconds cannot.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

NANOS = 1_000_000_000
NANOS_PER_MILLI = 1_000_000
ENTITIES = {"NaN": math.nan, "Inf": math.inf, "NegInf": -math.inf}
_QUOTED_LABEL = re.compile(r'(?:^|, )(.*?)="((?:[^"\\]|\\.)*)"(?=, |$)', re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FrameError(Exception):
    """A packet that does not fit the format or its channel's schema; the next one may."""


@dataclass(frozen=True, slots=True)
class Row:
    """Values of one time and one set of labels."""

    time_ns: int | None
    labels: dict[str, str]
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    labels: dict[str, str]


class FrameReader:
    """One per channel: remembers the schema that the packets without one are meant for."""

    def __init__(self) -> None:
        self._columns: list[_Column] | None = None

    def read(self, packet: object) -> list[Row] | None:
        """The rows of one packet, oldest first as sent; None when it is no frame. FrameError when it does not fit."""
        if not isinstance(packet, dict) or not packet.keys() & {"schema", "data"}:
            return None
        if packet.get("schema") is not None:
            self._columns = _read_schema(packet["schema"])
        data = packet.get("data")
        if not isinstance(data, dict) or not data.get("values"):
            return []
        if self._columns is None:
            raise FrameError("data came before any schema")
        return self._read_rows(_checked_columns(data["values"], len(self._columns)), data)

    def _read_rows(self, values: list[list[Any]], data: Mapping[str, Any]) -> list[Row]:
        columns = self._columns or []
        entities = data.get("entities")
        for column_values, of_column in zip(values, entities if isinstance(entities, list) else (), strict=False):
            _put_entities(column_values, of_column)
        time_index = next((index for index, column in enumerate(columns) if column.kind == "time"), None)
        for index, column in enumerate(columns):
            if column.kind == "time":
                values[index] = _times_ns(values[index], data.get("nanos"), index)
        labels_index = 0 if time_index == 1 and columns[0].name.lower() == "labels" else None
        groups = _group_by_labels(columns, {time_index, labels_index})
        rows = []
        for at in range(len(values[0])):
            time_ns = None if time_index is None else values[time_index][at]
            common = {} if labels_index is None else parse_labels(values[labels_index][at])
            for labels, members in groups:
                fields = {columns[index].name: values[index][at] for index in members}
                if len(groups) == 1 or any(value is not None for value in fields.values()):
                    rows.append(Row(time_ns, {**common, **labels}, _readable_times(fields, columns, members)))
        return rows


def _read_schema(schema: object) -> list[_Column]:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise FrameError("a schema without fields")
    columns = []
    for index, field in enumerate(fields):
        labels = field.get("labels")
        columns.append(
            _Column(
                name=str(field.get("name") or f"field {index + 1}"),
                kind=str(field.get("type") or ""),
                labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
            )
        )
    return columns


def _checked_columns(values: object, expected: int) -> list[list[Any]]:
    if not isinstance(values, list) or not all(isinstance(column, list) for column in values):
        raise FrameError("values are no columns")
    if len(values) != expected:
        raise FrameError(f"{len(values)} columns came, the schema has {expected}")
    if len({len(column) for column in values}) > 1:
        raise FrameError("columns of unequal length")
    return [list(column) for column in values]


def _put_entities(column: list[Any], entities: object) -> None:
    if not isinstance(entities, dict):
        return
    for name, rows in entities.items():
        for row in rows if isinstance(rows, list) else ():
            if name in ENTITIES and isinstance(row, int) and 0 <= row < len(column):
                column[row] = ENTITIES[name]


def _times_ns(column: Sequence[Any], nanos: object, index: int) -> list[int | None]:
    extra = nanos[index] if isinstance(nanos, list) and index < len(nanos) else None
    rests = extra if isinstance(extra, list) and len(extra) == len(column) else [0] * len(column)
    times: list[int | None] = []
    for value, rest in zip(column, rests, strict=True):
        known = isinstance(value, int | float) and isinstance(rest, int)
        times.append(int(value) * NANOS_PER_MILLI + rest if known else None)
    return times


def _group_by_labels(columns: Sequence[_Column], apart: set[int | None]) -> list[tuple[dict[str, str], list[int]]]:
    """The value columns by their labels: each group becomes a row of its own."""
    groups: list[tuple[dict[str, str], list[int]]] = []
    known: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for index, column in enumerate(columns):
        if index in apart:
            continue
        key = tuple(sorted(column.labels.items()))
        if key not in known:
            known[key] = []
            groups.append((column.labels, known[key]))
        known[key].append(index)
    return groups or [({}, [])]


def _readable_times(fields: dict[str, Any], columns: Sequence[_Column], members: Sequence[int]) -> dict[str, Any]:
    """A second time column becomes text, as it is only a value."""
    for index in members:
        column = columns[index]
        if column.kind == "time" and isinstance(fields[column.name], int):
            fields[column.name] = format_time(fields[column.name])
    return fields


def parse_labels(text: object) -> dict[str, str]:
    """Read a labels column, ``cpu=cpu0, host=a``.

    Grafana writes it without escapes, so a value that holds comma and blank looks like a new label: what has no
    ``=`` is taken as the rest of the value before it. Framecast quotes such labels: ``{cpu="a, b", host="a"}``.
    """
    if isinstance(text, str) and text.startswith("{") and text.endswith('"}'):
        found = _QUOTED_LABEL.findall(text[1:-1])
        return {key: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for key, value in found}
    labels: dict[str, str] = {}
    last = ""
    for part in text.split(", ") if isinstance(text, str) and text else ():
        key, equals, value = part.partition("=")
        if equals or not last:
            last = key
            labels[key] = value
        else:
            labels[last] += f", {part}"
    return labels


def format_time(time_ns: int) -> str:
    """ISO 8601 in UTC, with as many digits as the time has: none, milli-, micro- or nanoseconds."""
    seconds, rest = divmod(time_ns, NANOS)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return f"{time_ns} ns"
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"
