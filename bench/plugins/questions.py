"""All that is measured, as data: who reads or delivers what, and what is made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.comparison import OURS
from bench.plugins.beating import keep_time
from bench.plugins.delivering import deliver, find_latency
from bench.plugins.question import Goal, Measured, Place, Question
from bench.plugins.readers import WARM_UP_PACKETS, Request
from bench.plugins.reading import read_with_grpcio, read_with_host
from bench.rows.row import Figure

GRPCIO = "grpcio"
"""Its synchronous iterator, in a process that does nothing else."""
CROWD_SHARE = 5
"""Of the packets that one subscriber gets, each of many gets one in so many."""
LATENCY_SHARE = 10
"""The same for the seconds that latency is looked at, which are short beside those that show a drift."""
OFTEN_MS, SELDOM_MS = 1, 20
"""Between stamps, to one and to many."""
READ_LATE, DELIVERED_LATE, CROWD_LATE = "read-late", "one-late", "many-late"

PER_SECOND = Figure("packets_s", "packets/s", 1.0, more_is_better=True)
PERCENT = 100.0


@dataclass(frozen=True)
class Shape:
    """How much of everything."""

    packets: int = 100_000
    subscribers: int = 1_000
    streams: int = 200
    seconds: float = 20.0

    @property
    def crowd_packets(self) -> int:
        return max(100, self.packets // CROWD_SHARE)

    @property
    def latency_seconds(self) -> float:
        return self.seconds / LATENCY_SHARE


def ask(shape: Shape) -> list[Question]:
    """The questions, in the order of their cost."""
    return [*_of_the_host(shape), *_of_the_server(shape), _of_many_streams(shape)]


def _of_the_host(shape: Shape) -> list[Question]:
    everything = Request(f"fast/{shape.packets}")
    stamps = Request(f"stamps/{OFTEN_MS}", WARM_UP_PACKETS + round(shape.latency_seconds * 1_000 / OFTEN_MS))
    return [
        Question(
            "read",
            f"{shape.packets:,} packets of 71 B, read",
            (PER_SECOND, Figure("cpu_us", "CPU µs a packet", 1.0)),
            _both(everything),
            Goal("packets_s", 4.0, GRPCIO),
        ),
        Question(READ_LATE, f"a packet every {OFTEN_MS} ms, read", _latency(1e-3), _both(stamps)),
    ]


def _of_the_server(shape: Shape) -> list[Question]:
    crowd, seconds = shape.subscribers, shape.latency_seconds
    load = (
        Figure("server_us", "server CPU µs a packet", 1.0),
        Figure("load_busy", "load's CPU, %", 1.0, scale=PERCENT),
        Figure("plugin_busy", "plugin's CPU, %", 1.0, scale=PERCENT),
    )
    delivered = (PER_SECOND, Figure("deliveries_s", "deliveries/s", 1.0, more_is_better=True), *load)
    return [
        Question(
            "one",
            f"{shape.packets:,} packets to 1 subscriber",
            (PER_SECOND, *load),
            _ours(partial(deliver, count=1, packets=shape.packets)),
        ),
        Question(
            DELIVERED_LATE,
            f"a packet every {OFTEN_MS} ms to 1 subscriber",
            _latency(1.0),
            _ours(partial(find_latency, count=1, every_ms=OFTEN_MS, seconds=seconds)),
        ),
        Question(
            "many",
            f"{shape.crowd_packets:,} packets to {crowd:,} subscribers",
            delivered,
            _ours(partial(deliver, count=crowd, packets=shape.crowd_packets)),
        ),
        Question(
            CROWD_LATE,
            f"a packet every {SELDOM_MS} ms to {crowd:,} subscribers",
            _latency(1.0),
            _ours(partial(find_latency, count=crowd, every_ms=SELDOM_MS, seconds=seconds)),
        ),
    ]


def _of_many_streams(shape: Shape) -> Question:
    return Question(
        "beat",
        f"{shape.streams} streams of 20 packets a second, off the beat",
        (
            *_latency(1.0),
            PER_SECOND,
            Figure("server_busy", "server's CPU, %", 1.0, scale=PERCENT),
        ),
        _ours(partial(keep_time, streams=shape.streams, seconds=shape.seconds)),
        Goal("p99", 10.0),
    )


def _latency(to_milliseconds: float) -> tuple[Figure, ...]:
    return tuple(Figure(name, f"{name} ms", 1.0, scale=to_milliseconds) for name in ("p50", "p99", "max"))


def _ours(measure: Callable[[Place], Measured]) -> dict[str, Callable[[Place], Measured]]:
    return {OURS: measure}


def _both(request: Request) -> dict[str, Callable[[Place], Measured]]:
    return {OURS: partial(read_with_host, request=request), GRPCIO: partial(read_with_grpcio, request=request)}
