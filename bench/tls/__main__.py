"""Measure what TLS costs: `python -m bench.tls`; see README.md.

Both servers are ours, pinned to the same core in turn; the load decrypts on the other core.
"""

import argparse
import os
import statistics
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.comparison import OURS, Round
from bench.cores import find_cores
from bench.plain_record import write
from bench.rows import ROWS
from bench.rows.row import Figure, Row
from bench.servers import FRAMECAST
from bench.table import Table, tell
from bench.tls.certificate import make_self_signed
from bench.tls.server import FramecastOverTls

NAMES = ("steady-1000", "full-1000", "storm")
IDLE_SUBSCRIBERS = 2_000
CPU = Figure("server_cpu_us_per_delivery", "µs CPU/delivery", against_peer=1.0)


def find_rows() -> list[Row]:
    """Of the table, those in which TLS has something to do; with what each costs the server."""
    known = {row.name: row for row in ROWS}
    rows = [known[name] for name in NAMES]
    rows[1] = replace(rows[1], figures=(*rows[1].figures, CPU))
    idle = replace(
        known["idle"],
        title=f"{IDLE_SUBSCRIBERS:,} idle subscribers: memory",
        arguments=(f"--subscribers={IDLE_SUBSCRIBERS}",),
        connections=IDLE_SUBSCRIBERS,
    )
    return [*rows, idle]


def describe(row: Row, rounds: list[Round], names: tuple[str, str]) -> list[str]:
    """A line for each figure: median [least-most] of both, and the ratio; and what was wrong."""
    lines = []
    for figure in row.figures:
        cells, medians = [], []
        for name in names:
            sound = [one for one in rounds if one.server == name and not one.faults and figure.name in one.figures]
            values = [one.figures[figure.name] * figure.scale for one in sound]
            medians.append(statistics.median(values) if values else float("nan"))
            mark = "*" if any(one.held_back for one in sound) else ""
            cells.append(f"{medians[-1]:,.2f}{mark} [{min(values):,.2f}-{max(values):,.2f}]" if values else "no round")
        lines.append(f"{row.title:42}{figure.unit:28}{cells[0]:>32}{cells[1]:>32}{medians[1] / medians[0]:>8.2f}")
    lines += [f"  NOT VALID: {one.server}, round {one.number}: {one.faults[0]}" for one in rounds if one.faults]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="that figures count, in each round")
    options = parser.parse_args()
    server_core, load_core = find_cores()
    with TemporaryDirectory(prefix="framecast-bench-tls-") as folder:
        certificate, key = make_self_signed(Path(folder))
        secured = FramecastOverTls(certificate, key)
        os.environ["SSL_CERT_FILE"] = str(certificate)  # whom the load trusts
        table = Table([FRAMECAST, secured], None, options.rounds, options.seconds, server_core, load_core)
        names = (OURS, secured.name)
        lines = [
            f"load at the start: {os.getloadavg()[0]:.2f}",
            f"server on core {server_core}, load on core {load_core}",
            f"median [least-most] of {options.rounds} rounds of {options.seconds:g} s, in turn",
            "* in a round at least, something else than the server set the pace",
            "",
            f"{'':70}{'plain TCP':>32}{names[1]:>32}{'ratio':>8}",
        ]
        table.measure(find_rows(), lambda row, rounds: lines.extend(describe(row, rounds, names)))
    tell("done")
    write("tls", lines)


if __name__ == "__main__":
    main()
