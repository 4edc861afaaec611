"""The page of a record: every figure with its goal, and whatever is wrong said beside it."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bench.comparison import Round
from bench.load import Said, Verdict
from bench.machine import MODULES, Machine, read_go_versions
from bench.page import write_page
from bench.record import Record, record_row
from bench.rows import ROWS
from bench.rows.row import Row
from bench.servers import ROOT
from bench.table import find_hold

from bench import record

ROW = {row.name: row for row in ROWS}
GOALS = {
    "steady-1000": 3,
    "steady-5000": 3,
    "channels": 2,
    "quiet": 2,
    "full-100": 1,
    "full-1000": 1,
    "full-10000": 1,
    "idle": 1,
    "storm": 1,
    "stalled": 1,
    "ingest-5000": 1,
    "ingest-5": 1,
}


def measured(row: Row, server: str, value: float, number: int = 1, **more: object) -> Round:
    figures = {figure.name: value / figure.scale for figure in row.figures}
    return msgspec.structs.replace(Round(server=server, number=number, figures=figures, command="bench x"), **more)


def a_record(*rows: tuple[Row, list[Round]]) -> Record:
    return Record(
        command="python -m bench",
        commit="abc",
        began="2026-11-28T12:00:00+00:00",
        machine=Machine("some-cpu", "Some CPU", 2, 8_000_000_000, "Linux 6"),
        versions={"Python": "3.11"},
        rounds=1,
        seconds=5.0,
        server_core=0,
        load_core=1,
        servers={"framecast": "python -m framecast.cli serve"},
        rows=[record_row(row, rounds) for row, rounds in rows],
    )


def cells(page: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1, "the columns do not fit one another"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_row_of_the_table_that_is_to_be_reached_is_there() -> None:
    assert {row.name: len(row.figures) for row in ROWS} == GOALS


def test_a_row_shows_all_three_with_ratios_and_goals() -> None:
    row = ROW["full-100"]
    rounds = [measured(row, "framecast", 900_000), measured(row, "centrifuge", 200_000)]
    rounds += [measured(row, "bare send", 150_000)]
    [line] = cells(write_page(a_record((row, rounds))))
    assert line[0] == "full load, 100 subscribers"
    assert line[2:5] == ["900,000 [900,000-900,000]", "200,000 [200,000-200,000]", "150,000 [150,000-150,000]"]
    assert line[5:] == ["4.50", "≥ 4", "met", "6.00", "≥ 1", "met"]


def test_what_is_missed_is_marked_and_what_has_no_limit_is_left_empty() -> None:
    row = ROW["idle"]
    [line] = cells(write_page(a_record((row, [measured(row, "framecast", 31), measured(row, "centrifuge", 40)]))))
    assert line[1:5] == ["kB/connection", "31.00 [31.00-31.00]", "40.00 [40.00-40.00]", "-"]
    assert line[5:] == ["0.78", "≤ 0.5", "**missed**", "-", "-", ""]


def test_faults_and_holds_stand_beside_the_figures_and_below_them() -> None:
    row = ROW["storm"]
    rounds = [
        measured(row, "framecast", 1.0),
        measured(row, "framecast", 9.0, 2, faults=["2 of 2,000 could not connect\nand more"]),
        measured(row, "centrifuge", 3.0, held_back="the load could not keep up"),
    ]
    page = write_page(a_record((row, rounds)))
    [line] = cells(page)
    assert line[2:4] == ["1.00 [1.00-1.00] !", "3.00 [3.00-3.00] *"]
    assert line[7] == "not judged"
    assert "framecast, round 2: 2 of 2,000 could not connect\n" in page
    assert "centrifuge, round 1: held back, the load could not keep up" in page
    assert "Not complete" in page


def test_a_server_without_one_valid_round_is_no_figure() -> None:
    row = ROW["quiet"]
    page = write_page(a_record((row, [measured(row, "framecast", 1.0, faults=["it did not start"])])))
    assert [line[2] for line in cells(page)] == ["not valid !"] * 2


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    row = ROW["ingest-5"]
    kept = a_record((row, [measured(row, "framecast", 3_000)]))
    place = tmp_path / "some-cpu" / "2026-11-28"
    for _ in range(2):
        record.write(kept, write_page(kept), place)
    assert msgspec.json.decode(place.with_suffix(".json").read_bytes(), type=Record) == kept
    assert sorted(file.name for file in place.parent.iterdir()) == ["2026-11-28.json", "2026-11-28.md"]


def said(*, busy: float, saturated: bool, server: float) -> Said:
    return Said({"load_busy": busy, "server_cpu": server}, Verdict([], [], saturated), "")


@pytest.mark.parametrize(
    ("row", "found", "words"),
    [
        ("steady-1000", said(busy=0.9, saturated=True, server=0.3), "the load could not keep up"),
        ("steady-1000", said(busy=0.2, saturated=False, server=0.3), ""),
        ("full-100", said(busy=0.2, saturated=False, server=0.3), "the server ran for 30% of the time"),
        ("full-100", said(busy=0.2, saturated=False, server=0.97), ""),
        ("ingest-5", said(busy=0.2, saturated=False, server=0.5), "the server ran for 50% of the time"),
    ],
)
def test_who_else_set_the_pace_is_told(row: str, found: Said, words: str) -> None:
    hold = find_hold(ROW[row], found)
    assert hold.startswith(words)
    assert bool(hold) == bool(words)


def test_too_few_open_files_are_told_with_what_to_do() -> None:
    program = "import resource as r, bench.cores as c; r.setrlimit(r.RLIMIT_NOFILE, (200, 999)); c.make_room(%d)"
    ends = [
        subprocess.run([sys.executable, "-c", program % clients], cwd=ROOT, capture_output=True, text=True, check=False)
        for clients in (700, 800)
    ]
    assert [end.returncode for end in ends] == [0, 1]
    assert "800 clients need 1,056 open files" in ends[1].stderr
    assert "ulimit -Hn" in ends[1].stderr


def test_the_modules_of_the_peer_are_read_from_its_program() -> None:
    lines = "".join(f"\tdep\t{name}\tv1.{place}.0\th1:x=\n" for place, name in enumerate(MODULES))
    versions = read_go_versions(
        f".tools/bin/peer: go1.26.8\n\tpath\tframecast/bench/peer\n{lines}\tbuild\t-compiler=gc\n"
    )
    assert versions == {"Go": "1.26.8", **{name: f"v1.{place}.0" for place, name in enumerate(MODULES)}}
