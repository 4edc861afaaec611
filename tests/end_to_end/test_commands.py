"""The command line against a running server, as in the README."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from end_to_end.captures import SELECTION
from end_to_end.conftest import ServerStarter
from end_to_end.reference import read_points
from end_to_end.server import FRAMECAST, RunningServer, clean_environment, read_line, run_framecast
from patience import PATIENCE_SECONDS


def test_what_is_pushed_is_what_is_watched(server: RunningServer, stream: str) -> None:
    body = b"cpu,host=a idle=0.5,n=1i 1000000000\ncpu,host=b idle=0.25 2000000001\n"
    pushed = run_framecast("push", stream, "--url", server.url, stdin=body)
    assert pushed.returncode == 0, pushed
    assert b"2 points accepted" in pushed.stderr
    watched = run_framecast("watch", f"stream/{stream}/cpu", "--count", "2", "--format", "json", "--url", server.url)
    assert watched.returncode == 0, watched
    rows = [json.loads(line) for line in watched.stdout.splitlines()]
    assert [row["channel"] for row in rows] == [f"stream/{stream}/cpu"] * 2
    assert [row["labels"] for row in rows] == [{"host": "a"}, {"host": "b"}]
    assert rows[0]["fields"] == {"idle": 0.5, "n": 1}
    assert rows[1]["fields"]["idle"] == 0.25
    assert rows[1]["time"].startswith("1970-01-01T00:00:02.000000001")


def test_watch_shows_what_arrives_while_it_runs(server: RunningServer, stream: str) -> None:
    command = [*FRAMECAST, "watch", f"stream/{stream}/m", "--count", "3", "--format", "json", "--url", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as watching:
        try:
            # A first row, by snapshot or publication, shows that it is subscribed.
            assert run_framecast("push", stream, "--url", server.url, stdin=b"m n=1i 1\n").returncode == 0
            rows = [json.loads(read_line(watching, PATIENCE_SECONDS))]
            assert run_framecast("push", stream, "--url", server.url, stdin=b"m n=2i 2\nm n=3i 3\n").returncode == 0
            out, errors = watching.communicate(timeout=PATIENCE_SECONDS)
        finally:
            watching.kill()
    rows += [json.loads(line) for line in out.splitlines()]
    assert [row["fields"]["n"] for row in rows] == [1, 2, 3]
    assert watching.returncode == 0, errors


def test_push_reports_a_refused_line_by_its_place(server: RunningServer, stream: str, tmp_path: Path) -> None:
    file = tmp_path / "metrics.lp"
    file.write_bytes(b"m n=1i 1\nm n= 2\nm n=3i 3\n")
    pushed = run_framecast("push", stream, str(file), "--url", server.url)
    assert pushed.returncode == 1
    assert f"{file}:2:5: ".encode() in pushed.stderr
    assert b"2 points accepted, 1 rejected" in pushed.stderr


def test_a_stream_shows_what_became_of_its_pushes(start_server: ServerStarter) -> None:
    server = start_server("streams.max_columns=2")
    body = b"cpu,host=a idle=0.5,n=1i\ncpu idle=\ncpu third=1\n"
    assert run_framecast("push", "demo", "--url", server.url, stdin=body).returncode == 1
    refused = httpx.post(
        f"{server.url}/api/live/push/demo?gf_live_frame_format=wide", content=b"cpu n=1i", timeout=PATIENCE_SECONDS
    )
    assert refused.status_code == 400
    page = json.loads(run_framecast("streams", "demo", "--measurement", "cpu", "--json", "--url", server.url).stdout)
    assert page["totals"]["accepted_lines"] == 1
    assert page["rejected_lines_by_reason"] == {"column_limit": 1, "missing_value": 1}
    assert page["refused_pushes_by_reason"] == {"other_format": 1}
    [limit] = page["limits_met"]
    assert (limit["limit"], limit["times"]) == ("streams.max_columns", 1)
    assert [(error["line"], error["reason"]) for error in page["errors"]] == [
        (None, "other_format"),
        (2, "missing_value"),
        (3, "column_limit"),
    ]
    [measurement] = page["measurements"]
    assert measurement["columns"] == [{"name": "idle", "type": "number"}, {"name": "n", "type": "number"}]
    shown = run_framecast("streams", "demo", "--url", server.url)
    assert shown.returncode == 0, shown
    assert b"streams.max_columns" in shown.stdout
    assert b"line 2, column 10: field" in shown.stdout
    listed = run_framecast("streams", "--url", server.url)
    assert listed.stdout.splitlines()[1].split()[:2] == [b"demo", b"labels_column"]
    unknown = run_framecast("streams", "demmo", "--url", server.url)
    assert unknown.returncode == 1
    assert b"did you mean 'demo'?" in unknown.stderr


def test_push_and_watch_say_when_there_is_no_server(tmp_path: Path) -> None:
    nowhere = ("--url", "http://127.0.0.1:1")
    pushed = run_framecast("push", "demo", *nowhere, "--retry-seconds", "0", stdin=b"m n=1i\n")
    assert pushed.returncode == 1
    assert b"cannot connect" in pushed.stderr
    watched = run_framecast("watch", "stream/demo/m", *nowhere)
    assert watched.returncode == 1
    assert b"cannot connect" in watched.stderr


def test_watch_ends_when_its_only_channel_is_refused(server: RunningServer) -> None:
    watched = run_framecast("watch", "nowhere/a/b", "--url", server.url)
    assert watched.returncode == 1
    assert b"404" in watched.stderr


@pytest.mark.parametrize("body", sorted(SELECTION.glob("bodies/clean-ws-*.lp")), ids=lambda file: file.stem)
def test_parse_reads_recorded_bodies_like_the_reference(body: Path) -> None:
    parsed = run_framecast("parse", "--batch", stdin=json_line(body.read_bytes()))
    assert parsed.returncode == 0, parsed
    answer = json.loads(parsed.stdout)
    expected = read_points(body.read_bytes())
    assert [point["measurement"] for point in answer["points"]] == [point.measurement for point in expected]
    assert [point["time_ns"] for point in answer["points"]] == [str(point.time_ns) for point in expected]
    names = [{field[0] for field in point["fields"]} for point in answer["points"]]
    assert names == [set(point.fields) for point in expected]


def json_line(body: bytes) -> bytes:
    return json.dumps({"id": 0, "input_b64": base64.b64encode(body).decode(), "precision": "ns"}).encode() + b"\n"


@pytest.mark.corpus
def test_the_parser_agrees_with_the_reference_on_every_undisputed_case(corpus: Path) -> None:
    cases = corpus / "line-protocol"
    done = subprocess.run(
        [
            sys.executable,
            str(cases / "check_cases.py"),
            str(cases / "cases.jsonl"),
            "--",
            *FRAMECAST,
            "parse",
            "--batch",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
