"""A query of a data source, and what is answered to one: frames, an error, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec


class QueryError(Exception):
    """A query that cannot be answered; whoever asked is told why. `status` is as of HTTP."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Query:
    """One query, as a panel asks it."""

    ref_id: str
    """Its name among those that are asked together, ``A``."""

    from_ms: int
    to_ms: int
    """The time range, in milliseconds since 1970, UTC."""

    text: bytes = b"{}"
    """The whole query as it was sent, JSON: whatever the data source's editor keeps in it."""

    query_type: str = ""
    max_data_points: int = 100
    """How many points the panel has room for."""

    interval_ms: int = 1_000
    """Between them."""

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """The query as it was sent, read."""
        return msgspec.json.decode(self.text, type=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one query."""

    frames: tuple[bytes, ...] = ()
    """Frame JSON, schema and data, each on one line."""

    status: int = 200
    error: str = ""
    error_source: str = ""
    """Whose fault it is, ``plugin`` or ``downstream``, where there is an error."""


def failed(message: str, status: int) -> Answered:
    """The answer to a query that the plugin, or this server, could not answer."""
    return Answered((), status, message, "plugin")


class Room:
    """The bytes that the frames of one request may still take, whichever of its queries comes first."""

    def __init__(self, max_bytes: int) -> None:
        self.left = max_bytes

    def take(self, count: int) -> None:
        """Take some. QueryError where they are not there."""
        if count > self.left:
            raise QueryError("the frames are larger than queries.response_bytes: ask for less at once", 413)
        self.left -= count
