"""The streams and a stream's page for a person: aligned, escaped, and what is missing left out."""

import json
from typing import Any

import pytest
import trio

from framecast import cli
from framecast.cli.failure import CommandError
from framecast.cli.stream_page import align, describe_stream, describe_streams
from framecast.cli.streams import _ask
from patience import PATIENCE_SECONDS
from scripted_http import RESET, Answer, scripted_server

RATES = {"pushes": 1, "bytes": 20, "accepted_lines": 1_234, "rejected_lines": 0}
PAGE: dict[str, Any] = {
    "stream": "s",
    "frame_format": "wide",
    "began": {"seconds_ago": 7_300.0, "time": "2026-01-01T00:00:00.000Z"},
    "last_push": None,
    "totals": {
        "pushes": 5,
        "refused_pushes": 0,
        "bytes": 1_000,
        "accepted_lines": 7,
        "rejected_lines": 0,
        "mismatched_values": 0,
        "late_rows": 0,
    },
    "rejected_lines_by_reason": {},
    "refused_pushes_by_reason": {},
    "last_minute": RATES,
    "limits": {},
    "limits_met": [],
    "errors": [],
    "measurements": [],
}


def page(**changes: Any) -> list[str]:
    return describe_stream(json.dumps({**PAGE, **changes}).encode())


def measurement(**changes: Any) -> dict[str, Any]:
    return {
        "measurement": "cpu",
        "channel": "stream/s/cpu",
        "columns_total": 3,
        "minute_rate": 60,
        "subscribers": 2,
        "last_published": {"seconds_ago": 90.0},
        **changes,
    }


def test_streams_are_rows_of_a_table() -> None:
    row = {
        "stream": "telegraf",
        "frame_format": "series",
        "measurements_total": 2,
        "columns_total": 1_500,
        "last_push": {"seconds_ago": 2.4},
        "last_minute": RATES,
        "rejected_lines": 4,
    }
    lines = describe_streams(json.dumps({"streams": [row, {**row, "stream": "a", "last_push": None}]}).encode())
    assert lines == [
        "stream    format  measurements  columns  last push  lines/min  refused/min  refused",
        "telegraf  series             2    1,500    2 s ago      1,234            0        4",
        "a         series             2    1,500      never      1,234            0        4",
    ]
    assert "framecast push" in describe_streams(b'{"streams": []}')[0]


def test_a_page_without_trouble_is_short() -> None:
    assert page(measurements=[measurement()]) == [
        "s  wide, since 2 h ago, last push never",
        "",
        "             pushes  bytes  lines  refused lines",
        "last minute       1     20  1,234              0",
        "in all            5  1,000      7              0",
        "",
        "measurement  channel       columns  published/min  subscribers       last",
        "cpu          stream/s/cpu        3             60            2  2 min ago",
    ]


def test_trouble_is_told_with_its_reasons_limits_and_places() -> None:
    totals = {**PAGE["totals"], "rejected_lines": 12, "refused_pushes": 1, "mismatched_values": 3, "late_rows": 7}
    lines = page(
        totals=totals,
        mismatches={"last": {"seconds_ago": 3}, "columns": ["field \x1b: text"]},
        rejected_lines_by_reason={"bad_value": 2, "column_limit": 10},
        refused_pushes_by_reason={"other_format": 1},
        limits_met=[
            {"limit": "streams.max_columns", "reason": "column_limit", "times": 10, "last": {"seconds_ago": 3}},
            {"limit": None, "reason": "path_limit", "times": 1, "last": {"seconds_ago": 300_000}},
        ],
        errors=[
            {
                "seconds_ago": 3,
                "line": 2,
                "column": 5,
                "reason": "x",
                "message": "line 2, column 5: \x1b[0m is no value",
            },
            {"seconds_ago": 60, "line": None, "column": None, "reason": "y", "message": "another format"},
        ],
    )
    assert lines[5:-2] == [
        "refused lines: column_limit 10, bad_value 2",
        "refused pushes: other_format 1",
        "values of another type than their column: 3",
        r"  field \x1b: text",
        "rows older than the newest before them: 7",
        "",
        "limit met            reason        times     last",
        "streams.max_columns  column_limit     10  3 s ago",
        "(fixed)              path_limit        1  3 d ago",
        "",
        "newest errors",
        r"  3 s ago  line 2, column 5: \x1b[0m is no value",
        "  1 min ago  push: another format",
    ]


def test_columns_are_shown_where_the_server_gave_them() -> None:
    columns = [{"name": "n", "type": "number", "labels": {"h": "a", "k": "b"}}, {"name": "\x1b[2J", "type": "string"}]
    assert page(measurements=[measurement(columns=columns)])[-4:] == [
        "",
        "column   type    labels",
        "n        number  h=a k=b",
        r"\x1b[2J  string",
    ]


def test_wide_characters_are_aligned() -> None:
    assert align([("日本", "1"), ("abcde", "10")], left=1) == ["日本    1", "abcde  10"]


async def test_the_server_is_asked_with_the_token() -> None:
    async with scripted_server([Answer(200, b"{}")]) as server:
        assert await _ask(f"{server.url}/api/live/streams/a%20b", "secret") == b"{}"
    assert server.targets == ["/api/live/streams/a%20b"]
    assert server.headers[0]["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Answer(404, b'{"message": "there is no stream"}'), "404 Not Found: there is no stream"),
        (Answer(401), "401"),
        (Answer(302, headers=(("Location", "/login"),)), "/login"),
        (RESET, "closed the connection"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(step: Answer | str, words: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with scripted_server([step]) as server:
            with pytest.raises(CommandError, match=words) as failure:
                await _ask(f"{server.url}/api/live/streams", None)
    assert failure.value.status == 1


def test_an_answer_of_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(address: str, token: str | None) -> bytes:
        return b"<html>"

    monkeypatch.setattr("framecast.cli.streams._ask", ask)
    assert cli.main(["streams"]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_json_is_the_answer_as_it_came(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, str | None]] = []

    async def ask(address: str, token: str | None) -> bytes:
        asked.append((address, token))
        return '{"stream": "\x9b"}'.encode()

    monkeypatch.setattr("framecast.cli.streams._ask", ask)
    monkeypatch.setenv("FRAMECAST_TOKEN", "secret")
    arguments = ["streams", "a/b", "--measurement", "disk io&", "--json", "--url", "http://x:1/"]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"stream": "\x9b"}
    assert out.isascii()
    assert asked == [("http://x:1/api/live/streams/a%2Fb?measurement=disk%20io%26", "secret")]
