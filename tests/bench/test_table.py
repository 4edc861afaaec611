"""The rounds of the table: in turn, and what goes wrong with one server or row costs no other."""

import os
import sys

import pytest
from bench.comparison import Round
from bench.rows import ROWS
from bench.rows.row import Row
from bench.servers import Limits, MeasuredServer
from bench.table import Table

QUIET, STORM, INGEST = (next(row for row in ROWS if row.name == name) for name in ("quiet", "storm", "ingest-5"))


class Broken(MeasuredServer):
    """It says why and ends."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, limits: Limits, data: str) -> list[str]:
        return [sys.executable, "-c", "import sys; sys.exit('the disk is on fire')"]


class Absent(Broken):
    """There is no such program."""

    def command(self, limits: Limits, data: str) -> list[str]:
        return ["/nowhere/server"]


def measure(table: Table, *rows: Row) -> dict[str, list[Round]]:
    done: dict[str, list[Round]] = {}
    table.measure(rows, lambda row, rounds: done.update({row.name: rounds}))
    return done


def table(*servers: MeasuredServer, limit: MeasuredServer | None = None, rounds: int = 1) -> Table:
    core = min(os.sched_getaffinity(0))
    return Table(servers=servers, limit=limit, rounds=rounds, seconds=0.1, server_core=core, load_core=core)


def test_a_server_that_does_not_start_is_a_fault_with_what_it_said_and_the_next_row_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = measure(table(Broken("broken"), Absent("absent")), STORM, INGEST)
    assert list(done) == ["storm", "ingest-5"]
    for rounds in done.values():
        assert [each.server for each in rounds] == ["broken", "absent"]
        assert all("did not say where it listens" in each.faults[0] and not each.figures for each in rounds)
        assert "the disk is on fire" in rounds[0].faults[0]
    assert "round 1, broken     NOT VALID: broken did not say" in capsys.readouterr().err


def test_every_round_begins_with_another_server_and_the_limit_has_its_rows_only() -> None:
    servers = table(Broken("a"), Broken("b"), limit=Broken("limit"), rounds=2)
    done = measure(servers, QUIET, STORM)
    assert [each.server for each in done["quiet"]] == ["a", "b", "limit", "b", "limit", "a"]
    assert [each.number for each in done["quiet"]] == [1, 1, 1, 2, 2, 2]
    assert [each.server for each in done["storm"]] == ["a", "b", "b", "a"]


def test_what_was_measured_is_kept_when_a_run_is_broken_off() -> None:
    class Interrupting(Broken):
        def command(self, limits: Limits, data: str) -> list[str]:
            raise KeyboardInterrupt

    done: dict[str, list[Round]] = {}
    with pytest.raises(KeyboardInterrupt):
        table(Broken("a"), Interrupting("b")).measure([STORM], lambda row, rounds: done.update({row.name: rounds}))
    assert [each.server for each in done["storm"]] == ["a"]
