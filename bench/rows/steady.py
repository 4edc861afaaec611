"""Publications at a steady rate, pushed over HTTP: what a delivery costs, and how late it is."""

from bench.rows.row import Figure, Row


def _figures(against_peer: float, against_limit: float | None, *names: str) -> tuple[Figure, ...]:
    known = {
        "cpu": Figure(
            "server_cpu_us_per_delivery",
            "µs CPU/delivery",
            against_peer,
            against_limit,
            worse_when_held_back=False,
        ),
        "p50": Figure("p50_ms", "ms p50", against_peer, against_limit),
        "p99": Figure("p99_ms", "ms p99", against_peer, against_limit),
    }
    return tuple(known[name] for name in names)


def _row(name: str, title: str, shape: dict[str, float], figures: tuple[Figure, ...], *, beside_limit: bool) -> Row:
    arguments = [f"--{flag}={value:g}" for flag, value in shape.items()]
    return Row(
        name=name,
        title=title,
        kind="latency",
        arguments=(*arguments, "--bytes=200"),
        figures=figures,
        connections=int(shape["subscribers"]),
        beside_limit=beside_limit,
    )


STEADY = (
    _row(
        "steady-1000",
        "1,000 subscribers, 20 Hz",
        {"subscribers": 1_000, "rate": 20},
        _figures(0.5, 1.3, "cpu", "p50", "p99"),
        beside_limit=True,
    ),
    _row(
        "steady-5000",
        "5,000 subscribers, 10 Hz",
        {"subscribers": 5_000, "rate": 10},
        _figures(0.5, 1.3, "cpu", "p50", "p99"),
        beside_limit=True,
    ),
    _row(
        "channels",
        "20 channels, 20 Hz on each, 100 subscribers of all",
        {"subscribers": 100, "rate": 20, "channels": 20},
        _figures(0.6, None, "cpu", "p99"),
        beside_limit=True,
    ),
    _row(
        "quiet",
        "one subscriber, quiet server, 50 Hz",
        {"subscribers": 1, "rate": 50},
        _figures(1.0, None, "p50", "p99"),
        beside_limit=True,
    ),
)
