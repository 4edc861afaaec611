"""What is pushed, and the streams that it becomes."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds

FrameFormat = Literal["labels_column", "wide", "series"]
FRAME_FORMATS: tuple[FrameFormat, ...] = get_args(FrameFormat)


class Push(Struct, frozen=True, forbid_unknown_fields=True):
    """Pushed metrics, ``/api/live/push/{stream}``, over HTTP and WebSocket."""

    body_bytes: Positive = 32 * MIB
    """One request body or WebSocket message, after decompression."""

    body_seconds: Seconds = 60.0
    """For one request body or WebSocket message to arrive whole; sixty times more than Telegraf's own patience."""

    max_sockets: Positive = 10_000
    """Push WebSockets at once."""

    ping_seconds: Seconds = 20.0
    """Between pings on a push socket; Telegraf closes after 30 s of silence."""

    silence_seconds: Seconds = 90.0
    """A push socket from which not one byte came for this long is closed."""

    thread_body_bytes: Positive = 64 * KIB
    """Bodies from this size on are parsed in a worker thread."""

    catch_up_seconds: Seconds = 0.05
    """For so long at most a body of that size waits until what came before it was offered to its subscribers: a sender
    at full speed takes no processor that is needed to write to them."""

    parser_threads: Annotated[int, Meta(ge=1, le=64)] = 2
    """Worker threads for parsing and inflating."""

    report_lines: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Rejected lines that one report lists at most."""

    json_lines_bytes: Positive = 64 * MIB
    """Line protocol that one JSON body may become; rows beyond it are refused. A frame repeats its labels in every
    row. So much of `waiting_bytes` is held while a large body is read."""

    waiting_bytes: Positive = 256 * MIB
    """Bodies held at once by all senders together; past it a push is answered 503. Not less than `body_bytes`."""

    gzip_members: Positive = 1_000
    """Members of one gzip body (block-wise compressors write one per 64 KiB); more is an attack."""

    close_seconds: Seconds = 5.0
    """For a push socket's closing handshake; what arrives meanwhile is still pushed."""

    complaint_seconds: Seconds = 60.0
    """One log line about bad pushes per stream in this time."""

    complaint_lines: Positive = 10
    """Such lines in this time for all streams together; then how many more streams there were, in one line."""

    complaint_streams: Positive = 1_000
    """Streams whose last complaint is remembered; beyond, the oldest is forgotten."""


class Streams(Struct, frozen=True, forbid_unknown_fields=True):
    """Managed streams, ``stream/{id}/{measurement}``."""

    max_streams: Positive = 1_000
    """Streams at once; a push that would begin another is refused."""

    idle_seconds: Seconds = 21_600.0
    """A stream that was neither pushed to nor watched for this long is forgotten, columns and all."""

    evict_seconds: Seconds = 60.0
    """With `max_streams` there, the longest idle one makes room for a new one, if it was idle for this long."""

    max_measurements: Positive = 1_000
    """Measurements (channels) of one stream."""

    schemas_bytes: Positive = 128 * MIB
    """Schemas of all streams together: names and labels of columns, which stay. A stream may have 16 MiB of it while
    there is room, and always an equal share, `max_streams` being there; a line that would bring more is refused."""

    series_bytes: Positive = 128 * MIB
    """Spellings of series that all streams remember, to read them faster; of one stream 8 MiB, and an equal share."""

    max_columns: Positive = 1_024
    """Columns of one measurement; a line that would bring one more is refused."""

    packet_bytes: Annotated[int, Meta(ge=4 * KIB)] = MIB
    """A packet that would be larger is split by rows, so that it fits subscribers' queues; a line whose row or schema
    alone is larger is refused."""

    output_bytes: Positive = 64 * MIB
    """Frame JSON that one push may become; sparse lines on a wide measurement grow much on the way."""

    error_bytes: Positive = 8 * MIB
    """The newest errors of all streams together, for their pages: each has an equal share, `max_streams` being there,
    and at most 20."""

    unbegun_streams: Positive = 200
    """Ids without a stream whose last refused push is remembered, to tell why there is none."""

    frame_format: FrameFormat = "labels_column"
    """Of streams whose first accepted push names none with `gf_live_frame_format`; see docs/frames.md."""
