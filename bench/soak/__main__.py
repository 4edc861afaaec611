"""Keep a server under churn and see whether it stays as it was: `python -m bench.soak`; see README.md."""

import argparse
import datetime as dt
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import trio

from bench.cores import make_room
from bench.machine import find_commit, find_machine, find_versions
from bench.record import FOLDER, write
from bench.servers import DEFAULT_LIMITS, Framecast, Limits
from bench.soak.report import SoakRecord, find_memory_trend, write_page
from bench.soak.world import Shape, Soaked, soak

RECORDED_MINUTES = 20.0
"""A shorter one is kept only where it is asked for."""
STOP_SECONDS = 60.0
IMPATIENT = {
    "log.format": "json",
    "live.connect_seconds": 10,
    "live.ping_seconds": 5,
    "live.pong_seconds": 120,
}
"""Pings are often, and whoever stalls must be cut for it long before its pong is due. What hangs is cut after ten
seconds, as it is by default: less could take somebody for hanging who had no turn on a busy machine."""


class SoakedFramecast(Framecast):
    """Ours, with short deadlines for peers that hang."""

    def command(self, limits: Limits, data: str) -> list[str]:
        settings = [part for key, value in IMPATIENT.items() for part in ("--set", f"{key}={value}")]
        return [*super().command(limits, data), *settings]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--visitors", type=int, default=24, help="so many at the same time")
    parser.add_argument("--hertz", type=float, default=20.0, help="rows a second on the two channels of small rows")
    parser.add_argument("--seed", type=int, default=1, help="of who comes, and for how long")
    parser.add_argument("--output", type=Path, help=f"folder; without it {RECORDED_MINUTES:g} minutes are kept")
    options = parser.parse_args()
    if not 0 < options.minutes <= 1_440 or options.visitors < 1 or not 0 < options.hertz <= 1_000:
        parser.error("--minutes must be above 0 and a day at most, --visitors 1 or more, --hertz above 0 to 1000")
    return options


def run(shape: Shape) -> Soaked:
    """Start a server, soak it, and stop it; how it ends and what it logged counts too."""
    make_room(shape.visitors * 2)
    with SoakedFramecast().running(None, DEFAULT_LIMITS) as server:
        soaked = trio.run(soak, server.address, server.process.pid, shape)
        server.process.send_signal(signal.SIGTERM)
        try:
            status = server.process.wait(STOP_SECONDS)
            soaked.faults += [f"the server ended with status {status}"] if status else []
        except subprocess.TimeoutExpired:
            soaked.faults.append(f"the server did not end within {STOP_SECONDS:g} s")
        soaked.faults += find_errors(server.log.read_text(errors="replace"))
    return soaked


def find_errors(log: str) -> list[str]:
    """Lines that are errors, or no lines of the log at all: a traceback, a panic."""
    errors = []
    for line in log.splitlines():
        try:
            bad = json.loads(line)["level"] in {"error", "critical"}
        except (ValueError, TypeError, KeyError):
            bad = True
        if bad:
            errors.append(f"in the log: {line[:500]}")
    return errors


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server ends with us
    now = dt.datetime.now(dt.UTC)
    shape = Shape(options.minutes * 60, options.visitors, options.hertz, options.seed)
    print(f"soaking for {options.minutes:g} minutes, {options.visitors} visitors at once", file=sys.stderr, flush=True)
    commit, machine, versions = find_commit(), find_machine(), find_versions()
    soaked = run(shape)
    record = SoakRecord(
        command=shlex.join(["python", "-m", "bench.soak", *sys.argv[1:]]),
        commit=commit,
        began=now.isoformat(timespec="seconds"),
        machine=machine,
        versions=versions,
        shape=shape,
        soaked=soaked,
        memory=find_memory_trend(soaked.samples),
    )
    page = write_page(record)
    print(page, end="")
    if options.output is not None or options.minutes >= RECORDED_MINUTES:
        place = (options.output or FOLDER / machine.name) / f"{now:%Y-%m-%d}-soak"
        write(record, page, place)
        print(f"kept in {place}.json and {place}.md", file=sys.stderr)
    return 1 if record.faults else 0


if __name__ == "__main__":
    sys.exit(main())
