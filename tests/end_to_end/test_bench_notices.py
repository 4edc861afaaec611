"""What ``framecast bench latency`` notices of a server that is not faithful, and that a stall cannot hide."""

import json
from collections.abc import Iterable
from typing import Any

import trio

from end_to_end.server import FRAMECAST, clean_environment
from end_to_end.unfaithful import unfaithful_server

SECONDS = 120
RATE, SUBSCRIBERS = 50, 3


async def bench(url: str, *, seconds: float, drain: float = 5) -> tuple[int, dict[str, Any]]:
    """Run ``bench latency`` against a server in this process."""
    arguments = ["--subscribers", SUBSCRIBERS, "--rate", RATE, "--seconds", seconds, "--warm-up", 0, "--json"]
    arguments += ["--drain", drain]
    with trio.fail_after(SECONDS):
        done = await trio.run_process(
            [*FRAMECAST, "bench", "latency", url, *map(str, arguments)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=clean_environment(),
        )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def faithful(number: int) -> Iterable[int]:
    return [number]


def unfaithful(number: int) -> Iterable[int]:
    """Of every ten one is lost, one comes twice, and two change places."""
    match number % 10:
        case 3 | 7:
            return []
        case 5:
            return [number, number]
        case 8:
            return [number, number - 1]
        case _:
            return [number]


async def test_a_faithful_server_is_found_to_be_one() -> None:
    async with unfaithful_server(faithful) as (server, url):
        status, report = await bench(url, seconds=1)
    assert status == 0, report["verdict"]
    assert server.pushed == 1 + RATE
    assert report["findings"]["subscribers"]["deliveries"] == SUBSCRIBERS * server.pushed


async def test_what_is_lost_doubled_and_exchanged_is_counted_exactly() -> None:
    async with unfaithful_server(unfaithful) as (server, url):
        status, report = await bench(url, seconds=1)
    assert status == 1
    # Numbers 0 to 50: five end in 3, five in 5, and five pairs in 7 and 8.
    assert server.pushed == 51
    audience = report["findings"]["subscribers"]
    assert audience["missing"] == SUBSCRIBERS * 5
    assert audience["duplicated"] == SUBSCRIBERS * 5
    assert audience["reordered"] == SUBSCRIBERS * 5
    assert audience["gaps"] == SUBSCRIBERS * 10
    assert sum(piece["gaps"] for piece in report["findings"]["latencies"]["slices"]) > 0
    assert report["verdict"]["faults"] == [
        "15 deliveries never arrived",
        "15 deliveries arrived twice",
        "15 deliveries arrived after a later one",
    ]
    # Doubles are measured once, and what was lost is not measured at all.
    assert report["findings"]["latencies"]["from_due"]["count"] == SUBSCRIBERS * (50 - 5)


async def test_a_stall_is_seen_by_all_that_was_due_in_it() -> None:
    async with unfaithful_server(faithful, stall_at=20, stall_seconds=1.0) as (_, url):
        status, report = await bench(url, seconds=2)
    assert status == 0, report["verdict"]
    figures = report["figures"]
    # A second of two: half of the publications were due while the server slept, and a tenth in its first 200 ms.
    assert figures["p90_ms"] > 700
    assert figures["max_ms"] >= 990
    assert report["findings"]["publications"]["held_up"] >= 40
    # Whoever counts from when they were sent sees one late publication of a hundred, and thinks that all is well.
    assert figures["sent_p90_ms"] < figures["p90_ms"] / 2
    late = [piece["max_us"] for piece in report["findings"]["latencies"]["slices"] if piece["max_us"] > 300_000]
    assert len(late) >= 6


async def test_what_is_on_its_way_at_the_end_is_waited_for_as_long_as_asked() -> None:
    for drain, status_wanted in ((0, 1), (60, 0)):
        async with unfaithful_server(faithful, stall_at=RATE - 5, stall_seconds=1.0) as (_, url):
            status, report = await bench(url, seconds=1, drain=drain)
        assert status == status_wanted, report["verdict"]


async def test_a_server_that_delivers_nothing_is_told_from_one_that_is_slow() -> None:
    async with unfaithful_server(lambda _: []) as (_, url):
        status, report = await bench(url, seconds=1)
    assert status == 1
    assert report["findings"]["problem"]["what"] == "nothing_heard"
    assert "--prefix 1" in report["verdict"]["faults"][0]
