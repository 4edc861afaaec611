"""The compiled core: line protocol to frames, and frame fan-out. See rust/src/lib.rs for its map."""

from collections.abc import Sequence
from typing import Literal, TypedDict, final, type_check_only

__all__ = [
    "Broken",
    "Closed",
    "Event",
    "Fanout",
    "FanoutStatistics",
    "FrameReader",
    "JsonLines",
    "Load",
    "Packet",
    "Pinged",
    "PushResult",
    "Rejection",
    "Restored",
    "StreamParser",
    "TlsServer",
    "TlsSession",
    "arrow_to_frame",
    "build_info",
    "close_frame",
    "describe_points",
    "json_to_lines",
    "merge_packets",
    "ping_frame",
    "pong_frame",
    "text_frame",
]

@type_check_only
class BuildInfo(TypedDict):
    """What the compiled core was built from and for."""

    commit: str
    source_hash: str
    profile: str
    cpu_features: list[str]

def build_info() -> BuildInfo:
    """Commit, source hash, profile (``release`` or ``debug``) and CPU features of this build."""

def describe_points(body: bytes, precision: str) -> bytes:
    """Parse `body` on its own and return what it holds as one JSON object (the shape of the cases in tests/data).

    ``{"points": [...]}`` when every line was good, else
    ``{"error": true, "line": n, "column": n, "reason": s, "message": s, "rejections": [...], "points_ok": [...]}``
    with the first bad line's place, every rejection and the points of the good lines.
    A point is ``{"measurement": s, "tags": [[k, v]], "fields": [[k, type, value]], "time_ns": s | null}``;
    numbers are decimal strings. `precision` is ``ns``, ``us``, ``ms``, ``s``, ``m``, ``h`` or ``auto`` (each
    timestamp's own, by its size); anything else is a ValueError.
    Releases the GIL.
    """

def json_to_lines(
    body: bytes,
    measurement: str,
    *,
    newline_delimited: bool,
    time_key: str | None,
    tag_keys: set[str],
    precision: str,
    max_output_bytes: int,
    max_rejections: int,
) -> JsonLines:
    """Turn JSON into line protocol of one measurement: an object is a line, a data frame's row a line or several.

    The body is one value, several behind one another, or arrays of them; with `newline_delimited` each line is JSON of
    its own, and a bad one costs that row alone. `time_key` names the key of an object's time, None is ``time`` or
    else ``timestamp``, empty is none; a time that is a number has the unit `precision`, as in `describe_points`.
    `tag_keys` are labels. docs/json.md says what becomes of which value.

    A row that cannot be stored is in the result's `rejections`. At most `max_output_bytes` are written; what was
    written of refused rows counts. ValueError, with line and column where there is one and what to do, for a body that
    is no JSON, for a `measurement` that line protocol cannot name and for an unknown precision. Releases the GIL.
    """

@final
class JsonLines:
    """What a JSON body became. Its rows count from 1: objects, and rows of frames, in the order of the body."""

    @property
    def lines(self) -> bytes:
        """Line protocol with times in nanoseconds; of it only a stream's limits can cost a line."""

    @property
    def rejected(self) -> int:
        """Rows that became no line; `rejections` holds the first of them."""

    @property
    def rejections(self) -> list[Rejection]:
        """`line` is the row's number, `column` always 1."""

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were refused for each reason."""

    def find_row(self, line: int) -> int:
        """The row that a physical line of `lines` came from."""

@final
class Rejection:
    """One refused line of a pushed body. `line` and `column` count from 1, `column` in bytes of that line."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def reason(self) -> str:
        """One of a small fixed set of words (``missing_value``, ``open_quote``, ...), fit to be a metric's label."""

    @property
    def message(self) -> str:
        """What is wrong and what to do, for a person; text of the sender in it is escaped and cut."""

@final
class Packet:
    """The rows of one push that belong to one measurement, ready to publish."""

    @property
    def measurement(self) -> str:
        """The true name, as the sender wrote it."""

    @property
    def path(self) -> str:
        """The name as the last part of a channel: letters, digits, ``_ - .`` and single inner slashes stay, every
        other byte is ``=XX`` (``app gauge`` is ``app=20gauge``)."""

    @property
    def payload(self) -> bytes:
        """The frame as JSON: ``{"schema":…,"data":…}`` when the schema is new or grew, else ``{"data":…}``."""

    @property
    def schema(self) -> bytes | None:
        """The whole schema as JSON when it is new or grew, else None."""

    @property
    def rows(self) -> int:
        """Rows of the frame: times and tags with a labels column, times without one."""

