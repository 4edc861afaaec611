"""The list of streams and a stream's page, as the server tells them, made into lines for a person. No I/O.

All text in the lines is escaped: names and messages are the senders'.
"""

from collections.abc import Iterable, Sequence

import msgspec

from framecast.cli.rejected import Rejected
from framecast.cli.rows import display_width
from framecast.logs import escape_controls


class Moment(msgspec.Struct, frozen=True):
    """A time, as so long ago."""

    seconds_ago: float


class Rates(msgspec.Struct, frozen=True):
    """Of the last minute."""

    pushes: int
    bytes: int
    accepted_lines: int
    rejected_lines: int


class Listed(msgspec.Struct, frozen=True):
    """A row of the list."""

    stream: str
    frame_format: str
    measurements_total: int
    columns_total: int
    last_minute: Rates
    rejected_lines: int
    last_push: Moment | None = None


class StreamList(msgspec.Struct, frozen=True):
    """The list."""

    streams: list[Listed]


class Totals(msgspec.Struct, frozen=True):
    """Since the stream began."""

    pushes: int
    refused_pushes: int
    bytes: int
    accepted_lines: int
    rejected_lines: int
    mismatched_values: int
    late_rows: int


class Mismatches(msgspec.Struct, frozen=True):
    """Which columns got values of another type, in the last push that had such values."""

    last: Moment
    columns: list[str]


class LimitMet(msgspec.Struct, frozen=True):
    """A limit, by its setting where it is one."""

    reason: str
    times: int
    last: Moment
    limit: str | None = None


class PushError(msgspec.Struct, frozen=True):
    """A refused line, or without a place a push."""

    seconds_ago: float
    reason: str
    message: str
    line: int | None = None
    column: int | None = None


class Column(msgspec.Struct, frozen=True):
    """A column of a measurement."""

    name: str
    type: str
    labels: dict[str, str] = {}


class Measurement(msgspec.Struct, frozen=True):
    """A measurement; `columns` only if it was asked for by name."""

    measurement: str
    channel: str
    columns_total: int
    minute_rate: int
    subscribers: int
    last_published: Moment | None = None
    columns: list[Column] = []


class Page(msgspec.Struct, frozen=True):
    """A stream's page."""

    stream: str
    frame_format: str
    began: Moment
    totals: Totals
    rejected_lines_by_reason: dict[str, int]
    refused_pushes_by_reason: dict[str, int]
    last_minute: Rates
    limits_met: list[LimitMet]
    errors: list[PushError]
    measurements: list[Measurement]
    last_push: Moment | None = None
    mismatches: Mismatches | None = None


def describe_streams(answer: bytes) -> list[str]:
    """The list as lines for a person. DecodeError for what is none."""
    found = msgspec.json.decode(answer, type=StreamList).streams
    if not found:
        return ["no streams; one begins with its first push: framecast push STREAM"]
    head = ("stream", "format", "measurements", "columns", "last push", "lines/min", "refused/min", "refused")
    rows = [
        (
            one.stream,
            one.frame_format,
            f"{one.measurements_total:,}",
            f"{one.columns_total:,}",
            tell(one.last_push),
            f"{one.last_minute.accepted_lines:,}",
            f"{one.last_minute.rejected_lines:,}",
            f"{one.rejected_lines:,}",
        )
        for one in found
    ]
    return align([head, *rows], left=2)


def describe_stream(answer: bytes) -> list[str]:
    """A stream's page as lines for a person. DecodeError for what is none."""
    page = msgspec.json.decode(answer, type=Page)
    totals, minute = page.totals, page.last_minute
    lines = [
        escape_controls(
            f"{page.stream}  {page.frame_format}, since {tell(page.began)}, last push {tell(page.last_push)}"
        ),
        "",
        *align(
            [
                ("", "pushes", "bytes", "lines", "refused lines"),
                _figures("last minute", minute.pushes, minute.bytes, minute.accepted_lines, minute.rejected_lines),
                _figures("in all", totals.pushes, totals.bytes, totals.accepted_lines, totals.rejected_lines),
            ],
            left=1,
        ),
    ]
    if page.rejected_lines_by_reason:
        lines.append(f"refused lines: {_by_reason(page.rejected_lines_by_reason)}")
    if totals.refused_pushes:
        lines.append(f"refused pushes: {_by_reason(page.refused_pushes_by_reason)}")
    if totals.mismatched_values:
        lines.append(f"values of another type than their column: {totals.mismatched_values:,}")
        lines += [f"  {escape_controls(sentence)}" for sentence in page.mismatches.columns] if page.mismatches else []
    if totals.late_rows:
        lines.append(f"rows older than the newest before them: {totals.late_rows:,}")
    if page.limits_met:
        head = ("limit met", "reason", "times", "last")
        rows = [(met.limit or "(fixed)", met.reason, f"{met.times:,}", tell(met.last)) for met in page.limits_met]
        lines += ["", *align([head, *rows], left=2)]
    if page.errors:
        lines += ["", "newest errors", *map(_describe_error, page.errors)]
    return [*lines, "", *_describe_measurements(page.measurements)]


def _figures(label: str, *figures: int) -> tuple[str, ...]:
    return (label, *(f"{figure:,}" for figure in figures))


def _by_reason(counts: dict[str, int]) -> str:
    most_first = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{escape_controls(reason)} {count:,}" for reason, count in most_first)


def _describe_error(error: PushError) -> str:
    place = "push" if error.line is None else f"line {error.line}, column {error.column}"
    words = Rejected(error.line or 0, message=error.message, reason=error.reason).words
    return f"  {_ago(error.seconds_ago)}  {place}: {escape_controls(words)}"


def _describe_measurements(measurements: Sequence[Measurement]) -> list[str]:
    head = ("measurement", "channel", "columns", "published/min", "subscribers", "last")
    rows = [
        (
            one.measurement,
            one.channel,
            f"{one.columns_total:,}",
            f"{one.minute_rate:,}",
            f"{one.subscribers:,}",
            tell(one.last_published),
        )
        for one in measurements
    ]
    columns = [
        (column.name, column.type, " ".join(f"{key}={value}" for key, value in column.labels.items()))
        for one in measurements
        for column in one.columns
    ]
    lines = align([head, *rows], left=2)
    return [*lines, "", *align([("column", "type", "labels"), *columns], left=3)] if columns else lines


def tell(moment: Moment | None) -> str:
    """How long ago, for a person."""
    return "never" if moment is None else _ago(moment.seconds_ago)


def _ago(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    minutes, hours = seconds / 60, seconds / 3_600
    if minutes < 60:
        return f"{minutes:.0f} min ago"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} d ago"


def align(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Rows as lines with their cells in columns; the first `left` to the left, the others to the right."""
    cells = [[escape_controls(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(_pad(row, widths, left)).rstrip() for row in cells]


def _pad(row: Iterable[str], widths: Iterable[int], left: int) -> Iterable[str]:
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        gap = " " * (width - display_width(cell))
        yield cell + gap if index < left else gap + cell
