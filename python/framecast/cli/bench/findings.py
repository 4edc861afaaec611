"""What the core's load has found: the JSON of ``rust/src/load/findings.rs``."""

from typing import Literal

import msgspec

Stage = Literal["connecting", "beginning", "measuring", "draining", "over"]
Trouble = Literal["not_all_ready", "publisher_lost", "refused", "nothing_heard", "stuck", "all_lost", "stopped"]
EndingKind = Literal[
    "cannot_connect",
    "refused",
    "bad_answer",
    "connect_refused",
    "subscribe_refused",
    "publish_refused",
    "unsubscribed",
    "closed",
    "lost",
    "timed_out",
]


class Progress(msgspec.Struct, frozen=True):
    """How far a run is."""

    stage: Stage
    share: float
    ready: int
    sent: int
    deliveries: int


class Ending(msgspec.Struct, frozen=True):
    """A kind of end that connections, or refusal that requests, met, and how often. `words` may be the server's."""

    what: EndingKind
    code: int
    words: str
    count: int


class Problem(msgspec.Struct, frozen=True):
    """Why a run measured nothing, or not to its end."""

    what: Trouble
    endings: list[Ending]
    seconds: float | None


class Distribution(msgspec.Struct, frozen=True):
    """Durations out of a histogram, in microseconds."""

    count: int
    mean_us: float
    min_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    curve: list[tuple[float, float]]
    """Share, and the duration that so many do not exceed."""


class Slice(msgspec.Struct, frozen=True):
    """A slice of the time: latencies of what was due in it, deliveries and gaps of what arrived."""

    count: int
    p50_us: float
    p99_us: float
    max_us: float
    deliveries: int
    gaps: int


class Latencies(msgspec.Struct, frozen=True):
    """The latencies of a run."""

    from_due: Distribution
    from_sent: Distribution
    deliveries: int
    slice_seconds: float
    slices: list[Slice]


class Subscribers(msgspec.Struct, frozen=True):
    """Who listened, and whether they heard all; counts hold the warm-up too."""

    asked: int
    ready: int
    failures: list[Ending]
    losses: list[Ending]
    settled_seconds: float
    opening: Distribution
    readiness: Distribution
    deliveries: int
    gaps: int
    reordered: int
    duplicated: int
    missing: int
    others: int
    bytes: int
    reads: int


class Publications(msgspec.Struct, frozen=True):
    """What was published."""

    sent: int
    bytes: int
    unsent: int
    held_up: int
    lateness: Distribution
    refused: list[Ending]
    answers: Distribution
    reconnections: int


class Ingest(msgspec.Struct, frozen=True):
    """What was posted in the time that counts."""

    requests: int
    lines: int
    bytes: int
    refused: list[Ending]
    answers: Distribution
    slice_seconds: float
    slices: list[int]


class Busy(msgspec.Struct, frozen=True):
    """Shares of a thread's time: it ran, or could have and had no processor."""

    thread: str
    cpu: float
    waited: float
    slices: list[float]

    @property
    def share(self) -> float:
        """Of its time it was not free to do more."""
        return min(1.0, self.cpu + self.waited)


class ProcessUsage(msgspec.Struct, frozen=True):
    """What a process had used by then."""

    cpu_seconds: float
    resident_bytes: int
    threads: int


class Process(msgspec.Struct, frozen=True):
    """The server's process: before anybody connected, and at both ends of the time that counts."""

    before: ProcessUsage
    begin: ProcessUsage
    end: ProcessUsage


class Findings(msgspec.Struct, frozen=True):
    """A run."""

    problem: Problem | None
    measured_seconds: float
    subscribers: Subscribers
    latencies: Latencies | None
    publications: Publications | None
    ingest: Ingest | None
    busy: list[Busy]
    process: Process | None

    @property
    def busiest(self) -> Busy | None:
        """The thread of the load that was least free."""
        return max(self.busy, key=lambda busy: busy.share, default=None)