@final
class PushResult:
    """What became of one pushed body."""

    @property
    def accepted(self) -> int:
        """Lines that became rows, or parts of one."""

    @property
    def rejected(self) -> int:
        """Lines that were refused; `rejections` holds the first of them."""

    @property
    def rejections(self) -> list[Rejection]: ...
    @property
    def reasons(self) -> dict[str, int]:
        """How many lines were refused for each reason (all of them, not only those in `rejections`)."""

    @property
    def mismatched(self) -> int:
        """Cells of accepted lines whose value did not fit their column's type.

        They are null, or in a string column the value's text. A column's first value settles its type. Cells that a
        later line of the push replaced are not counted.
        """

    @property
    def mismatches(self) -> list[str]:
        """A sentence about each of the first columns that had such a cell, at most `max_rejections`; text of the sender
        in it is escaped and cut.

        ``measurement "cpu", field "idle" of {"host":"a"}: text where the column holds numbers; null instead``
        """

    @property
    def late(self) -> int:
        """Rows of the frames (as `Packet.rows` counts them) that are older than the newest row which their measurement
        had before this push. They are in the packets like all others."""

    @property
    def packets(self) -> list[Packet]:
        """In the order in which their measurements first appear; a measurement's packets in row order.

        Rows are in time order, equal times in the order of the body, also across the packets of a measurement.
        Lines of one time and the same tags are one row, without a labels column all lines of one time; the last value
        of a cell counts. With a labels column, lines whose row would be too large for a packet are several rows.
        """

@final
class Restored:
    """A measurement whose columns are back."""

    @property
    def measurement(self) -> str:
        """The true name, as the sender wrote it."""

    @property
    def path(self) -> str:
        """The name as the last part of a channel, as a packet's."""

    @property
    def schema(self) -> bytes:
        """The whole schema as JSON, byte for byte what the last packet with a schema carried."""

@final
class StreamParser:
    """Turns the pushed bodies of one stream into frames; lives as long as the stream.

    Keeps, per measurement, an append-only column list (the schema is sent once and again only when it grew; that
    integers become floats, counts as growing) and bounded caches. Not for two threads at once: a push must return
    before the next begins (RuntimeError).
    """

    def __new__(
        cls,
        *,
        max_measurements: int,
        max_columns: int,
        max_path_bytes: int,
        max_packet_bytes: int,
        max_push_output_bytes: int,
        max_rejections: int,
        format: str,  # noqa: A002 - a stub's name must be the core's
    ) -> StreamParser:
        """Take the limits and the frame format; ValueError for an unknown format.

        ``labels_column`` frames have the columns `labels` and `time` and one per field key, and a row per time and
        tags.
        ``wide`` frames have `time` and one column per field key and set of tags, which are the column's `labels`, and a
        row per time. ``series`` frames are wide ones whose column names are unique: ``usage{cpu=cpu0, host=a}``, a
        backslash before each ``,`` ``=`` ``{`` ``}`` and backslash of a key or value, the field key alone without tags
        (``time{}`` for a field of that name); `config.displayNameFromDS` is the same for a person.

        Without a labels column a column of numbers is int64 in the schema while all its values were integers that
        fit, and float64 from the first other number of an accepted line on. With one it is float64 from the beginning.

        A line whose measurement or field would exceed `max_measurements` or `max_columns` is refused and the others
        are kept; `labels` and `time` do not count as columns. So is one whose measurement's path would be longer than
        `max_path_bytes`. A packet that would exceed `max_packet_bytes` is split by rows. A line is refused whose row
        alone would exceed it, or make an earlier row of the push exceed it by new columns (``row_limit``), and one
        that would bring its measurement's schema past it (``schema_limit``). A value that is replaced by a later line
        of its time counts all the same. So a schema and any packet without one are at most twice `max_packet_bytes`
        together, and a packet that carries its schema is no larger. A line that would bring the frames of its push
        past `max_push_output_bytes` is refused (``output_limit``): few bytes in can be many out, because a row has a
        null for every column that it lacks. That is counted before the split, whose repeated brackets (8 bytes a
        column and packet) are not. `rejections` lists at most `max_rejections` lines, `mismatches` as many columns.
        """

    def push(self, body: bytes, received_ns: int, precision: str) -> PushResult:
        """Parse one body. Points without a timestamp get `received_ns` (ns since 1970). Releases the GIL.

        Never raises for what is in the body: bad lines are in the result. ValueError for an unknown precision.
        """

    def allow(self, *, schemas_bytes: int, series_bytes: int) -> None:
        """Set what may be held beside rows from now on: all schemas together (16 MiB without this), and the remembered
        spellings of series (8 MiB). A line that would bring the schemas past it is refused (``schemas_limit``); what is
        held already stays. The memory of series starts over when it is full.
        """

    @property
    def schemas_bytes(self) -> int:
        """What the schemas of all measurements take together, at most."""

    @property
    def series_bytes(self) -> int:
        """What the remembered spellings of series take."""

    def measurements(self) -> list[str]:
        """The measurements seen so far, in order of first appearance."""

    def columns(self, path: str) -> bytes:
        """All columns of the measurement with that path, as JSON for `restore` and nobody else.

        KeyError when there is none. Never longer than `max_packet_bytes`.
        """

    def restore(self, columns: bytes) -> Restored:
        """Bring a measurement back with what `columns` returned in another life; nothing was pushed to it yet.

        Names, order, labels and types of the columns are what they were, and count as sent: the next packet has no
        schema unless a column is added. ValueError, and nothing is kept, when the text is not of `columns`, is of
        another frame format, or is past a limit that was higher then.
        """

