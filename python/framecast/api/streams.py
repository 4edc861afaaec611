"""``/api/live/streams``: what becomes of a stream's pushes, for who runs it. Shown is what the caller may know of.

Every answer is bounded by the streams' limits: the list by `streams.max_streams`, a stream by
`streams.max_measurements`. A stream may have a million columns, so their names come for one measurement at a time.
"""

import difflib
import time
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
import trio
from fastapi import Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import may_ask_about_stream, may_see_stream
from framecast.channels.history import ChannelHistory
from framecast.errors import Refusal, printable
from framecast.ingest.push import PUSH_PATH
from framecast.settings import Streams as Limits
from framecast.streams.columns import Column, count_columns, read_columns
from framecast.streams.ledger import LIMITS, Ledger
from framecast.streams.managed import LiveChannel, ManagedStream
from framecast.streams.table import StreamTable

WORK_AT_ONCE_BYTES = 1_000_000
"""Schemas that are looked through before the others get a turn: about a millisecond."""

ROW_BYTES = 2_000
"""What a row of a list is counted as besides: writing it takes as long."""

NAMES_AT_ONCE = 50
COMPARED_CHARACTERS = 40
"""Names that are compared with a misspelt one before the others get a turn, and how much of each: milliseconds."""


class Moment(BaseModel):
    """When something was, by two clocks."""

    seconds_ago: float
    time: str


class Row(BaseModel):
    """A stream in the list."""

    stream: str
    frame_format: str
    measurements_total: int
    columns_total: int
    last_push: Moment | None
    last_minute: dict[str, int]
    rejected_lines: int


class Streams(BaseModel):
    """The list."""

    streams: list[Row]


class Stream(BaseModel):
    """One stream's page."""

    stream: str
    frame_format: str
    began: Moment | None
    last_push: Moment | None
    totals: dict[str, int]
    mismatches: dict[str, Any] | None
    rejected_lines_by_reason: dict[str, int]
    refused_pushes_by_reason: dict[str, int]
    last_minute: dict[str, int]
    limits: dict[str, Any]
    limits_met: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    measurements: list[dict[str, Any]]


async def list_streams(request: Request) -> Response:
    """The streams that the caller may know of, one row each, sorted by id."""
    streams, identity = _ask(request)
    clock, pace = Clock(streams.now), Pace()
    rows = []
    for stream in _visible(streams, identity):
        columns = 0
        channels = list(stream.channels.values())
        for channel in channels:
            columns += count_columns(channel.schema, stream.frame_format)
            await pace.count(len(channel.schema))
        rows.append(
            {
                "stream": stream.stream_id,
                "frame_format": stream.frame_format,
                "measurements_total": len(channels),
                "columns_total": columns,
                "last_push": clock.tell(stream.ledger.pushed_at),
                "last_minute": _rates(stream.ledger, clock),
                "rejected_lines": stream.ledger.rejected_lines.total(),
            }
        )
    return _answer({"streams": rows})


