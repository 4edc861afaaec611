"""``framecast parse``: a dry run over line protocol, for people who check a sender, and for test programs."""

import base64
import os
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Literal, cast

import msgspec
from cyclopts import Parameter

from framecast._core import StreamParser, describe_points
from framecast.channels.address import MAX_ADDRESS_BYTES
from framecast.cli.batches import Batch, BatchCutter, LeftOut
from framecast.cli.failure import CommandError
from framecast.cli.frames import format_time
from framecast.cli.rejected import Rejected
from framecast.cli.rows import display_width, terminal_columns
from framecast.cli.source import open_source
from framecast.logs import escape_controls, escape_json
from framecast.settings import Push, Streams

CHUNK_BYTES = 256 * 1024
BATCH_LINES = 1000
REQUEST_BYTES = 64 * 1024 * 1024
NARROWEST_EXCERPT = 40
WIDEST_EXCERPT = 160

Precision = Literal["ns", "us", "ms", "s", "m", "h", "auto"]


def parse(
    file: Annotated[str, Parameter(help="Line protocol; - is stdin.")] = "-",
    /,
    *,
    precision: Annotated[Precision, Parameter(help="The unit of the timestamps.")] = "ns",
    frames: Annotated[bool, Parameter(help="Show the frames that a push would publish.", negative=())] = False,
    batch: Annotated[
        bool, Parameter(help='Answer JSON lines {"id", "input_b64", "precision"} on stdin.', negative=())
    ] = False,
) -> int:
    """Parse line protocol without sending it: one point a line, and where lines are bad, with a caret.

    Exit status 1 when a line is bad.
    """
    try:
        stream = open_source(file)
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from None
    with stream:
        if batch:
            return answer_requests(stream)
        if frames:
            return show_frames(stream, precision)
        return show_points(stream, "stdin" if file == "-" else file, precision)


def show_points(stream: BinaryIO, name: str, precision: Precision) -> int:
    """Print points to stdout as they are read, bad lines to stderr, and a summary."""
    points = bad = 0
    for batch in _batches(stream, name):
        if isinstance(batch, LeftOut):
            bad += 1
            print(f"line {batch.line}, column {batch.column}: {batch.reason}", file=sys.stderr)
            continue
        found = msgspec.json.decode(describe_points(batch.body, precision))
        good = found.get("points_ok", []) if found.get("error") else found["points"]
        rejections = msgspec.convert(found.get("rejections", []), list[Rejected])
        sys.stdout.writelines(f"{describe_point(point)}\n" for point in good)
        points += len(good)
        bad += len(rejections)
        if rejections:
            sys.stdout.flush()
            lines = batch.body.split(b"\n")
            for rejection in rejections:
                line = lines[rejection.line - 1] if 0 < rejection.line <= len(lines) else b""
                print(describe_rejection(rejection, batch.first_line - 1, line), file=sys.stderr)
    sys.stdout.flush()
    verdict = f"{bad:,} bad {'line' if bad == 1 else 'lines'}" if bad else "every line is good"
    print(f"{name}: {points:,} {'point' if points == 1 else 'points'}, {verdict}", file=sys.stderr)
    return 1 if bad else 0


def _batches(stream: BinaryIO, name: str) -> Iterator[Batch | LeftOut]:
    cutter = BatchCutter(name, batch_lines=BATCH_LINES)
    while data := _read(stream, name):
        yield from cutter.feed(data)
        yield from cutter.flush()
    yield from cutter.finish()


def _read(stream: BinaryIO, name: str) -> bytes:
    """What is there, without waiting for more: a pipe's lines are shown as they come."""
    try:
        return os.read(stream.fileno(), CHUNK_BYTES)
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from None


def describe_point(point: dict[str, Any]) -> str:
    """One line: time, measurement and tags, fields with their types."""
    time_ns = point.get("time_ns")
    when = format_time(int(time_ns)) if time_ns is not None else "(no time)"
    tags = ", ".join(f"{key}={value}" for key, value in point["tags"])
    fields = ", ".join(_describe_field(*field) for field in point["fields"])
    series = f"{point['measurement']}{{{tags}}}" if tags else point["measurement"]
    return escape_controls(f"{when}  {series}  {fields}")