def merge_packets(
    schema: bytes, payloads: Sequence[bytes], *, with_schema: bool, max_rows: int, max_bytes: int
) -> bytes:
    """Make one frame of several packets of one channel: the window that a new subscriber begins with.

    `payloads` are frames as `StreamParser` writes them, in the order of their publication; `schema` is the channel's
    whole schema now. Columns are matched by position: an earlier payload may have fewer, and its rows get null there.
    Rows are in time order with the nanosecond remainders, rows of one time in the order of publication and never
    merged. A time cell that is no whole number comes before all times. Every other value is copied as it is written.

    Only the newest `max_rows` rows are kept, and of them as many as fit `max_bytes` without the schema, that is as
    ``{"data":…}``; the schema with its key and comma comes on top. ``nanos`` is there if a row that is kept has one.
    No rows at all give ``{"schema":…}``, or without the schema an empty list for each column, which may pass
    `max_bytes`: the shipped panel takes the former's columns and ignores the latter.

    A payload is passed over as a whole when it is no frame, has more columns than the schema, columns of unequal
    length or none for the time, a cell that is a list or an object, remainders of another column, or anything in its
    data but ``values`` and ``nanos`` (``entities``, Grafana's places of NaN and infinity, for one).
    ValueError when `schema` has no field of type ``time``, is no JSON or has a raw line break. Releases the GIL.
    """

def arrow_to_frame(file: bytes, *, ref_id: str, max_bytes: int) -> bytes:
    """Turn a data frame as Grafana's backend plugins answer queries, an Arrow file, into frame JSON, on one line.

    What comes out is what Grafana's SDK makes of it (``data.FrameToJSON``), up to spelling: NaN and infinities are
    null, with their places in ``entities``; times are milliseconds, with what those leave out in ``nanos``. A frame
    that has no ``refId`` of its own gets `ref_id`. JSON of the plugin's own (meta, config, ``json.RawMessage``) is
    copied; text that is no UTF-8 is mended with U+FFFD.

    ValueError, with the reason as a sentence, for anything else: bytes that are no Arrow file or lead out of it,
    columns that are nested, compressed, have a dictionary or a type that frames do not have, JSON that is none, more
    than 65,536 fields or batches, and a frame of more than `max_bytes` as JSON. `file` may be hostile: time and memory
    are bounded by its length and `max_bytes`. Releases the GIL.
    """

@final
class Event:
    """Something the writer thread has to say about one connection."""

    @property
    def connection(self) -> int: ...
    @property
    def kind(self) -> str:
        """What happened. After all but the last, nothing is queued any more and the socket was shut down.

        ``overflow``: its queue passed the limit, or was of the longest when all together passed theirs. ``stalled``:
        its socket took nothing for `write_seconds`. ``broken``: the peer is gone. ``released``: the core will never
        touch the descriptor again.
        """

