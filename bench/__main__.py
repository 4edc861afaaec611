"""The table: ours, the peer and the limit side by side. `python -m bench`; see README.md."""

import argparse
import datetime as dt
import shlex
import signal
import sys
from pathlib import Path
from tempfile import gettempdir

from bench import record
from bench.comparison import LIMIT, OURS, PEER, Round
from bench.cores import find_cores
from bench.machine import find_commit, find_machine, find_peer_versions, find_versions
from bench.page import write_page
from bench.record import Record, record_row
from bench.rows import ROWS
from bench.rows.row import Row
from bench.servers import BARE_SEND, CENTRIFUGE, FRAMECAST
from bench.table import Table, tell

ROUNDS, SECONDS = 3, 5.0
SERVERS = (FRAMECAST, CENTRIFUGE, BARE_SEND)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--only", action="append", choices=names, metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that figures count, in each round")
    parser.add_argument("--without", action="append", default=[], choices=(PEER, LIMIT), help="leave a server out")
    parser.add_argument("--output", type=Path, help="folder for the record; bench/record/MACHINE for the whole table")
    options = parser.parse_args()
    if options.rounds < 1 or not 0.1 <= options.seconds <= 600:
        parser.error("--rounds must be 1 or more, --seconds from 0.1 to 600")
    return options


def find_folder(options: argparse.Namespace, machine: str) -> Path:
    """Where the record goes. A try of a few rows or seconds is none, and must not take a record's place."""
    if options.output is not None:
        return Path(options.output)
    whole = not options.only and not options.without
    if whole and options.rounds >= ROUNDS and options.seconds >= SECONDS:
        return record.FOLDER / machine
    return Path(gettempdir()) / "framecast-bench"


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end with us
    servers = [server for server in SERVERS if server.name not in options.without]
    for server in servers:
        tell(f"building {server.name}")
        server.build()
    server_core, load_core = find_cores()
    now = dt.datetime.now(dt.UTC)
    written = Record(
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        commit=find_commit(),
        began=now.isoformat(timespec="seconds"),
        machine=find_machine(),
        versions=find_versions() | (find_peer_versions() if CENTRIFUGE in servers else {}),
        rounds=options.rounds,
        seconds=options.seconds,
        server_core=server_core,
        load_core=load_core,
        servers={server.name: server.describe() for server in servers},
    )
    place = find_folder(options, written.machine.name) / f"{now:%Y-%m-%d}"
    table = Table(
        servers=[server for server in servers if server is not BARE_SEND],
        limit=BARE_SEND if BARE_SEND in servers else None,
        rounds=options.rounds,
        seconds=options.seconds,
        server_core=server_core,
        load_core=load_core,
    )
    rows = [row for row in ROWS if not options.only or row.name in options.only]

    def keep(row: Row, rounds: list[Round]) -> None:
        written.rows.append(record_row(row, rounds))
        record.write(written, write_page(written), place)

    try:
        table.measure(rows, keep)
        written.ended = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        record.write(written, write_page(written), place)
        print(write_page(written))
        tell(f"kept in {place}.json and {place}.md")
    lost = any(OURS not in comparison.medians for row in written.rows for comparison in row.comparisons)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
