"""Data frames as a plugin makes them, of columns, rows or tables, and as subscribers get them: Grafana's frame JSON."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from framecast.plugins.columns import Column, FrameError

FrameData = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A value or a list of values by column, or a list of rows."""

_NS_PER = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_ARROW_KINDS = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    **dict.fromkeys(("string", "large_string", "string_view"), "string"),
}


class Frame:
    """Columns of equal length under one schema."""

    def __init__(
        self, columns: Iterable[Column], *, name: str = "", ref_id: str = "", meta: Mapping[str, Any] | None = None
    ) -> None:
        """FrameError where the columns are not equally long."""
        self.columns = tuple(columns)
        self.name = name
        self.ref_id = ref_id
        self.meta = meta
        lengths = {len(column) for column in self.columns}
        if len(lengths) > 1:
            told = ", ".join(f"{column.name!r}: {len(column)}" for column in self.columns)
            raise FrameError(f"columns of different lengths: {told}")
        self.rows = lengths.pop() if lengths else 0

    @classmethod
    def of(cls, data: Any, *, name: str = "") -> "Frame":
        """A frame of a dict of columns (or of one row's values), a list of dicts, or a table of pyarrow's.

        Also of whatever lends itself as one (``__arrow_c_stream__``), where pyarrow is installed.
        """
        return cls(columns_of(data), name=name)

    @cached_property
    def schema(self) -> bytes:
        """The schema alone, as JSON."""
        described: dict[str, Any] = {}
        if self.name:
            described["name"] = self.name
        if self.ref_id:
            described["refId"] = self.ref_id
        if self.meta is not None:
            described["meta"] = {"typeVersion": [0, 0], **self.meta}
        described["fields"] = [column.describe() for column in self.columns]
        return _encode(described)

    @cached_property
    def data(self) -> bytes:
        """The values alone, as JSON."""
        cells = [column.cells for column in self.columns]
        data: dict[str, Any] = {"values": [one.values for one in cells]}
        if any(one.entities for one in cells):
            data["entities"] = [one.entities for one in cells]
        if any(one.nanos for one in cells):
            data["nanos"] = [one.nanos for one in cells]
        return _encode(data)

    @property
    def whole(self) -> bytes:
        """Schema and values, as a packet."""
        return b'{"schema":%b,"data":%b}' % (self.schema, self.data)

    @property
    def schema_only(self) -> bytes:
        """The schema, as a packet: what a subscriber begins with that is to see no values yet."""
        return b'{"schema":%b}' % self.schema

    @property
    def data_only(self) -> bytes:
        """The values, as a packet."""
        return b'{"data":%b}' % self.data


def columns_of(data: Any) -> list[Column]:
    """The columns of whatever `Frame.of` takes. FrameError for anything else."""
    if isinstance(data, Mapping):
        return [Column(name, values if _is_listed(values) else [values]) for name, values in data.items()]
    if isinstance(data, list | tuple):
        if not all(isinstance(row, Mapping) for row in data):
            raise FrameError("a list must hold rows, each a dict")
        names = dict.fromkeys(name for row in data for name in row)
        return [Column(name, [row.get(name) for row in data]) for name in names]
    return _columns_of_table(data)


def _is_listed(values: Any) -> bool:
    """Whether it is a column's values, and not the one value of its one row."""
    return not isinstance(values, str | bytes | Mapping) and hasattr(values, "__len__")


def _columns_of_table(table: Any) -> list[Column]:
    if not (hasattr(table, "schema") and hasattr(table, "column")):
        table = _as_pyarrow(table)
    return [_arrow_column(name, table.column(at)) for at, name in enumerate(table.schema.names)]


def _as_pyarrow(lender: Any) -> Any:
    if not hasattr(lender, "__arrow_c_stream__"):
        raise FrameError(f"no frame can be made of {type(lender).__name__}: give columns, rows or an Arrow table")
    try:
        import pyarrow as pa  # noqa: PLC0415 - whoever lends Arrow may have it
    except ImportError:
        raise FrameError(f"{type(lender).__name__} can be read where pyarrow is installed only") from None
    return pa.table(lender)


def _arrow_column(name: str, column: Any) -> Column:
    unit = getattr(column.type, "unit", "")
    if str(column.type).startswith("timestamp"):
        times = column.cast("int64").to_pylist()
        values = [None if one is None else one * _NS_PER[unit] for one in times]
        return Column(name, values, "time.Time", nullable=True)
    return Column(name, column.to_pylist(), _ARROW_KINDS.get(str(column.type), ""), nullable=True)


def _encode(what: Any) -> bytes:
    try:
        return msgspec.json.encode(what)
    except (TypeError, ValueError) as error:
        raise FrameError(f"cannot be written as JSON: {error}") from None