@final
class FanoutStatistics:
    """A frozen look at the fan-out."""

    @property
    def connections(self) -> int: ...
    @property
    def subscriptions(self) -> int:
        """Subscribers of all channels; a connection that was cut counts until it is finished or removed."""

    @property
    def channels(self) -> int: ...
    @property
    def queued_bytes(self) -> int:
        """Bytes in all queues; a message counts in each."""

    @property
    def total_bytes(self) -> int:
        """Memory that waiting messages take; a message counts once."""

    @property
    def deliveries(self) -> int:
        """Publications put into queues since the start; those that wait for the writer to do so count later."""

    @property
    def encodings(self) -> int:
        """Wire forms that publications, joins and leaves were encoded in since the start."""

    @property
    def sent_bytes(self) -> int: ...
    @property
    def send_calls(self) -> int: ...
    @property
    def conflated(self) -> int:
        """Publications put into queues that a newer one took the place of before they were written."""

    @property
    def overflows(self) -> int: ...
    @property
    def stalls(self) -> int: ...

@final
class Fanout:
    """Every outbound byte of the connections it was given: one byte-bounded FIFO each, one writer thread for all.

    No method blocks or waits for a peer; one that finds the writer asleep and few quiet connections to send little to
    makes the system call itself. From `add` until the ``released`` event nobody else may write to, or close,
    the descriptor. All methods may be called from any thread; order is kept per connection among calls of one thread,
    but that publications of different channels may pass each other, and all subscribers of a channel see its
    publications in the same order. Every method releases the GIL.
    Should the writer thread ever fail, every connection gets ``broken`` and ``released``, and `add` raises OSError.
    """

    def __new__(cls, *, max_total_bytes: int, coalesce_seconds: float = 0.0) -> Fanout:
        """Start the writer thread. OSError when the system gives no thread or descriptor.

        What is published, and who joins and leaves, is gathered for `coalesce_seconds` before it is written: then many
        publications for a connection cost one system call. What is sent to one connection does not wait, and takes
        along what waits for it. ValueError for what is no finite number of seconds from 0 on.

        All messages that wait may take `max_total_bytes` together, each counted once however many queues it is in. When
        one more takes it past that, the longest queues of full sockets are cut (``overflow``) until an eighth is free;
        others only if that is not enough.
        """

    @property
    def event_fd(self) -> int:
        """Readable when `take_events` has something; stays the same for the life of the object."""

    def take_events(self) -> list[Event]:
        """Everything that happened since the last call, in order, and make `event_fd` unreadable."""

    def add(
        self,
        fd: int,
        max_queue_bytes: int,
        *,
        protocol: Literal["json", "protobuf"] = "json",
        framing: Literal["websocket", "stream", "sse"] = "websocket",
        unidirectional: bool = False,
        write_seconds: float,
        tls: TlsSession | None = None,
    ) -> int:
        """Take over writing to the stream socket `fd`; return the connection's handle (never reused).

        `protocol` and `framing` say how its peer reads one message: in `websocket` as a text message or, Protobuf, a
        binary one; in `stream` as a line of JSON, or as Protobuf with its length before it; in `sse` as an event
        (JSON only). It is cut (``overflow``) when more than `max_queue_bytes` wait for it, or when so many messages do
        that to keep them takes more than that beside their bytes (96 each, and 64 always may). A `unidirectional`
        peer reads bare pushes where others read replies. When its socket takes not one byte for `write_seconds` while
        something is queued, it is cut (``stalled``).
        Over `tls`, a session whose handshake is over, everything is sealed when its socket takes it, and behind what
        was queued at `finish` its goodbye is said. From now on only the core takes what the session gives out: who has
        it receive something calls `speak` where it `speaks`.
        OSError when `fd` cannot be watched (closed, no socket, added and not released yet) or after `close`;
        ValueError when the two do not go together, or the seconds are no finite number above 0.
        """

    def send(self, connection: int, data: bytes) -> bool:
        """Queue raw bytes. False when the connection is finished, gone, or this put its queue over the limit."""

    def send_message(self, connection: int, payload: bytes) -> bool:
        """Queue `payload`, one message, framed as the connection reads. False as for `send`, and after `leave`.

        A Protobuf message comes with its length before it. Raw line breaks in JSON, which can only be whitespace,
        become blanks.
        """

    def subscribe(
        self,
        connection: int,
        channel: str,
        spelling: str,
        *,
        delta: bool = False,
        events: bool = False,
        detailed: bool = False,
        conflate: bool = False,
    ) -> None:
        """Deliver what is published on `channel` from now on, naming the channel `spelling` to this subscriber.

        With `delta` the first publication comes in full and later ones as Fossil deltas against the one before, where
        that is smaller, both are at most 128 KiB and memory is not short; in JSON `data` is then always a string.
        With `events` it is told who joins and leaves. With `detailed` it gets the detail of a publication that has one,
        and no deltas. With `conflate` it gets no deltas either, and while its socket is full, or all such publications
        that wait for it would take more than `max_queue_bytes`, the newest takes the place of those that wait; one that
        brings a schema is kept until the next that does. Beside one or two of each channel nothing waits then, and that
        does not count in `max_queue_bytes`, unless one alone would pass it.
        Does nothing for a connection that is finished or gone.
        Subscribing again changes what is wanted, and begins anew.
        """

    def unsubscribe(self, connection: int, channel: str) -> None:
        """Stop delivering; what is queued already stays queued. Unknown ones are ignored."""

    def publish(
        self,
        channel: str,
        data: bytes,
        offset: int,
        info: tuple[str, str, bytes, bytes] | None = None,
        *,
        detail: bytes | None = None,
        brings_schema: bool = False,
    ) -> int:
        """Queue one Centrifuge publication push for every subscriber; return how many took it.

        From 64 subscribers on it is the writer that puts it into their queues. Then the answer is for how many it is;
        who is cut before the writer comes by does not get it.

        `data` must be JSON text; it is embedded as it is, but for raw line breaks in JSON, which become blanks.
        `offset` 0 is left out of the push. `info` is who published: user, client, and the JSON of conn_info and
        chan_info, each left out when empty. `detail`, JSON as well, is what `detailed` subscribers get for `data`.
        Encoded once per spelling and way of reading, whatever the number of subscribers (deltas and details count as
        such ways). What comes behind one that `brings_schema` cannot be read without it.
        """

    def announce(self, channel: str, joined: bool, info: tuple[str, str, bytes, bytes]) -> int:
        """Queue a join push, or else a leave push, for the subscribers with `events`; return how many, as in `publish`.

        `info` is who joined or left, as in `publish`.
        """

    def speak(self, connection: int) -> None:
        """Send what the TLS session of this connection has to say itself, if there is something."""

    def leave(self, connection: int) -> None:
        """Leave all channels for good: after what is queued now only `send` adds bytes (a WebSocket Close, say).

        Later `subscribe` and `send_message` do nothing for this connection.
        """

    def finish(self, connection: int) -> None:
        """Take no more for this connection, leave all channels, write out what is queued, then ``released``."""

    def remove(self, connection: int) -> None:
        """Leave all channels, drop what is queued, then ``released``. Also ends a `finish` that takes too long."""

    def find_cut(self, connection: int) -> Literal["overflow", "stalled", "broken"] | None:
        """Why it was cut; None when it was not, or is gone.

        Known before anything follows from it, a refused `send` or the end of the socket; the event comes later.
        """

    def queued_bytes(self, connection: int) -> int:
        """Bytes waiting in this connection's queue; 0 when it is gone."""

    @property
    def at_rest(self) -> bool:
        """Whether the writer has tried to send all that was queued: what waits now, waits for sockets with room."""

    @property
    def waiting_bytes(self) -> int:
        """Memory that waiting messages take of the budget; a message counts once."""

    def statistics(self) -> FanoutStatistics:
        """Counters since the start and the present sizes."""

    def close(self) -> None:
        """Stop the writer thread after one last pass; every connection is released. Idempotent."""

