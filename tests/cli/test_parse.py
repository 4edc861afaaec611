"""Checking line protocol: points, carets, frames, and the request protocol that never dies."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast import cli
from framecast.cli.parse import answer_request, answer_requests, describe_point, mark_column
from framecast.cli.rows import display_width
from patience import PATIENCE_SECONDS


def parse(tmp_path: Path, data: bytes, *options: str) -> int:
    file = tmp_path / "a.lp"
    file.write_bytes(data)
    return cli.main(["parse", str(file), *options])


def test_points_are_shown_with_types_and_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = b'cpu,host=a usage=1.5,n=3i,u=4u,ok=t,s="x\\"\ny" 1700000000123456789\nm f=1\n'
    assert parse(tmp_path, body) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "2023-11-14T22:13:20.123456789Z  cpu{host=a}  "
        'usage=1.5 (float), n=3 (int), u=4 (uint), ok=true (bool), s="x\\"\\ny" (string)\n'
        "(no time)  m  f=1 (float)\n"
    )
    assert captured.err.endswith("a.lp: 2 points, every line is good\n")


def test_a_bad_line_is_shown_with_a_caret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(tmp_path, b"m f=1 1\nmem,host=a used=,free=2\nm f=3 3\n") == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    lines = captured.err.splitlines()
    assert lines[0].startswith("line 2, column ")
    assert lines[0].count("line 2") == 1
    column = int(lines[0].split(":")[0].rsplit(" ", 1)[1])
    assert lines[1] == "  mem,host=a used=,free=2"
    assert lines[2] == " " * (1 + column) + "^"
    assert lines[3].endswith("2 points, 1 bad line")


def test_line_numbers_count_through_all_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(tmp_path, b'm f="a\nb"\n' * 1500 + b"m f=\n") == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1500
    assert captured.err.startswith("line 3001, column ")
    assert "line 1," not in captured.err


def test_the_precision_is_the_timestamps_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(tmp_path, b"m f=1 1700000000", "--precision", "s") == 0
    assert capsys.readouterr().out.startswith("2023-11-14T22:13:20Z ")


@pytest.mark.parametrize("precision", ["d", "NS"])
def test_another_precision_is_refused(tmp_path: Path, precision: str) -> None:
    assert parse(tmp_path, b"m f=1", "--precision", precision) == 2


def test_frames_are_what_a_push_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(tmp_path, b"cpu,h=a x=1 1000000\nbad\ncpu,h=b x=2 2000000\n", "--frames") == 1
    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert (shown["measurement"], shown["rows"]) == ("cpu", 2)
    assert shown["frame"]["data"]["values"] == [["h=a", "h=b"], [1, 2], [1, 2]]
    assert captured.err.startswith("line 2, column")


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["parse", "/nowhere.lp"]) == 1
    assert capsys.readouterr().err == "framecast: cannot read /nowhere.lp: No such file or directory\n"


def test_a_point_cannot_write_to_the_terminal() -> None:
    point = {"measurement": "m\x1b", "tags": [["t\n", "v"]], "fields": [["f", "string", "\x1b[2J\x9b"]], "time_ns": "0"}
    text = describe_point(point)
    assert text.isprintable()
    assert "m\\x1b{t\\n=v}" in text


@pytest.mark.parametrize(
    ("line", "column", "excerpt", "caret"),
    [
        (b"m f=", 5, "m f=", 4),
        (b"m\x1b f=x", 6, "m\\x1b f=x", 8),
        ("日本 f=x".encode(), 10, "日本 f=x", 7),
        (b"m\xff f=x\r", 6, "m\ufffd f=x", 5),
        (b"", 1, "", 0),
    ],
)
def test_the_caret_stands_under_the_column(line: bytes, column: int, excerpt: str, caret: int) -> None:
    assert mark_column(line, column, 80) == (excerpt, caret)


@given(st.binary(max_size=300), st.integers(1, 320), st.integers(40, 100))
def test_an_excerpt_fits_and_holds_its_caret(line: bytes, column: int, columns: int) -> None:
    excerpt, caret = mark_column(line, column, columns)
    assert display_width(excerpt) <= columns
    assert 0 <= caret <= display_width(excerpt)
    assert "\x1b" not in excerpt


def test_a_long_line_is_cut_around_the_column() -> None:
    excerpt, caret = mark_column(b"a" * 500 + b"!" + b"b" * 500, 501, 60)
    assert excerpt[caret] == "!"
    assert excerpt.startswith("…a")
    assert excerpt.endswith("b…")


def request(body: bytes, identity: Any = 1, precision: str = "ns") -> bytes:
    return json.dumps({"id": identity, "input_b64": base64.b64encode(body).decode(), "precision": precision}).encode()


def test_a_request_is_answered_with_its_id() -> None:
    answer = json.loads(answer_request(request(b"m f=1 5", "x")))
    assert answer["id"] == "x"
    assert answer["points"][0]["fields"] == [["f", "float", "1"]]
    answer = json.loads(answer_request(request(b"m f=\nm g=1", 7)))
    assert (answer["id"], answer["error"], answer["line"]) == (7, True, 1)
    assert len(answer["points_ok"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b"{}",
        b'{"id":1}',
        b'{"id":1,"input_b64":3}',
        b'{"id":1,"input_b64":"*"}',
        b'{"id":1,"input_b64":"","precision":"d"}',
        b'{"id":1,"input_b64":"","precision":3}',
        '{"id":1,"input_b64":"é"}'.encode(),
    ],
)
def test_a_bad_request_gets_an_answer(line: bytes) -> None:
    answer = json.loads(answer_request(line))
    assert answer["error"] is True
    assert answer["id"] == (1 if b'"id"' in line else None)
    assert answer["message"].startswith("bad request: ")


@given(st.binary(max_size=60))
def test_no_request_line_breaks_the_answering(line: bytes) -> None:
    assert isinstance(json.loads(answer_request(line)), dict)


def test_the_batch_goes_on_after_a_bad_request(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("framecast.cli.parse.REQUEST_BYTES", 200)
    feed = request(b"m f=1", 1) + b"\nnonsense\n" + b"x" * 900 + b"\n" + request(b"m f=2", 2)
    assert answer_requests(io.BytesIO(feed)) == 0
    answers = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [answer["id"] for answer in answers] == [1, None, None, 2]


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    file = tmp_path / "a.lp"
    file.write_bytes(b"m f=1 1\n" * 50_000)
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    command = [sys.executable, "-m", "framecast.cli", "parse", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b"m  f=1 (float)\n")
        process.stdout.close()
        err = process.stderr.read()
        process.wait(PATIENCE_SECONDS)
    assert err == b""
    assert process.returncode == 141
