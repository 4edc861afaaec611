"""Every limit, size and deadline of the server: one frozen tree, built once at start and passed down.

Sections and keys are named as in Grafana's ini where they mean the same. What fills the tree is configuration/.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from framecast.settings.channels import (
    BUILT_IN_SCOPES,
    CHANNEL_DEFAULTS,
    ChannelOptions,
    ChannelOverrides,
    History,
)
from framecast.settings.units import (
    CONCEALED,
    KIB,
    MIB,
    Guarded,
    Positive,
    Seconds,
    Secret,
    UnlimitedOrCount,
    is_secret,
)

__all__ = [
    "BUILT_IN_SCOPES",
    "CHANNEL_DEFAULTS",
    "CONCEALED",
    "FRAME_FORMATS",
    "KIB",
    "MIB",
    "SECTIONS",
    "ChannelOptions",
    "ChannelOverrides",
    "FrameFormat",
    "History",
    "Live",
    "Log",
    "Positive",
    "Push",
    "Seconds",
    "Secret",
    "Server",
    "Settings",
    "Store",
    "Streams",
    "Tokens",
    "UnlimitedOrCount",
    "is_secret",
]


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the server listens, what it keeps, how it ends."""

    listen: tuple[str, ...] = ("127.0.0.1:8300",)
    """HOST:PORT pairs; port 0 takes a free one."""

    root_url: str = ""
    """How browsers address the server, where a proxy stands between (`https://grafana.example.com/`, with a sub path or
    without): pages from there are its own. As Grafana's."""

    data: str = "data"
    """The directory of what must last. A lock in it keeps a second server off."""

    dev: bool = False
    """No token needed, loopback only. For trying out and for development."""

    shutdown_grace_seconds: Seconds = 10.0
    """How long running requests and closing handshakes may take after SIGTERM."""

    head_bytes: Positive = 16 * KIB
    """Request line and headers of one request, together (hypercorn and nginx: 8 KiB to 64 KiB)."""

    head_seconds: Seconds = 10.0
    """Time for a request head to arrive whole, from its first byte (the first head: from the accept)."""

    keep_alive_seconds: Seconds = 75.0
    """How long a connection may wait for its next request (Telegraf's flush interval is 10 s by default)."""

    max_open_connections: Positive = 15_000
    """TCP connections of all kinds together; further ones wait in the kernel's queue."""

    send_seconds: Seconds = 30.0
    """For a peer to take one answer; a slower one is cut off."""

    linger_seconds: Seconds = 2.0
    """How long a refused connection is read on, so that its peer can read the answer."""

    linger_bytes: Positive = 16 * MIB
    """How much of a refused request is read and thrown away meanwhile."""

    accept_retry_seconds: Seconds = 0.5
    """Between tries to accept while the system has no descriptor or memory left."""