@final
class TlsServer:
    """A certificate with its key, and what is agreed on with who is shown it: TLS 1.2 and 1.3, with HTTP/1.1 inside.

    Clients may resume what they had with it; with another one they begin anew.
    """

    def __new__(cls, certificates: Sequence[bytes], key: bytes, *, oldest: Literal["1.2", "1.3"] = "1.2") -> TlsServer:
        """The server's own of `certificates` (DER) comes first, then those that lead to its issuer. `key` is PKCS #8.

        ValueError when the key is not the certificate's, or of no kind that can be used: RSA from 2048 to 4096 bits,
        P-256, P-384 and Ed25519 can.
        """

    def begin(self) -> TlsSession:
        """The server's side of a connection that was just accepted."""

@final
class TlsSession:
    """One connection's TLS, without its socket. Its methods may be called from any thread, and release the GIL.

    What `seal` and `take_output` return must be sent whole, each once, and in that order: whoever calls them sends what
    they return before anybody calls them again. `Fanout.add` takes a session over, and the duty with it.
    """

    def receive(self, data: bytes) -> bytes:
        """Take in what the peer has sent; return the plaintext that it makes whole. Afterwards it may `speak`.

        ValueError, in words for a log, when the peer breaks the protocol or says that we do; then and from then on.
        """

    def seal(self, data: bytes) -> bytes:
        """Encrypt `data`; return what is to be sent: first what the session had to say itself.

        ValueError before the handshake is over, after `part`, and once `receive` has failed.
        """

    def take_output(self) -> bytes:
        """What is to be sent now; empty where there is nothing."""

    def part(self) -> None:
        """Say goodbye (close_notify), once; `take_output` returns it then. Nothing can be sealed after it."""

    @property
    def speaks(self) -> bool:
        """Whether there is something for `take_output`."""

    @property
    def ended(self) -> bool:
        """Whether the peer has said goodbye: nothing more will be received."""

    @property
    def handshaking(self) -> bool:
        """Whether keys are not agreed on yet."""

    @property
    def protocol(self) -> str | None:
        """What was agreed on (ALPN); None where the client did not ask."""