async def show_stream(
    request: Request,
    stream_id: Annotated[str, Path(alias="stream")],
    wanted: Annotated[str, Query(alias="measurement", description="Its columns are listed as well.")] = "",
) -> Response:
    """Everything about one stream: what becomes of its pushes.

    404 says why there is none, or what it may be called.
    """
    streams, identity = _ask(request)
    stream = streams.find(identity.org_id, stream_id)
    seen = stream is not None and _sees(identity, stream)
    if not seen and not may_ask_about_stream(identity, stream_id):
        raise Refusal(403, f"Forbidden: your token has no list that holds the stream '{printable(stream_id)}'")
    if stream is None or not seen:  # who may not see it must not be able to tell the two apart
        raise Refusal(404, await _explain_absence(streams, identity, stream_id))
    clock = Clock(streams.now)
    ledger = stream.ledger
    shown = {path: channel for path, channel in stream.channels.items() if wanted in {"", name_of(path)}}
    if not shown:
        names = [name_of(path) for path in stream.channels]
        message = f"stream {stream_id!r} has no measurement '{printable(wanted)}'" + await _suggest(wanted, names)
        raise Refusal(404, message)
    used, measurements = await _describe_measurements(streams, stream, shown, clock, columns=bool(wanted))
    return _answer(
        {
            "stream": stream_id,
            "frame_format": stream.frame_format,
            "began": clock.tell(ledger.began_at),
            "last_push": clock.tell(ledger.pushed_at),
            "totals": {
                "pushes": ledger.pushes,
                "refused_pushes": ledger.refused_pushes.total(),
                "bytes": ledger.pushed_bytes,
                "accepted_lines": ledger.accepted_lines,
                "rejected_lines": ledger.rejected_lines.total(),
                "mismatched_values": ledger.mismatched_values,
                "late_rows": ledger.late_rows,
            },
            "mismatches": _describe_mismatches(ledger, clock),
            "rejected_lines_by_reason": dict(ledger.rejected_lines),
            "refused_pushes_by_reason": dict(ledger.refused_pushes),
            "last_minute": _rates(ledger, clock),
            "limits": _describe_limits(streams.limits, len(stream.channels), used),
            "limits_met": _describe_limits_met(ledger, clock),
            "errors": _describe_errors(ledger, clock),
            "measurements": measurements,
        }
    )


class Clock:
    """One moment, by the streams' clock and by the wall's: what was then is told by both."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._wall = time.time()

    @property
    def second(self) -> int:
        """The moment, as rates count."""
        return int(self._now)

    def tell(self, at: float | None) -> dict[str, Any] | None:
        """Seconds ago, and RFC 3339; None for what never was."""
        if at is None:
            return None
        ago = max(0.0, self._now - at)
        when = datetime.fromtimestamp(self._wall - ago, UTC).isoformat(timespec="milliseconds")
        return {"seconds_ago": round(ago, 3), "time": when.replace("+00:00", "Z")}


class Pace:
    """Gives the others a turn now and then during a long answer."""

    def __init__(self) -> None:
        self._bytes = 0

    async def count(self, schema_bytes: int) -> None:
        """Count a row, and the schema that was looked through for it."""
        self._bytes += ROW_BYTES + schema_bytes
        if self._bytes >= WORK_AT_ONCE_BYTES:
            self._bytes = 0
            await trio.lowlevel.checkpoint()


def name_of(path: str) -> str:
    """The measurement's own name, from its channel's path (``disk=20io`` is ``disk io``)."""
    return unquote(path.replace("=", "%"))


def _ask(request: Request) -> tuple[StreamTable, Identity]:
    return request.app.state.streams, request.state.identity


def _visible(streams: StreamTable, identity: Identity) -> list[ManagedStream]:
    """Those of the caller's org that it may know of."""
    return [stream for stream in streams.list_streams(identity.org_id) if _sees(identity, stream)]


def _sees(identity: Identity, stream: ManagedStream) -> bool:
    channels = (str(channel.address) for channel in stream.channels.values())
    return may_see_stream(identity, stream.stream_id, channels)


