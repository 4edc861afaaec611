"""Measure a recovery storm on one core beside the centrifuge library; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys

from bench.cores import find_cores, make_room, pinned
from bench.plain_record import write
from bench.recovery.servers import CONTESTANTS, Contestant, limits_for, peak_bytes
from bench.servers import EXAMPLES, build_example

LIVE_HERTZ = 20.0
QUIET_SECONDS = 3.0
# For the whole storm; a client that is not live again by then has failed.
PATIENCE_SECONDS = 60.0
# The load fills, connects and waits besides.
LOAD_SECONDS = 300.0

# Of these a run must have none, or its times say nothing.
FAULTS = ("clients failed", "client disorder", "bystander missed", "bystander misplaced")

Figures = dict[str, float]


def measure(contestant: Contestant, options: argparse.Namespace) -> Figures:
    """One run: a fresh server on its core, the storm on the other."""
    server_core, load_core = find_cores()
    # What is published meanwhile must not push out what clients want.
    kept = options.publications + int(LIVE_HERTZ * (PATIENCE_SECONDS + 1))
    with contestant.server.running(server_core, limits_for(kept, options.bytes)) as server:
        arguments = [server.address, contestant.path, server.process.pid]
        arguments += [contestant.storm_channel, contestant.bystander_channel]
        arguments += [options.clients, options.publications, options.bytes, LIVE_HERTZ]
        arguments += [options.quiet_seconds, PATIENCE_SECONDS]
        storm = subprocess.run(
            pinned(load_core, [str(EXAMPLES / "storm"), *map(str, arguments)]),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LOAD_SECONDS,
        )
        figures: Figures = json.loads(storm.stdout)
        figures["server peak MB"] = peak_bytes(server.process) / 1e6
    faults = {name: figures[name] for name in FAULTS if figures[name]}
    if faults:
        print(f"NOT VALID: {contestant.name}: {faults}", file=sys.stderr)
    return figures


def table(runs: dict[str, list[Figures]]) -> list[str]:
    """A line per figure: each server's median with its range, and the ratio of the first to the second."""
    first, second = runs
    lines = [f"{'':26}{first:>33}{second:>33}{'ratio':>8}"]
    for name in runs[first][0]:
        cells, medians = [], []
        for measured in runs.values():
            values = [figures[name] for figures in measured]
            medians.append(statistics.median(values))
            cells.append(f"{medians[-1]:,.2f} [{min(values):,.2f}-{max(values):,.2f}]")
        ratio = f"{medians[0] / medians[1]:.2f}" if medians[1] else "-"
        lines.append(f"{name:26}{cells[0]:>33}{cells[1]:>33}{ratio:>8}")
    invalid = sum(any(figures[name] for name in FAULTS) for measured in runs.values() for figures in measured)
    if invalid:
        lines += ["", f"NOT VALID: {invalid} runs with faults"]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--publications", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=250)
    parser.add_argument("--quiet-seconds", type=float, default=QUIET_SECONDS)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    make_room(options.clients)
    build_example("storm")
    for contestant in CONTESTANTS:
        contestant.server.build()
    server_core, load_core = find_cores()
    lines = [
        f"load at the start: {os.getloadavg()[0]:.2f}",
        f"{options.clients} clients at once, each recovers {options.publications} publications of {options.bytes} B",
        f"published besides: {LIVE_HERTZ:g} Hz on the same channel, from the moment that they come back",
        f"server on core {server_core}, load on core {load_core}; median [min-max] of {options.runs} runs, alternating",
        "",
    ]
    runs: dict[str, list[Figures]] = {contestant.name: [] for contestant in CONTESTANTS}
    for _ in range(options.runs):  # side by side, so that a noisy minute hits both
        for contestant in CONTESTANTS:
            runs[contestant.name].append(measure(contestant, options))
    write("recovery", lines + table(runs))


if __name__ == "__main__":
    main()
