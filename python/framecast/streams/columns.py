"""The columns that a channel's schema names; the fields' only, not `labels` and `time` before them."""

import msgspec

from framecast.settings import FrameFormat

_LEADING = {"labels_column": 2, "wide": 1, "series": 1}
_MARK = b'"typeInfo":{'
"""Once in each column. No name holds it, for a quote within one is escaped, and no label: its value is a string."""


class Column(msgspec.Struct, frozen=True):
    """One column; `labels` only where they are no column of their own."""

    name: str
    type: str
    labels: dict[str, str] | None = None


class _Schema(msgspec.Struct):
    fields: list[Column]


def count_columns(schema: bytes, frame_format: FrameFormat) -> int:
    """How many there are, at the price of a search through the text."""
    return schema.count(_MARK) - _LEADING[frame_format]


def read_columns(schema: bytes, frame_format: FrameFormat) -> list[Column]:
    """All of them, in their order."""
    return msgspec.json.decode(schema, type=_Schema).fields[_LEADING[frame_format] :]
