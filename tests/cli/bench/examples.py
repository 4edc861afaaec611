"""Findings and a report to show, as a run makes them."""

from typing import Any

import msgspec

from framecast.cli.bench.findings import (
    Busy,
    Distribution,
    Ending,
    Findings,
    Ingest,
    Latencies,
    Process,
    ProcessUsage,
    Publications,
    Slice,
    Subscribers,
)
from framecast.cli.bench.machine import Machine, Versions
from framecast.cli.bench.plan import Audience, Latency, Plan, Publishing, Server, Work
from framecast.cli.bench.report import Report
from framecast.cli.bench.verdict import judge

NO_DURATIONS = Distribution(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, [(1.0, 0.0)])
DURATIONS = Distribution(
    count=1_000,
    mean_us=1_500.0,
    min_us=900.0,
    p50_us=1_200.0,
    p90_us=2_000.0,
    p99_us=9_000.0,
    p999_us=45_000.0,
    max_us=1_200_000.0,
    curve=[(0.0, 900.0), (0.5, 1_200.0), (0.9, 2_000.0), (0.99, 9_000.0), (0.999, 45_000.0), (1.0, 1_200_000.0)],
)
AUDIENCE = Subscribers(
    asked=10,
    ready=10,
    failures=[],
    losses=[],
    settled_seconds=0.25,
    opening=DURATIONS,
    readiness=DURATIONS,
    deliveries=1_050,
    gaps=0,
    reordered=0,
    duplicated=0,
    missing=0,
    others=0,
    bytes=315_000,
    reads=1_000,
)
PUBLICATIONS = Publications(
    sent=105,
    bytes=21_000,
    unsent=0,
    held_up=3,
    lateness=msgspec.structs.replace(DURATIONS, p99_us=80.0, max_us=200.0),
    refused=[],
    answers=DURATIONS,
    reconnections=0,
)
LATENCIES = Latencies(
    from_due=DURATIONS,
    from_sent=DURATIONS,
    deliveries=1_000,
    slice_seconds=0.5,
    slices=[Slice(100, 1_000.0, 2_000.0, 3_000.0, 100, number % 2) for number in range(10)],
)
INGEST = Ingest(
    requests=500,
    lines=500_000,
    bytes=50_000_000,
    refused=[],
    answers=DURATIONS,
    slice_seconds=0.5,
    slices=[50_000] * 10,
)
MACHINE = Machine(processor="Abacus & Sons <9000>", cores=8, load_average=0.1, system="Linux 6")
USAGE = ProcessUsage(cpu_seconds=1.0, resident_bytes=50_000_000, threads=4)
PUBLISHING = Publishing(
    way="push",
    path="/api/live/push/bench",
    names=["load"],
    token="secret",
    connections=1,
    bytes=200,
    first_seconds=10.0,
)
PLAN = Plan(
    run=1,
    server=Server("127.0.0.1:8300", "localhost:8300", [("Authorization", "Bearer secret")]),
    audience=Audience(
        path="/api/live/ws",
        protocol="json",
        token="secret",
        subscribers=10,
        channels=["stream/bench/load"],
        threads=1,
        at_once=128,
        handshake_seconds=30.0,
    ),
    work=Work(latency=Latency(PUBLISHING, 20.0)),
    warm_up_seconds=1.0,
    seconds=5.0,
    drain_seconds=5.0,
)


def findings(**changes: Any) -> Findings:
    """A run that is well, but for the changes."""
    well = Findings(
        problem=None,
        measured_seconds=5.0,
        subscribers=AUDIENCE,
        latencies=LATENCIES,
        publications=PUBLICATIONS,
        ingest=None,
        busy=[
            Busy("publisher", 0.05, 0.01, [0.06] * 10),
            Busy("subscribers 1", 0.4, 0.1, [0.5] * 10),
        ],
        process=Process(USAGE, USAGE, msgspec.structs.replace(USAGE, cpu_seconds=2.5, resident_bytes=60_000_000)),
    )
    return msgspec.structs.replace(well, **changes)


def audience(**changes: Any) -> Subscribers:
    """An audience that is well, but for the changes."""
    return msgspec.structs.replace(AUDIENCE, **changes)


def ending(what: str, code: int = 0, words: str = "", count: int = 1) -> Ending:
    """An end that connections met."""
    return msgspec.convert({"what": what, "code": code, "words": words, "count": count}, Ending)


def report(found: Findings | None = None, **changes: Any) -> Report:
    """A report on `found`."""
    found = found or findings()
    verdict = judge(PLAN, found, MACHINE)
    whole = Report(
        bench="latency",
        url="http://localhost:8300",
        command="framecast bench latency",
        began="2026-01-01T00:00:00+00:00",
        machine=MACHINE,
        versions=Versions("0.1.0", "release build of abc", "3.11.7"),
        plan=PLAN,
        figures={},
        verdict=verdict,
        valid=verdict.valid,
        findings=found,
    )
    return msgspec.structs.replace(whole, **changes)
