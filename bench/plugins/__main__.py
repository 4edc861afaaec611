"""Measure what streams of plugins cost: `python -m bench.plugins`; see README.md."""

import argparse
import datetime as dt
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from bench.comparison import OURS, Round
from bench.cores import find_cores, make_room
from bench.machine import find_commit, find_go_versions, find_machine, find_versions
from bench.plugins import program
from bench.plugins.measuring import measure
from bench.plugins.provisioning import provision
from bench.plugins.question import Place, Question
from bench.plugins.questions import GRPCIO, Shape, ask
from bench.plugins.reading import build_peer, find_peer_versions
from bench.plugins.report import PluginsRecord, find_answer, write_page
from bench.record import FOLDER, write
from bench.table import tell

ROUNDS = 3
USUAL = Shape()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.plugins", description=__doc__)
    names = [question.name for question in ask(USUAL)]
    parser.add_argument("--only", action="append", choices=names, metavar="QUESTION", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--packets", type=int, default=USUAL.packets, help="to one reader or subscriber")
    parser.add_argument("--subscribers", type=int, default=USUAL.subscribers, help="where there are many")
    parser.add_argument("--streams", type=int, default=USUAL.streams, help="that keep the beat")
    parser.add_argument("--seconds", type=float, default=USUAL.seconds, help="that they do")
    parser.add_argument("--output", type=Path, help="folder for the record; bench/record/MACHINE for a whole run")
    options = parser.parse_args()
    if options.rounds < 1 or options.packets < 1_000 or options.subscribers < 1 or options.streams < 1:
        parser.error("--rounds, --subscribers and --streams must be 1 or more, --packets 1000 or more")
    if not 1 <= options.seconds <= 600:
        parser.error("--seconds must be from 1 to 600")
    return options


def find_folder(options: argparse.Namespace, shape: Shape, machine: str) -> Path:
    """Where the record goes. A try is none, and must not take a record's place."""
    if options.output is not None:
        return Path(options.output)
    if not options.only and options.rounds >= ROUNDS and shape == USUAL:
        return FOLDER / machine
    return Path(gettempdir()) / "framecast-bench"


@contextmanager
def prepared(streams: int) -> Iterator[Place]:
    """The plugin and the data sources, where a server finds them; this process is the load, on its core."""
    server_core, load_core = find_cores()
    others = sorted(os.sched_getaffinity(0) - {server_core, load_core})
    plugin_core = others[0] if others else load_core
    os.sched_setaffinity(0, {load_core})
    with TemporaryDirectory(prefix="framecast-bench-") as folder:
        place = Place(server_core, load_core, plugin_core, Path(folder) / "plugins", Path(folder) / "provisioning")
        program.install(place.plugins, plugin_core)
        provision(place.provisioning, streams)
        yield place


def build(questions: Sequence[Question]) -> dict[str, str]:
    """Build all that these need; the versions of it. Without grpcio its readings are faults, and nothing else is."""
    tell("building the plugin, and the environment of grpcio")
    program.build()
    versions = find_versions() | find_go_versions(program.PROGRAM, program.MODULES)
    if not any(GRPCIO in question.contenders for question in questions):
        return versions
    try:
        build_peer()
        versions |= find_peer_versions()
    except (OSError, subprocess.SubprocessError) as error:
        tell(f"there is no grpcio to compare with: {error}")
    return versions


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers and plugins end with us
    shape = Shape(options.packets, options.subscribers, options.streams, options.seconds)
    make_room(shape.subscribers)
    questions = [each for each in ask(shape) if not options.only or each.name in options.only]
    versions = build(questions)
    now = dt.datetime.now(dt.UTC)
    with prepared(shape.streams) as place:
        record = PluginsRecord(
            command=shlex.join(["python", "-m", "bench.plugins", *sys.argv[1:]]),
            commit=find_commit(),
            began=now.isoformat(timespec="seconds"),
            machine=find_machine(),
            versions=versions,
            rounds=options.rounds,
            shape=shape,
            server_core=place.server_core,
            load_core=place.load_core,
            plugin_core=place.plugin_core,
        )
        where = find_folder(options, shape, record.machine.name) / f"{now:%Y-%m-%d}-plugins"

        def keep(question: Question, rounds: list[Round]) -> None:
            record.answers.append(find_answer(question, rounds))
            write(record, write_page(record), where)

        try:
            measure(questions, place, options.rounds, keep)
            record.ended = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        finally:
            write(record, write_page(record), where)
            print(write_page(record), end="")
            tell(f"kept in {where}.json and {where}.md")
    lost = any(OURS not in finding.medians for answer in record.answers for finding in answer.findings)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
