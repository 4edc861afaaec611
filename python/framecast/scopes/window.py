"""The window of a frame channel: what is kept of its past, joined into one frame for a subscriber that begins.

After too long an absence what is left goes out without the schema, unless that grew meanwhile: the shipped panel keeps
the rows it has, and loses its labels over a schema that is sent again.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, UnsetType

from framecast._core import merge_packets
from framecast.channels.encodings import Encodings
from framecast.channels.history import ChannelHistory
from framecast.errors import Refusal

CACHED_BYTES = 16 * 1024 * 1024
"""Frames that are kept for the next subscriber of the same channel: many come at once after a restart of a proxy."""

MAX_ROWS = 2**31


class Extent(msgspec.Struct, frozen=True):
    """How much of the window a client wants: the newest rows, and only what was published lately. None: all of it."""

    rows: Annotated[int, msgspec.Meta(ge=0, lt=MAX_ROWS)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None


def parse_extent(data: bytes | None) -> Extent:
    """Read ``{"rows": 200}`` or ``{"seconds": 60}``, the data of a subscribe command.

    Other keys, and data that is no object, are a client's own and mean nothing here. Refusal 400 for numbers that are
    none, or negative.
    """
    if data is None or not data.lstrip().startswith(b"{"):
        return Extent()
    try:
        return msgspec.json.decode(data, type=Extent)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Bad Request: rows and seconds of the subscribe data must be numbers: {error}") from None


class _Data(msgspec.Struct, frozen=True, omit_defaults=True):
    values: Raw
    nanos: Raw | UnsetType = UNSET


class _Frame(msgspec.Struct, frozen=True):
    data: _Data


class WindowFrames:
    """Makes windows into frames, and keeps the newest ones made."""

    def __init__(self, max_frame_bytes: int, clock: Callable[[], float], *, columns_only_grow: bool = True) -> None:
        """Where `columns_only_grow`, rows from before a change of the schema still fit it; else they are left out."""
        self._columns_only_grow = columns_only_grow
        self._max_frame_bytes = max_frame_bytes
        self._clock = clock
        self._frames = Encodings(CACHED_BYTES)

    def make(self, history: ChannelHistory, extent: Extent, *, with_schema: bool = True) -> bytes | None:
        """The frame of all that is kept, its rows in time order.

        Beyond `extent` and `max_frame_bytes` the oldest rows are left out. None when it would say nothing: no schema
        is wanted, or known, and there are no rows.
        """
        if history.schema is None:
            return None
        packets = history.after(0 if self._columns_only_grow else history.schema_offset - 1)
        if extent.seconds is not None:
            since = self._clock() - extent.seconds
            packets = [kept for kept in packets if kept.received_at >= since]
        if extent.rows == 0:
            packets = []
        if not packets:
            return b'{"schema":' + history.schema + b"}" if with_schema else None
        rows = MAX_ROWS if extent.rows is None else extent.rows
        key = (history.channel, history.position, packets[0].offset, rows, with_schema)
        merge = partial(
            _merge,
            history.schema,
            [_without_entities(kept.data) for kept in packets],
            with_schema=with_schema,
            max_rows=rows,
            max_bytes=self._max_frame_bytes,
        )
        return self._frames.find_or_make(key, merge) or None


def _merge(schema: bytes, payloads: Sequence[bytes], *, with_schema: bool, max_rows: int, max_bytes: int) -> bytes:
    """As `merge_packets`; of frames without a time column, which cannot be put in order, the schema alone."""
    try:
        return merge_packets(schema, payloads, with_schema=with_schema, max_rows=max_rows, max_bytes=max_bytes)
    except ValueError:
        return b'{"schema":%b}' % schema if with_schema else b""


def _without_entities(payload: bytes) -> bytes:
    """The packet with NaN and infinities as the nulls that stand for them: a window has no places of single cells."""
    if b'"entities"' not in payload:
        return payload
    try:
        return msgspec.json.encode(msgspec.json.decode(payload, type=_Frame))
    except msgspec.DecodeError:
        return payload