class Live(Guarded, frozen=True, forbid_unknown_fields=True):
    """Subscribers, over WebSockets and HTTP streams (docs/transports.md). Keys as in Grafana's ``[live]``."""

    max_connections: UnlimitedOrCount = 100
    """Subscribers at once; -1 is unlimited, 0 switches Live off. Past it, whoever was not let in yet makes room for the
    next one (3013); where all were, that one is closed with 3504."""

    allowed_origins: tuple[str, ...] = ()
    """Web pages of other origins that may connect: globs over scheme://host:port; `*` alone lets all in."""

    complaint_seconds: Seconds = 60.0
    """One log line about pages that may not connect, and what to set, in this time."""

    message_size_limit: UnlimitedOrCount = MIB
    """Bytes of one message from a client; more closes a WebSocket with 1009 and is 413 in an HTTP request. -1 is
    half of `waiting_bytes` (in Grafana: without limit), 0 the default."""

    waiting_bytes: Positive = 64 * MIB
    """Commands held at once, of all clients together, but for the first 16 KiB of each WebSocket's; past it a request
    is answered 503 and a WebSocket is closed with 3013, after which SDKs come again. Not less than
    `message_size_limit`."""

    max_connections_per_user: UnlimitedOrCount = -1
    """Subscribers at once that are the same user, -1 is unlimited; one more is closed with 3504. Who has no name is
    not counted."""

    max_connections_per_address: UnlimitedOrCount = -1
    """Subscribers at once from one IP address, -1 is unlimited; one more is closed with 3504. Behind a proxy all have
    the proxy's address."""

    queue_bytes: Positive = 4 * MIB
    """Bytes that may wait for one slow subscriber before it is cut off (Grafana: 4 MiB, fixed)."""

    total_queue_bytes: Positive = 256 * MIB
    """Memory for all that waits for subscribers, a message counted once however many it waits for; beyond, those who
    read slowest are cut off."""

    write_seconds: Seconds = 10.0
    """For a subscriber's socket to take at least a byte of what waits for it; then it is cut off (Centrifugo: 1 s,
    which costs a train in a tunnel its connection)."""

    channels_per_client: Positive = 128
    """Subscriptions of one connection (the Centrifuge default); the next one gets error 106."""

    max_channels: Positive = 100_000
    """Channels with a subscriber, all together, existing or not; and as many again on which clients publish."""

    connect_seconds: Seconds = 15.0
    """From the upgrade until the `connect` command; then close 3502."""

    ping_seconds: Annotated[int, Meta(ge=1, le=3600)] = 25
    """Between the server's pings; whole seconds, because the protocol announces them so."""

    pong_seconds: Seconds = 10.0
    """For the client to answer a ping; then close 3012."""

    expired_seconds: Seconds = 25.0
    """After a token ran out, for the client to bring a new one; then the connection is closed with 3005, or the
    subscription is ended."""

    commands_per_second: Annotated[float, Meta(gt=0)] = 1_000.0
    """Of one client, on the average; more wait their turn, and none is lost. 20 publications or presences in an answer
    count as one more."""

    commands_burst: Positive = 2_000
    """Commands of one client that are carried out as fast as they come."""

    command_seconds: Seconds = 10.0
    """For one command to be carried out; then it is answered with error 100."""

    close_seconds: Seconds = 5.0
    """For the closing handshake and what is still queued before the socket is closed."""

    room_seconds: Seconds = 3.0
    """How long a subscription waits until at most a quarter of the subscriber's queue is taken, so that a channel's
    past fits; then it is answered with error 111, and SDKs try again. It waits as long while half of
    `total_queue_bytes` is taken, as when everybody comes back at once, and is served all the same then."""

    ha_engine: Literal["", "redis"] = ""
    """What joins several servers to one; `redis` is refused at the start, because that is not there yet."""

    ha_engine_address: str = "127.0.0.1:6379"
    """Where that engine is. Without an engine this and the next two are read and mean nothing, as in Grafana."""

    ha_engine_password: Secret = ""
    """That engine's password."""

    ha_prefix: str = ""
    """What that engine's keys begin with."""

    @property
    def message_bytes(self) -> int:
        """What `message_size_limit` means: bytes of one message from a client, always a limit."""
        return {-1: self.waiting_bytes // 2, 0: MIB}.get(self.message_size_limit, self.message_size_limit)

    @property
    def room_bytes(self) -> int:
        """A quarter of `queue_bytes`.

        What one past, answer or message may take of a subscriber's queue, and how full that may be when one joins it.
        """
        return self.queue_bytes // 4


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


FrameFormat = Literal["labels_column", "wide", "series"]
FRAME_FORMATS: tuple[FrameFormat, ...] = get_args(FrameFormat)


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


class Store(Struct, frozen=True, forbid_unknown_fields=True):
    """What outlives the server: the database in `server.data`."""

    save_seconds: Seconds = 1.0
    """New columns wait for this long before they are written, so that many are one write; what a kill may cost."""

    retry_seconds: Seconds = 5.0
    """Between tries to write what could not be written."""

    lock_seconds: Seconds = 2.0
    """For another program, a backup for example, to let go of the database; then the write has failed."""

    flush_seconds: Seconds = 5.0
    """At the end, for writing what is left, and again for closing the database."""


class Tokens(Guarded, frozen=True, forbid_unknown_fields=True):
    """JSON Web Tokens of subscribers (tokens.md).

    Switched off until there is a key: a secret, a public key or the URL of a key set. Files are read once, at start.
    """

    hmac_secret: Secret = ""
    """What HS256, HS384 and HS512 tokens are signed with, at least 32 bytes of text (`openssl rand -hex 32`)."""

    rsa_public_key: str = ""
    """For RS256 to RS512 and PS256 to PS512, 2048 bits or more: PEM text (`-----BEGIN …`), or the path of a file."""

    ecdsa_public_key: str = ""
    """For ES256, ES384 or ES512, as its curve (P-256, P-384, P-521) says: PEM text, or the path of a file."""

    jwks_url: str = ""
    """Where a JSON Web Key Set is fetched (https or http): RSA, EC and Ed25519 keys, chosen by a token's `kid`."""

    jwks_seconds: Seconds = 3_600.0
    """A fetched key set is fetched again after this long; before that only for a `kid` that it does not have."""

    jwks_stale_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 86_400.0
    """How much longer the last key set is used while no newer one can be had: withdrawn keys may live so long."""

    jwks_retry_seconds: Seconds = 10.0
    """From the end of a fetch to the begin of the next, whatever clients send."""

    jwks_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 128 * KIB
    """Of one key set; some hundreds of keys."""

    fetch_seconds: Seconds = 5.0
    """For one fetch of the key set, redirects included, and for a client that waits for it."""

    audience: str = ""
    """What a token's `aud` must be or hold; empty: it is not looked at."""

    issuer: str = ""
    """What a token's `iss` must be; empty: it is not looked at."""

    user_claim: Annotated[str, Meta(min_length=1)] = "sub"
    """The claim that is the user's id."""

    leeway_seconds: Annotated[float, Meta(ge=0, le=600)] = 5.0
    """How far the clock of whoever signs tokens may be off: a token is good so much earlier and longer."""

    token_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 16 * KIB
    """Of one token; a longer one is refused unread."""

    info_bytes: Annotated[int, Meta(ge=0, le=MIB)] = 4 * KIB
    """Of `info` in a token, as JSON: it is sent along with everything its user publishes."""

    complaint_seconds: Seconds = 60.0
    """One log line about refused tokens per reason in this time."""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """Structured logs on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important than this is left out."""

    format: Literal["auto", "human", "json"] = "auto"
    """`auto` is human on a terminal and JSON otherwise."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree."""

    server: Server = Server()
    live: Live = Live()
    push: Push = Push()
    streams: Streams = Streams()
    history: History = History()
    channels: Mapping[str, ChannelOverrides] = {}
    """What is set of `ChannelOptions`, by ``scope`` or ``scope/namespace``."""
    store: Store = Store()
    tokens: Tokens = Tokens()
    log: Log = Log()


SECTIONS: dict[str, type[Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "channels"
}
"""All but `channels`, which is a table of sections."""
