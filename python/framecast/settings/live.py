"""Subscribers: how many, how much, how long."""

from typing import Annotated, Literal

from msgspec import Meta

from framecast.settings.units import MIB, Guarded, Positive, Seconds, Secret, UnlimitedOrCount


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
    """Subscribers at once from one IP address, -1 is unlimited; one more is closed with 3504. Behind a proxy that
    `proxy.addresses` does not name, all have its address."""

    queue_bytes: Positive = 4 * MIB
    """Bytes that may wait for one slow subscriber before it is cut off (Grafana: 4 MiB, fixed). To keep their
    messages, 96 bytes for each however short it is, may take as much again: that cuts whose messages are tiny."""

    total_queue_bytes: Positive = 256 * MIB
    """Memory for all that waits for subscribers, a message counted once however many it waits for; beyond, those who
    read slowest are cut off."""

    coalesce_ms: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    """Milliseconds for which publications are gathered before they are written, so that many for one subscriber cost
    one system call: less CPU where each hears much, and this much more latency at most. Replies do not wait, and take
    along what does. 0 writes at once, and still joins what comes faster than it can be written."""

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
    def coalesce_seconds(self) -> float:
        """`coalesce_ms` in seconds."""
        return self.coalesce_ms / 1_000

    @property
    def room_bytes(self) -> int:
        """A quarter of `queue_bytes`.

        What one past, answer or message may take of a subscriber's queue, and how full that may be when one joins it.
        """
        return self.queue_bytes // 4
