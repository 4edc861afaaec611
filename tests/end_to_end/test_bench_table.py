"""The table of bench/ as it is run, for a second: ours, the peer in Go and the bare loop in Rust, side by side."""

import json
import os
from pathlib import Path

import pytest

from end_to_end.go_builds import BUILD_SECONDS
from end_to_end.server import run_bench
from patience import PATIENCE_SECONDS


def test_a_row_is_measured_with_all_three_and_kept(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("a measurement pins the server and the load to two cores, and there is one")
    little = ["--only", "quiet", "--rounds", "1", "--seconds", "1"]
    done = run_bench("bench", *little, "--output", str(tmp_path), seconds=BUILD_SECONDS + PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    [kept] = tmp_path.glob("*.json")
    record = json.loads(kept.read_text())
    [row] = record["rows"]
    assert {each["server"] for each in row["rounds"]} == {"framecast", "centrifuge", "bare send"}
    for each in row["rounds"]:
        assert each["faults"] == [], each
        assert 0 < each["figures"]["p50_ms"] <= each["figures"]["p99_ms"]
        assert each["figures"]["deliveries"] > 0
    assert record["ended"] is not None
    assert "github.com/centrifugal/centrifuge" in record["versions"]
    assert kept.with_suffix(".md").read_text().strip() in done.stdout
