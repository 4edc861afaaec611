"""``framecast bench`` against this server, as its users run it: counts, figures, reports, exit statuses."""

import json
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from end_to_end.conftest import ServerStarter
from end_to_end.sdk_tokens import SECRET, signed
from end_to_end.server import FRAMECAST, RunningServer, clean_environment, run_framecast, serve_command
from patience import PATIENCE_SECONDS

SECONDS = PATIENCE_SECONDS
"""For a run that takes five seconds on a machine that is not busy."""
SMALL = ("--subscribers", "5", "--seconds", "1", "--warm-up", "0.2")


def bench(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return run_framecast("bench", *arguments)


def bench_json(*arguments: str, status: int = 0) -> dict[str, Any]:
    done = bench(*arguments, "--json")
    assert done.returncode == status, done
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["valid"] == (status == 0)
    return report


@pytest.mark.parametrize(
    "way",
    [
        ("--publish", "push"),
        ("--publish", "push-socket", "--protocol", "protobuf"),
        ("--publish", "command", "--channel", "grafana/broadcast/bench-{stream}", "--prefix", "1"),
        ("--publish", "push", "--channels", "3", "--publishers", "2", "--prefix", "default"),
    ],
    ids=" ".join,
)
def test_every_publication_reaches_every_subscriber_however_it_is_published(
    server: RunningServer, stream: str, way: tuple[str, ...]
) -> None:
    way = tuple(word.format(stream=stream) for word in way)
    channels = 3 if "--channels" in way else 1
    report = bench_json("latency", server.url, "--stream", stream, "--rate", "20", *SMALL, *way)
    # One on each channel to begin with, then 1.2 s of 20 a second, of which a second counts.
    assert report["findings"]["publications"]["sent"] == 25 * channels
    assert report["findings"]["subscribers"]["deliveries"] == 5 * 25 * channels
    latencies = report["findings"]["latencies"]
    assert latencies["from_due"]["count"] == latencies["from_sent"]["count"] == 5 * 20 * channels
    figures = report["figures"]
    assert [figures[name] for name in ("missing", "gaps", "reordered", "duplicated")] == [0] * 4
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert figures["sent_p50_ms"] <= figures["p50_ms"] * 1.01
    assert report["verdict"]["faults"] == []
    assert len(latencies["slices"]) == 10


def test_a_table_and_a_page_tell_the_same_run(server: RunningServer, stream: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    pid = str(server.process.pid)
    done = bench("latency", server.url, "--stream", stream, *SMALL, "--pid", pid, "--html", str(page))
    assert done.returncode == 0, done
    assert done.stderr == b""  # no progress bar where stderr is no terminal
    table = done.stdout.decode()
    for words in ("p99.9", "0 missing, 0 gaps", "Coordinated omission", "subscribers 1:", "for a delivery"):
        assert words in table
    root = ET.fromstring(page.read_text().removeprefix("<!DOCTYPE html>"))
    text = "".join(root.itertext())
    assert all(line in text for line in table.splitlines())
    assert f"framecast bench latency {server.url}" in text
    polylines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(polylines) >= 7
    assert all(len(element.attrib["points"].split()) >= 2 for element in polylines)


def test_full_load_counts_deliveries_and_loses_none(server: RunningServer, stream: str) -> None:
    report = bench_json("fanout", server.url, "--stream", stream, *SMALL, "--channels", "2", "--in-flight", "4")
    audience = report["findings"]["subscribers"]
    assert audience["deliveries"] == 5 * report["findings"]["publications"]["sent"]
    assert audience["missing"] == audience["reordered"] == 0
    assert report["figures"]["deliveries_per_second"] > 0
    assert report["figures"]["megabytes_per_second"] > 0


@pytest.mark.parametrize("packed", [(), ("--gzip",)])
def test_bodies_are_accepted_and_heard(server: RunningServer, stream: str, packed: tuple[str, ...]) -> None:
    arguments = ("--lines", "20", "--connections", "2", "--subscribers", "2", "--seconds", "1", "--warm-up", "0.2")
    report = bench_json("ingest", server.url, "--stream", stream, *arguments, *packed)
    ingest = report["findings"]["ingest"]
    assert ingest["lines"] == 20 * ingest["requests"] > 0
    assert ingest["refused"] == []
    assert report["findings"]["subscribers"]["deliveries"] > 0
    page = httpx.get(f"{server.url}/api/live/streams/{stream}", timeout=PATIENCE_SECONDS).json()
    assert page["totals"]["accepted_lines"] >= ingest["lines"]
    assert page["totals"]["rejected_lines"] == 0


def test_bodies_that_are_too_large_are_told_by_their_status(start_server: ServerStarter, tmp_path: Path) -> None:
    server = start_server("push.body_bytes=1000")
    file = tmp_path / "large.lp"
    file.write_bytes(b"m x=1\n" * 1_000)
    done = bench("ingest", server.url, "--file", str(file), "--seconds", "1")
    assert done.returncode == 1
    assert b"NOT VALID: the server refuses what is published: answered with HTTP 413" in done.stdout


def test_clients_connect_and_are_timed(server: RunningServer) -> None:
    pid = str(server.process.pid)
    report = bench_json("connect", server.url, "--subscribers", "50", "--idle", "0.5", "--pid", pid)
    audience = report["findings"]["subscribers"]
    assert (audience["ready"], audience["readiness"]["count"], audience["failures"]) == (50, 50, [])
    assert report["figures"]["ready_max_ms"] >= report["figures"]["open_p50_ms"] > 0
    assert report["findings"]["process"]["end"]["resident_bytes"] > 0
    assert "resident_bytes_per_connection" in report["figures"]


def test_the_limit_of_connections_is_told_with_its_setting(start_server: ServerStarter) -> None:
    server = start_server("live.max_connections=3")
    done = bench("latency", server.url, "--subscribers", "8", "--at-once", "1", "--seconds", "1")
    assert done.returncode == 1
    words = done.stdout.replace(b"\n", b" ")
    assert b"5 of 8 subscribers could not connect and subscribe: closed by the server with 3504" in words
    assert b"live.max_connections of Framecast" in words
    report = bench_json("connect", server.url, "--subscribers", "8", "--at-once", "1", "--idle", "0.1", status=1)
    assert report["figures"]["failed"] == 5
    [failure] = report["findings"]["subscribers"]["failures"]
    assert (failure["what"], failure["code"], failure["count"]) == ("closed", 3504, 5)


def test_who_is_let_in_by_nobody_is_told_so(start_server: ServerStarter) -> None:
    server = start_server(dev=False)
    connecting = ("connect", "--subscribers", "2", "--idle", "0.1")
    # A subscriber may bring a token yet when its socket is open, a push may not.
    for measurement, told in ((("latency",), b"101"), (("ingest",), b"HTTP 401"), (connecting, b"101")):
        refused = bench(*measurement, server.url)
        assert refused.returncode == 1
        assert told in refused.stdout
        assert b"--token" in refused.stdout


def test_a_wrong_token_is_told_and_a_right_one_lets_in(start_server: ServerStarter) -> None:
    server = start_server(f"tokens.hmac_secret={SECRET}", dev=False)
    listen = ("connect", server.url, "--subscribers", "2", "--idle", "0.1", "--channel", "stream/a/b")
    report = bench_json(*listen, status=1)
    [failure] = report["findings"]["subscribers"]["failures"]
    assert (failure["what"], failure["code"], failure["count"]) == ("connect_refused", 101, 2)
    wrong = bench_json(*listen, "--token", signed("another secret, long enough", sub="u"), status=1)
    [failure] = wrong["findings"]["subscribers"]["failures"]
    assert (failure["what"], failure["code"], failure["count"]) == ("refused", 401, 2), "it comes in a header too"
    token = signed(sub="u")
    for protocol in ("json", "protobuf"):
        right = bench(*listen, "--token", token, "--protocol", protocol, "--json")
        assert right.returncode == 0, right
        assert token not in right.stdout.decode()


def test_a_server_that_is_killed_is_told_at_once(tmp_path: Path) -> None:
    server = RunningServer(serve_command(tmp_path / "data"), tmp_path / "stderr.log")
    try:
        with running_bench("latency", server.url, "--subscribers", "3", "--seconds", "3600", "--json") as command:
            wait_for_pushes(server, 5)
            server.kill()
            out, errors = command.communicate(timeout=SECONDS)
    finally:
        server.kill()
    assert command.returncode == 1, errors
    report = json.loads(out)
    assert report["findings"]["problem"]["what"] in {"publisher_lost", "all_lost"}
    assert sum(ending["count"] for ending in report["findings"]["subscribers"]["losses"]) == 3
    assert b"connection lost" in errors


def test_an_interrupted_run_shows_what_it_has(server: RunningServer, stream: str) -> None:
    arguments = ("--subscribers", "3", "--seconds", "3600", "--warm-up", "0", "--stream", stream)
    with running_bench("latency", server.url, *arguments) as command:
        wait_for_pushes(server, 5, stream)
        command.send_signal(signal.SIGINT)
        out, errors = command.communicate(timeout=SECONDS)
    assert command.returncode == 130, errors
    assert b"Traceback" not in errors
    assert b"0 missing, 0 gaps" in out
    assert b"NOT VALID: stopped before its end" in out


@contextmanager
def running_bench(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A bench that runs beside the block, and does not outlive it."""
    command = [*FRAMECAST, "bench", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_pushes(server: RunningServer, count: int, stream: str = "bench") -> None:
    """Until a stream has had so many pushes: the bench is at work."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = httpx.get(f"{server.url}/api/live/streams/{stream}", timeout=PATIENCE_SECONDS)
        if answer.is_success and answer.json()["totals"]["pushes"] >= count:
            return
        time.sleep(0.05)  # another process, nothing to wait on
    raise AssertionError("the bench does not push")
