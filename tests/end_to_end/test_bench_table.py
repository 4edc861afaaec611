"""The table of bench/ as it is run, for a second: ours, the peer in Go and the bare loop in Rust, side by side."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.go_builds import BUILD_SECONDS
from end_to_end.server import clean_environment
from patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


def test_a_row_is_measured_with_all_three_and_kept(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("a measurement pins the server and the load to two cores, and there is one")
    command = [sys.executable, "-m", "bench", "--only", "quiet", "--rounds", "1", "--seconds", "1"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS + PATIENCE_SECONDS,
        env=clean_environment(),
    )
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
