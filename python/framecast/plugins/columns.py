"""One column of a data frame: what values it may be made of, and how each kind is written as JSON.

Kinds, and how they are spelled, are those of Grafana's data frames (grafana-live §4.1). Arrays that lend their memory
(NumPy's, `array.array`, any other with the buffer protocol) are read where they lie; neither NumPy nor pyarrow is
needed here, nor imported.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

TIME = "time.Time"
JSON = "json.RawMessage"
INTEGERS = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
FLOATS = frozenset({"float32", "float64"})
FIELD_TYPES = {
    TIME: "time",
    **dict.fromkeys((*INTEGERS, *FLOATS), "number"),
    "string": "string",
    "bool": "boolean",
    JSON: "other",
}
"""What a field's `type` is, by kind."""

NOT_A_TIME = -(2**63)
"""NumPy's NaT, as an integer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MS = 1_000_000
_OF_BUFFER = {"f": "float32", "d": "float64", "?": "bool"}


class FrameError(ValueError):
    """What was given is no data frame; the message says which column and why."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A column as it is written: values for JSON, and what JSON cannot say of them."""

    kind: str
    nullable: bool
    values: list[Any]
    nanos: list[int] | None = None
    """What the milliseconds of times leave out."""
    entities: Mapping[str, list[int]] | None = None
    """The rows of NaN and infinities."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a frame.

    `kind` is one of Grafana's (``float64``, ``int64``, ``string``, ``bool``, ``time.Time``, ``json.RawMessage``, …);
    without it that is seen from the values: whole numbers are ``int64``, others ``float64``. Times are datetimes with a
    zone, or of kind ``time.Time`` integers in nanoseconds since 1970 or floats in seconds. None is a null.
    """

    name: str
    values: Any
    kind: str = ""
    nullable: bool | None = None
    """Whether the schema says that there may be nulls. None: no for arrays, yes for everything else, so that the
    schema does not change with the first null."""
    labels: Mapping[str, str] | None = None
    config: Mapping[str, Any] | None = None
    cells: Cells = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            cells = _read(self.values, self.kind or ("" if self.name.lower() != "time" else TIME), self.nullable)
        except (TypeError, ValueError, OverflowError) as error:
            raise FrameError(f"column {self.name!r}: {error}") from None
        object.__setattr__(self, "cells", cells)

    def __len__(self) -> int:
        return len(self.cells.values)

    def describe(self) -> dict[str, Any]:
        """The field of the schema, its keys in Grafana's order."""
        described: dict[str, Any] = {"name": self.name} if self.name else {}
        described["type"] = FIELD_TYPES[self.cells.kind]
        described["typeInfo"] = {"frame": self.cells.kind} | ({"nullable": True} if self.cells.nullable else {})
        if self.labels is not None:
            described["labels"] = dict(sorted(self.labels.items()))
        if self.config is not None:
            described["config"] = dict(self.config)
        return described


def _read(values: Any, kind: str, nullable: bool | None) -> Cells:  # noqa: FBT001 - a field of the result
    if kind == "time":
        kind = TIME
    if kind and kind not in FIELD_TYPES:
        raise ValueError(f"there is no kind {kind!r} (known: {', '.join(FIELD_TYPES)})")
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Iterable):
        raise TypeError(f"values must be a list or an array, not {type(values).__name__}")
    given, own_kind = _open(values)
    kind = kind or own_kind or _infer(given)
    if nullable is None:
        nullable = not own_kind or None in given
    elif not nullable and None in given:
        raise ValueError("there is a null, and it says that there is none")
    return _write(given, kind, nullable)