def _describe_field(key: str, kind: str, value: object) -> str:
    text = msgspec.json.encode(value).decode() if kind == "string" or isinstance(value, bool) else str(value)
    return f"{key}={text} ({kind})"


def describe_rejection(rejected: Rejected, lines_before: int, line: bytes) -> str:
    """Place and reason, the line, and a caret under the column."""
    place = f"line {rejected.line + lines_before}, column {rejected.column}"
    text = escape_controls(f"{place}: {rejected.words}")
    columns = max(NARROWEST_EXCERPT, min(terminal_columns(), WIDEST_EXCERPT))
    excerpt, caret = mark_column(line, rejected.column, columns)
    return f"{text}\n  {excerpt}\n  {' ' * caret}^"


def mark_column(line: bytes, column: int, columns: int) -> tuple[str, int]:
    """`line` made fit for a terminal, cut to `columns` around byte `column` (from 1), and where the caret belongs."""
    before = [escape_controls(char) for char in line[: column - 1].decode("utf-8", "replace")]
    after = [escape_controls(char) for char in line[column - 1 :].rstrip(b"\r").decode("utf-8", "replace")]
    room = columns - 4
    left: list[str] = []
    width = 0
    for piece in reversed(before):
        width += display_width(piece)
        if width > room // 2:
            break
        left.append(piece)
    head = ("…" if len(left) < len(before) else "") + "".join(reversed(left))
    caret = display_width(head)
    right: list[str] = []
    width = caret
    for piece in after:
        width += display_width(piece)
        if width > room:
            break
        right.append(piece)
    return head + "".join(right) + ("…" if len(right) < len(after) else ""), caret


def show_frames(stream: BinaryIO, precision: Precision) -> int:
    """Print the packets that one push of everything would publish on a new stream."""
    limits, streams = Push(), Streams()
    body = stream.read(limits.body_bytes + 1)
    if len(body) > limits.body_bytes:
        raise CommandError(f"more than one push may hold ({limits.body_bytes:,} bytes)")
    parser = StreamParser(
        max_measurements=streams.max_measurements,
        max_columns=streams.max_columns,
        max_path_bytes=MAX_ADDRESS_BYTES - len("stream/s/"),
        max_packet_bytes=streams.packet_bytes,
        max_push_output_bytes=streams.output_bytes,
        max_rejections=limits.report_lines,
        format=streams.frame_format,
    )
    result = parser.push(body, time.time_ns(), precision)
    for packet in result.packets:
        head = {"measurement": packet.measurement, "rows": packet.rows, "frame": msgspec.Raw(packet.payload)}
        pretty = msgspec.json.format(msgspec.json.encode(head), indent=2).decode()
        print("\n".join(escape_json(line) for line in pretty.split("\n")))
    sys.stdout.flush()
    for rejection in result.rejections:
        print(escape_controls(rejection.message), file=sys.stderr)
    print(f"{result.accepted:,} points, {result.rejected:,} bad lines", file=sys.stderr)
    return 1 if result.rejected else 0


def answer_requests(stream: BinaryIO) -> int:
    """Answer each request line with one line of JSON; a bad request gets an answer too."""
    while line := stream.readline(REQUEST_BYTES):
        answer = answer_request(line)
        while line and not line.endswith(b"\n"):
            line = stream.readline(REQUEST_BYTES)  # the rest of a line that was too long
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()
    return 0


def answer_request(line: bytes) -> bytes:
    """What `describe_points` says about one request, with the request's id; ``"error": true`` for a bad request."""
    identity: Any = None
    try:
        request = msgspec.json.decode(line)
        identity = request.get("id")
        body = base64.b64decode(request["input_b64"], validate=True)
        described = describe_points(body, cast("str", request.get("precision", "ns")))
    except (msgspec.MsgspecError, AttributeError, KeyError, TypeError, ValueError) as error:
        return msgspec.json.encode({"id": identity, "error": True, "message": f"bad request: {error}"})
    return msgspec.json.encode({"id": identity, **msgspec.json.decode(described)})
