"""Half a minute of bench/soak: what half an hour is for is memory, everything else must hold in any time."""

import json
from pathlib import Path

from bench.soak.visiting import KINDS

from end_to_end.server import run_bench
from patience import PATIENCE_SECONDS


def test_under_churn_nobody_healthy_misses_anything_and_nothing_stays_open(tmp_path: Path) -> None:
    short = ["--minutes", "0.5", "--visitors", str(2 * len(KINDS))]
    done = run_bench("bench.soak", *short, "--output", str(tmp_path), seconds=2 * PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    [kept] = tmp_path.glob("*.json")
    soaked = json.loads(kept.read_text())["soaked"]
    assert soaked["faults"] == []
    assert set(soaked["visits"]) == set(KINDS)
    # Four transports hear every row, from the first to the last.
    assert soaked["rows_heard"] == 4 * soaked["rows_sent"] > 0
    assert soaked["rest_after"]["descriptors"] == soaked["rest_before"]["descriptors"]
    assert max(sample["descriptors"] for sample in soaked["samples"]) > soaked["rest_before"]["descriptors"] + len(
        KINDS
    )
