"""bench/plugins as it is run, with little of everything: the host beside grpcio, and a server with the Go plugin."""

import json
import os
from pathlib import Path

import pytest

from end_to_end.go_builds import BUILD_SECONDS
from end_to_end.server import run_bench
from patience import PATIENCE_SECONDS

LITTLE = ["--rounds", "1", "--packets", "1000", "--subscribers", "10", "--streams", "5", "--seconds", "2"]
ASKED = ["read", "many", "many-late", "beat"]


def test_plugins_are_measured_beside_grpcio_and_kept(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("a measurement pins the server and the load to two cores, and there is one")
    only = [part for name in ASKED for part in ("--only", name)]
    seconds = BUILD_SECONDS + 2 * PATIENCE_SECONDS
    done = run_bench("bench.plugins", *LITTLE, *only, "--output", str(tmp_path), seconds=seconds)
    [kept] = tmp_path.glob("*.json")
    record = json.loads(kept.read_text())
    rounds = {answer["name"]: answer["rounds"] for answer in record["answers"]}
    assert list(rounds) == ASKED
    for name, each in ((name, each) for name, answers in rounds.items() for each in answers):
        # A stream that is behind its beat on a busy machine is no mistake of what measures it.
        assert name == "beat" or each["faults"] == [], (each, done.stderr)
        assert each["figures"], (each, done.stderr)
    assert {each["server"] for each in rounds["read"]} == {"framecast", "grpcio"}
    [many] = rounds["many"]
    assert many["figures"]["deliveries_s"] > many["figures"]["packets_s"] > 0
    assert record["ended"] is not None
    assert "github.com/grafana/grafana-plugin-sdk-go" in record["versions"]
    assert kept.with_suffix(".md").read_text().strip() in done.stdout
