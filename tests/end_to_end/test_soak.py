"""Half a minute of bench/soak: what half an hour is for is memory, everything else must hold in any time."""

import json
import subprocess
import sys
from pathlib import Path

from bench.soak.visiting import KINDS

from end_to_end.server import clean_environment
from patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


def test_under_churn_nobody_healthy_misses_anything_and_nothing_stays_open(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.soak", "--minutes", "0.5", "--visitors", str(2 * len(KINDS))]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_SECONDS,
        env=clean_environment(),
    )
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