def _answer(document: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _rates(ledger: Ledger, clock: Clock) -> dict[str, int]:
    now = clock.second
    return {
        "pushes": ledger.push_rate.total(now),
        "bytes": ledger.byte_rate.total(now),
        "accepted_lines": ledger.accepted_rate.total(now),
        "rejected_lines": ledger.rejected_rate.total(now),
    }


async def _describe_measurements(
    streams: StreamTable, stream: ManagedStream, shown: dict[str, LiveChannel], clock: Clock, *, columns: bool
) -> tuple[tuple[str, int], list[dict[str, Any]]]:
    """The measurement of the stream that has the most columns, with their number; and the rows to show, by name."""
    rows = []
    widest = ("", 0)
    pace = Pace()
    for path, channel in sorted(stream.channels.items()):
        count = count_columns(channel.schema, stream.frame_format)
        widest = max(widest, (name_of(path), count), key=lambda pair: pair[1])
        if path in shown:
            row: dict[str, Any] = {
                "measurement": name_of(path),
                "channel": str(channel.address),
                "columns_total": count,
                "minute_rate": channel.rate.total(clock.second),
                "subscribers": streams.subscriber_count(channel),
                "last_published": clock.tell(channel.rate.newest_seconds),
                "kept": _describe_past(streams.history(channel)),
            }
            if columns:
                row["columns"] = [_describe_column(one) for one in read_columns(channel.schema, stream.frame_format)]
            rows.append(row)
        await pace.count(len(channel.schema))
    return widest, rows


def _describe_mismatches(ledger: Ledger, clock: Clock) -> dict[str, Any] | None:
    last = clock.tell(ledger.mismatched_at)
    return None if last is None else {"last": last, "columns": ledger.mismatches}


def _describe_past(history: ChannelHistory | None) -> dict[str, int]:
    if history is None:
        return {"publications": 0, "rows": 0, "bytes": 0}
    return {"publications": history.publication_count, "rows": history.rows, "bytes": history.bytes}


def _describe_column(column: Column) -> dict[str, Any]:
    described: dict[str, Any] = {"name": column.name, "type": column.type}
    return described if column.labels is None else {**described, "labels": column.labels}


def _describe_limits(limits: Limits, measurements: int, widest: tuple[str, int]) -> dict[str, dict[str, Any]]:
    measurement, columns = widest
    return {
        "streams.max_measurements": {"limit": limits.max_measurements, "used": measurements},
        "streams.max_columns": {"limit": limits.max_columns, "used": columns, "measurement": measurement},
        "streams.packet_bytes": {"limit": limits.packet_bytes},
        "streams.output_bytes": {"limit": limits.output_bytes},
    }


def _describe_limits_met(ledger: Ledger, clock: Clock) -> list[dict[str, Any]]:
    """The last met first; the limit is null where it is fixed."""
    met = sorted(ledger.last_met.items(), key=lambda pair: -pair[1])
    return [
        {"limit": LIMITS[reason], "reason": reason, "times": ledger.times_met(reason), "last": clock.tell(at)}
        for reason, at in met
    ]


def _describe_errors(ledger: Ledger, clock: Clock) -> list[dict[str, Any]]:
    return [
        {
            **(clock.tell(error.at) or {}),
            "line": error.line,
            "column": error.column,
            "reason": error.reason,
            "message": error.message,
        }
        for error in ledger.errors
    ]


async def _explain_absence(streams: StreamTable, identity: Identity, stream_id: str) -> str:
    sentence = f"there is no stream '{printable(stream_id)}'"
    error = streams.find_unbegun(identity.org_id, stream_id)
    if error is not None:
        ago = streams.now - error.at
        return (
            f"{sentence}: it begins with its first accepted line, and nothing was accepted of the last push to it, "
            f"{ago:.0f} s ago: {error.message}"
        )
    close = await _suggest(stream_id, [stream.stream_id for stream in _visible(streams, identity)])
    return f"{sentence}{close} A stream begins with the first good line pushed to it: POST {PUSH_PATH}<stream id>"


async def _suggest(word: str, names: list[str]) -> str:
    """What else it may be called: the end of a sentence."""
    word = word[:COMPARED_CHARACTERS]
    close: list[str] = []
    for start in range(0, len(names), NAMES_AT_ONCE):
        some = {name[:COMPARED_CHARACTERS]: name for name in [*close, *names[start : start + NAMES_AT_ONCE]]}
        close = [some[found] for found in difflib.get_close_matches(word, some, n=3)]
        await trio.lowlevel.checkpoint()
    if not close:
        return "."
    return "; did you mean " + " or ".join(f"'{printable(name)}'" for name in close) + "?"
