"""What the core's load is asked for: the JSON of ``rust/src/load/plan.rs``, which checks it."""

from typing import Literal

import msgspec

Protocol = Literal["json", "protobuf"]
Way = Literal["push", "push_socket", "command"]
Headers = list[tuple[str, str]]


class Tls(msgspec.Struct, frozen=True):
    """How a server that speaks TLS is known."""

    name: str
    """The host that its certificate must be for."""
    authorities: str
    """Who is trusted, as PEM."""


class Server(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the server is."""

    address: str
    """IP and port, with nothing left to look up."""
    host: str
    """What the Host header holds."""
    headers: Headers
    """Of every request."""
    pid: int | None = None
    tls: Tls | None = None
    """Where it speaks TLS."""


class Audience(msgspec.Struct, frozen=True):
    """The subscribers, each of which subscribes to all channels."""

    path: str
    protocol: Protocol
    token: str | None
    subscribers: int
    channels: list[str]
    threads: int
    at_once: int
    """So many connect at the same time."""
    handshake_seconds: float
    """For one of them, until it is ready."""


class Publishing(msgspec.Struct, frozen=True):
    """How publications get to the server."""

    way: Way
    path: str
    names: list[str]
    """By channel: the measurement for a push, the channel for a command."""
    token: str | None
    connections: int
    bytes: int
    """Of one publication as it is sent."""
    first_seconds: float
    """For the first publication, until all have it."""


class Latency(msgspec.Struct, frozen=True):
    """Publications at a steady rate, on each channel."""

    publishing: Publishing
    per_second: float


class Fanout(msgspec.Struct, frozen=True):
    """Publications as fast as no more than `in_flight` are on their way."""

    publishing: Publishing
    in_flight: int


class Ingest(msgspec.Struct, frozen=True):
    """Bodies as fast as they are answered."""

    path: str
    headers: Headers
    connections: int
    threads: int
    lines: int
    """In each body."""
    fresh_times: bool
    """Whether times of 19 digits at the ends of lines are replaced by the present."""


class Connect(msgspec.Struct, frozen=True):
    """Clients that connect, and then only listen."""

    idle_seconds: float


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is measured: one of these."""

    latency: Latency | None = None
    fanout: Fanout | None = None
    ingest: Ingest | None = None
    connect: Connect | None = None


class Plan(msgspec.Struct, frozen=True):
    """A run."""

    run: int
    """Tells its publications from those of other runs."""
    server: Server
    audience: Audience
    work: Work
    warm_up_seconds: float
    seconds: float
    drain_seconds: float
    """How long what is on its way at the end is waited for."""

    @property
    def publishing(self) -> Publishing | None:
        """How it publishes, if it does."""
        work = self.work.latency or self.work.fanout
        return work.publishing if work else None
