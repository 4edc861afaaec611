"""What a plugin sends on a channel, looked at just far enough: which part is a frame's schema, which its rows.

Nothing in it is changed. JSON that is no frame is a packet too.
"""

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Raw, UnsetType

from framecast.plugins.columns import FrameError
from framecast.plugins.frames import Frame
from framecast.protocol.payload import without_line_breaks


class _Values(msgspec.Struct, frozen=True):
    values: list[Raw]


class _Parts(msgspec.Struct, frozen=True):
    schema: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


_parts = msgspec.json.Decoder(_Parts)
_values = msgspec.json.Decoder(_Values)
_column = msgspec.json.Decoder(list[Raw])
_skimmer = msgspec.json.Decoder(Raw)


@dataclass(frozen=True, slots=True)
class Packet:
    """One message for a channel."""

    whole: bytes
    """As it was sent, on one line."""

    schema: bytes | None = None
    """The schema of a frame, where it has one."""

    data: bytes | None = None
    """The values of a frame, where it has some."""

    rows: int = 1
    """As histories count them; 1 for a message that is no frame."""

    @property
    def without_schema(self) -> bytes | None:
        """What it says to who knows its schema; None where that is nothing."""
        if self.schema is None:
            return self.whole
        return None if self.data is None else b'{"data":%b}' % self.data


def packet_of(frame: Frame) -> Packet:
    """The frame as a packet."""
    return Packet(frame.whole, frame.schema, frame.data, frame.rows)


def parse_packet(text: bytes) -> Packet:
    """Read JSON that a plugin has written. FrameError for what is none: subscribers get it embedded in theirs."""
    try:
        str(text, "utf-8")  # msgspec checks the encoding only of the strings it keeps
        text = without_line_breaks(bytes(_skimmer.decode(text)))
        if not text.startswith(b"{"):
            return Packet(text)
        parts = _parts.decode(text)
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError) as error:
        raise FrameError(f"a packet must be one JSON value in UTF-8: {error}") from None
    schema = None if isinstance(parts.schema, UnsetType) else bytes(parts.schema)
    data = None if isinstance(parts.data, UnsetType) else bytes(parts.data)
    rows = _count_rows(data)
    if rows is None or (schema is not None and not schema.startswith(b"{")):
        return Packet(text)
    return Packet(text, schema, data, rows)


def _count_rows(data: bytes | None) -> int | None:
    """How many rows; None where that is no frame's data."""
    if data is None:
        return 0
    try:
        values = _values.decode(data).values
        return len(_column.decode(values[0])) if values else 0
    except msgspec.DecodeError:
        return None
