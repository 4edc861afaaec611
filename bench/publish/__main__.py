"""Measure how long `Fanout.publish` holds its caller, for one subscriber and for many.

Everything else of the server waits for that long. This process, with its writer thread, is pinned to one core and the
subscribers' ends to another. Two figures, since the two threads share a core: "held" is what passes on the clock, with
the turns that the kernel gives the writer meanwhile; "worked" is the CPU that the call itself took.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.cores import find_cores, make_room, pinned
from bench.machine import find_machine
from framecast._core import Fanout, build_info

BACKLOG = 1024
QUEUE_BYTES = 1 << 22
WARM_UP = 5
"""Publications that do not count: the first ones find cold caches and grow what is kept."""


@contextlib.contextmanager
def subscribed(count: int, core: int) -> Iterator[Fanout]:
    """A fan-out with so many subscribers of one channel, whose other ends a program on `core` reads."""
    with contextlib.ExitStack() as closing:
        address = str(Path(closing.enter_context(tempfile.TemporaryDirectory())) / "subscribers")
        listening = closing.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(address)
        listening.listen(BACKLOG)
        command = [sys.executable, "-m", "bench.publish.readers", address, str(count)]
        reading = closing.enter_context(subprocess.Popen(pinned(core, command)))
        closing.callback(reading.terminate)
        fanout = Fanout(max_total_bytes=1 << 30)
        ours = [closing.enter_context(listening.accept()[0]) for _ in range(count)]
        closing.callback(fanout.close)
        for end in ours:
            end.settimeout(0)
            fanout.subscribe(fanout.add(end.fileno(), QUEUE_BYTES, write_seconds=60), "bench", "bench")
        yield fanout


def measure(fanout: Fanout, hertz: float, payload: bytes, seconds: float) -> tuple[list[int], list[int]]:
    """Nanoseconds that each call held this thread, and that it worked; sorted."""
    held, worked = [], []
    begin = time.monotonic()
    for number in range(WARM_UP + int(hertz * seconds)):
        time.sleep(max(0.0, begin + number / hertz - time.monotonic()))
        called, began = time.perf_counter_ns(), time.thread_time_ns()
        fanout.publish("bench", payload, number + 1)
        worked.append(time.thread_time_ns() - began)
        held.append(time.perf_counter_ns() - called)
    return sorted(held[WARM_UP:]), sorted(worked[WARM_UP:])


def row(name: str, spent: list[int]) -> str:
    middle, late, last = (spent[int((len(spent) - 1) * share)] / 1e3 for share in (0.5, 0.99, 1.0))
    return f"  {name:8} p50 {middle:>10,.1f} us   p99 {late:>10,.1f} us   max {last:>10,.1f} us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 100, 1_000, 10_000])
    parser.add_argument("--hertz", type=float, default=5)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    ours, theirs = find_cores()
    os.sched_setaffinity(0, {ours})
    make_room(max(options.subscribers))
    info, machine = build_info(), find_machine()
    print(f"{machine.name}, {machine.system}; core: {info['profile']} build of sources {info['source_hash']}")
    print(f"load at the start {os.getloadavg()[0]:.2f}; {options.hertz:g} publications/s of {options.bytes} B")
    payload = b'"' + b"x" * max(0, options.bytes - 2) + b'"'
    for count in options.subscribers:
        with subscribed(count, theirs) as fanout:
            held, worked = measure(fanout, options.hertz, payload, options.seconds)
            print(f"{count:,} subscribers", row("held", held), row("worked", worked), sep="\n", flush=True)


if __name__ == "__main__":
    main()