@final
class Load:
    """A run of the bench's load: subscribers, publishers and posts in threads of their own, without the GIL.

    What is asked for and what was found are JSON, whose shapes are `framecast.cli.bench.plan` and `.findings` here
    and `load/plan.rs` and `load/findings.rs` there. A run that is dropped is stopped.
    """

    def __new__(cls, plan: bytes, bodies: Sequence[bytes] = ...) -> Load:
        """Begin a run; connections post `bodies` in turn.

        ValueError for a plan that cannot be carried out, OSError where the system has no thread for it.
        """

    def progress(self) -> bytes:
        """How far it is."""

    def wait(self, seconds: float) -> bytes | None:
        """Wait for its findings, for so long at most; None while there are none. Releases the GIL.

        OSError where the system had no descriptor or thread for it, or when the load itself broke.
        """

    def stop(self) -> None:
        """End it soon. What was measured so far is found all the same."""

@final
class FrameReader:
    """Reads what the client of one WebSocket sends (RFC 6455), as it arrives. No extension is taken.

    Holds what came of a message, and what was fed and is not read; at rest next to nothing.
    """

    def __new__(cls, *, max_message_bytes: int, free_fragments: int, fragment_bytes: int) -> FrameReader:
        """A message in more than `free_fragments` must have `fragment_bytes` in each, on the average."""

    max_message_bytes: int
    """What is set counts from the next frame on."""

    def feed(self, data: bytes | bytearray) -> None:
        """Take what arrived. RuntimeError while `next_event` still tells of what came before."""

    def next_event(self) -> bytes | Pinged | Closed | Broken | None:
        """A message, text as its bytes, or what a control frame says; None when more must arrive.

        Pongs say nothing. Behind `Closed` and `Broken` nothing is read.
        """

    @property
    def at_rest(self) -> bool:
        """Whether everything that was fed is read, and ended where a message or a frame between two does."""

    @property
    def held_bytes(self) -> int:
        """What came of the message under way, and what is not read yet."""

@final
class Pinged:
    """A ping, to be answered with a pong that holds the same."""

    @property
    def payload(self) -> bytes: ...

@final
class Closed:
    """The client's close."""

    @property
    def code(self) -> int:
        """One that may be sent, or 1005 where it named none."""

    @property
    def reason(self) -> str: ...

@final
class Broken:
    """The client broke the protocol or a limit."""

    @property
    def code(self) -> int:
        """To close with: 1002, 1007 (text that is no UTF-8), 1008 (tiny fragments) or 1009 (too large)."""

    @property
    def reason(self) -> str: ...

def text_frame(text: str) -> bytes:
    """A whole text message as a server sends it."""

def ping_frame() -> bytes:
    """A ping without a payload."""

def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping that held `payload`, of at most 125 bytes."""

def close_frame(code: int, reason: str) -> bytes:
    """A close with as much of `reason` as fits; one without a code for 1005, which stands for that."""