def _open(values: Any) -> tuple[list[Any], str]:
    """The values one by one, and the kind where the array has one."""
    dtype_kind = getattr(getattr(values, "dtype", None), "kind", "")
    if dtype_kind == "M":
        numbers = memoryview(values.astype("datetime64[ns]").view("int64")).tolist()
        return [None if number == NOT_A_TIME else number for number in numbers], TIME
    try:
        lent = memoryview(values)
    except (TypeError, ValueError):
        listed = values.tolist() if hasattr(values, "tolist") else list(values)
        return [_plain(value) for value in listed], ""
    if lent.ndim != 1:
        raise ValueError(f"an array of {lent.ndim} dimensions; a column has one")
    code = lent.format.lstrip("@=")
    if code in "bhilqBHILQ":
        return lent.tolist(), f"{'u' * code.isupper()}int{8 * lent.itemsize}"
    if code in _OF_BUFFER:
        return lent.tolist(), _OF_BUFFER[code]
    return (values.tolist() if hasattr(values, "tolist") else list(values)), ""


def _plain(value: Any) -> Any:
    """NumPy's numbers among others' are what they stand for."""
    return value.item() if hasattr(value, "item") and not isinstance(value, float) else value


def _infer(values: Sequence[Any]) -> str:
    kinds = {_kind_of(value) for value in values if value is not None}
    if kinds <= {"int64", "uint64", "float64"}:
        return "float64" if not kinds or "float64" in kinds else max(kinds)
    if len(kinds) > 1:
        raise TypeError(f"values of several kinds ({', '.join(sorted(kinds))})")
    return kinds.pop()


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int64" if value <= INTEGERS["int64"][1] else "uint64"
        case float():
            return "float64"
        case str():
            return "string"
        case datetime():
            return TIME
        case dict() | list():
            return JSON
    raise TypeError(f"{type(value).__name__} is no value of a frame")


def _write(values: list[Any], kind: str, nullable: bool) -> Cells:  # noqa: FBT001 - a field of the result
    if kind == TIME:
        return _write_times(values, nullable)
    if kind in FLOATS:
        return _write_floats(values, kind, nullable)
    check = {"string": str, "bool": bool}.get(kind)
    for value in values:
        if value is None:
            continue
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise TypeError(f"{value!r} is no {kind}")
        elif check is not None and not isinstance(value, check):
            raise TypeError(f"{value!r} is no {kind}")
    return Cells(kind, nullable, values)


def _write_floats(values: list[Any], kind: str, nullable: bool) -> Cells:  # noqa: FBT001 - as above
    entities: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{value!r} is no {kind}")
        if not math.isfinite(value):
            what = "NaN" if math.isnan(value) else "Inf" if value > 0 else "NegInf"
            entities.setdefault(what, []).append(row)
    if kind == "float32":
        values = [None if value is None else _shortest_float32(value) for value in values]
    if entities:
        values = [None if value is None or not math.isfinite(value) else value for value in values]
    return Cells(kind, nullable, values, entities={key: entities[key] for key in _ENTITIES if key in entities} or None)


_ENTITIES = ("NaN", "Inf", "NegInf")


def _shortest_float32(value: float) -> float:
    """The number with the fewest digits that is the same in 32 bits."""
    if not math.isfinite(value):
        return value
    [wanted] = struct.unpack("f", struct.pack("f", value))
    for digits in range(6, 9):
        short = float(f"{wanted:.{digits}g}")
        if struct.unpack("f", struct.pack("f", short)) == (wanted,):
            return short
    return float(f"{wanted:.9g}")


def _write_times(values: list[Any], nullable: bool) -> Cells:  # noqa: FBT001 - as above
    parts = [None if value is None else divmod(_nanoseconds(value), _NS_PER_MS) for value in values]
    nanos = [0 if part is None else part[1] for part in parts]
    return Cells(TIME, nullable, [None if part is None else part[0] for part in parts], nanos if any(nanos) else None)


def _nanoseconds(value: Any) -> int:
    match value:
        case bool():
            raise TypeError("a truth value is no time")
        case int():
            return value
        case float() if math.isfinite(value):
            return round(value * 1_000_000) * 1_000  # a double does not tell nanoseconds
        case datetime():
            if value.tzinfo is None:
                raise TypeError(f"{value!r} has no time zone: say datetime.now(UTC)")
            since = value - _EPOCH
            return (since // timedelta(microseconds=1)) * 1_000
    raise TypeError(f"{value!r} is no time: datetimes with a zone, integers in nanoseconds, floats in seconds")
