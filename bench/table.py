"""Measures the rows, one after the other: every server once, then every server again.

What goes wrong with one server or row is a fault in the record, and never the end of the run.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.comparison import Round
from bench.cores import NotHereError, make_room
from bench.load import LoadError, Said, run_load
from bench.rows.row import Figure, Row
from bench.servers import MeasuredServer, ServerError

FULLY_BUSY = 0.8
"""Of a core; a server that uses less at full load was waiting for something."""

Watcher = Callable[[Row, list[Round]], None]


@dataclass(frozen=True)
class Table:
    """How rows are measured."""

    servers: Sequence[MeasuredServer]
    limit: MeasuredServer | None
    """Measured in those rows that it can do."""
    rounds: int
    seconds: float
    server_core: int
    load_core: int

    def measure(self, rows: Sequence[Row], done: Watcher) -> None:
        """All rows; `done` is called after each."""
        for place, row in enumerate(rows, 1):
            tell(f"{place}/{len(rows)} {row.name}: {row.title}")
            rounds: list[Round] = []
            try:
                for number in range(1, self.rounds + 1):
                    for server in self._in_turn(row, number):
                        rounds.append(self._measure_once(row, server, number))  # noqa: PERF401 - kept if one breaks off
            finally:
                done(row, rounds)

    def _in_turn(self, row: Row, number: int) -> Iterable[MeasuredServer]:
        """Another one first in every round: whoever comes first has no advantage of it."""
        servers = [*self.servers, *([self.limit] if self.limit is not None and row.beside_limit else [])]
        first = (number - 1) % len(servers)
        return servers[first:] + servers[:first]

    def _measure_once(self, row: Row, server: MeasuredServer, number: int) -> Round:
        average = round(os.getloadavg()[0], 2)
        arguments = row.timed_arguments(self.seconds)
        command = f"framecast bench {row.kind} URL --json --pid PID {' '.join(arguments)}"
        try:
            make_room(row.connections)
            with server.running(self.server_core, row.limits) as running, row.company(running.address):
                said = run_load(running, row.kind, arguments, self.load_core)
        except (NotHereError, ServerError, LoadError, OSError, subprocess.SubprocessError) as error:
            measured = Round(server=server.name, number=number, faults=[str(error)], command=command)
        else:
            measured = Round(
                server=server.name,
                number=number,
                figures=said.figures,
                faults=said.verdict.faults,
                remarks=said.verdict.remarks,
                held_back=find_hold(row, said),
                load_average=average,
                command=command,
            )
        tell(f"  round {number}, {server.name:<10} {describe_figures(row.figures, measured)}")
        return measured


def describe_figures(asked: Sequence[Figure], measured: Round) -> str:
    """A round in a line."""
    if measured.faults:
        return f"NOT VALID: {measured.faults[0]}"
    figures = ", ".join(
        f"{measured.figures[figure.name] * figure.scale:,.2f} {figure.unit}"
        for figure in asked
        if figure.name in measured.figures
    )
    return f"{figures}{f'; held back: {measured.held_back}' if measured.held_back else ''}"


def find_hold(row: Row, said: Said) -> str:
    """What else than the server set the pace; nothing where the server did."""
    if said.verdict.client_saturated:
        return f"the load could not keep up, its busiest thread was for {said.figures['load_busy']:.0%}"
    share = said.figures.get("server_cpu", 0.0)
    if row.at_full_load and share < FULLY_BUSY:
        return f"the server ran for {share:.0%} of the time, at what was to be full load"
    return ""


def tell(line: str) -> None:
    """How far it is, for whoever waits."""
    print(line, file=sys.stderr, flush=True)
