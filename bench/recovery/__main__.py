"""Measure a recovery storm on one core beside the centrifuge library; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys

from bench import record
from bench.recovery.servers import ROOT, SERVER_CORE, SERVERS, MeasuredServer, Past, build, peak_bytes

STORM = ROOT / "target" / "release" / "examples" / "storm"
LOAD_CORE = "1"
LIVE_HERTZ = 20.0
QUIET_SECONDS = 3.0
# For the whole storm; a client that is not live again by then has failed.
PATIENCE_SECONDS = 60.0
# The load fills, connects and waits besides.
LOAD_SECONDS = 300.0

# Of these a run must have none, or its times say nothing.
FAULTS = ("clients failed", "client disorder", "bystander missed", "bystander misplaced")

Figures = dict[str, float]


def measure(server: MeasuredServer, options: argparse.Namespace) -> Figures:
    """One run: a fresh server on its core, the storm on the other."""
    # What is published meanwhile must not push out what clients want.
    kept = options.publications + int(LIVE_HERTZ * (PATIENCE_SECONDS + 1))
    with server.running(Past(kept, options.bytes)) as (process, address):
        arguments = [address, server.path, process.pid, server.storm_channel, server.bystander_channel]
        arguments += [options.clients, options.publications, options.bytes, LIVE_HERTZ]
        arguments += [options.quiet_seconds, PATIENCE_SECONDS]
        storm = subprocess.run(
            ["taskset", "-c", LOAD_CORE, str(STORM), *map(str, arguments)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LOAD_SECONDS,
        )
        figures: Figures = json.loads(storm.stdout)
        figures["server peak MB"] = peak_bytes(process) / 1e6
    faults = {name: figures[name] for name in FAULTS if figures[name]}
    if faults:
        print(f"NOT VALID: {server.name}: {faults}", file=sys.stderr)
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
    build()
    lines = [
        f"load at the start: {os.getloadavg()[0]:.2f}",
        f"{options.clients} clients at once, each recovers {options.publications} publications of {options.bytes} B",
        f"published besides: {LIVE_HERTZ:g} Hz on the same channel, from the moment that they come back",
        f"server on core {SERVER_CORE}, load on core {LOAD_CORE}; median [min-max] of {options.runs} runs, alternating",
        "",
    ]
    runs: dict[str, list[Figures]] = {server.name: [] for server in SERVERS}
    for _ in range(options.runs):  # side by side, so that a noisy minute hits both
        for server in SERVERS:
            runs[server.name].append(measure(server, options))
    record.write("recovery", lines + table(runs))


if __name__ == "__main__":
    main()
