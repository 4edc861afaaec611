"""What becomes of a stream's pushes, as the page of the stream and the list of streams tell it."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import trio
from site_of_app import Site, as_other_org, check_problem, site

from framecast.accounts.identity import Identity, Reach, Role
from framecast.api import streams as pages
from framecast.door.head import RequestHead
from framecast.settings import Streams
from live_world import stream_address


class Times:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def read(here: Site, path: str = "") -> Any:
    answer = await here.client.get(f"/api/live/streams{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    return answer.json()


def ago(moment: Any, seconds: float) -> None:
    """Both spellings of a moment say that it was so long ago."""
    assert moment["seconds_ago"] == seconds
    told = datetime.fromisoformat(moment["time"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment["time"])
    assert abs((datetime.now(UTC) - told).total_seconds() - seconds) < 60


async def test_a_stream_tells_what_became_of_its_pushes() -> None:
    times = Times()
    async with site(clock=times) as here:
        await here.world.push("s", b"cpu,host=a n=1i\nm n=1i\nm n=\n")
        times.now += 90
        await here.world.push("s", b'cpu n="text"\n')
        times.now += 5
        page = await read(here, "/s")
        assert (page["stream"], page["frame_format"]) == ("s", "labels_column")
        ago(page["began"], 95)
        ago(page["last_push"], 5)
        assert page["totals"] == {
            "pushes": 2,
            "refused_pushes": 0,
            "bytes": 41,
            "accepted_lines": 3,
            "rejected_lines": 1,
            "mismatched_values": 1,
            "late_rows": 0,
        }
        ago(page["mismatches"]["last"], 5)
        [sentence] = page["mismatches"]["columns"]
        assert sentence.startswith('measurement "cpu", field "n": text where the column holds numbers')
        assert page["rejected_lines_by_reason"] == {"missing_value": 1}
        assert page["last_minute"] == {"pushes": 1, "bytes": 13, "accepted_lines": 1, "rejected_lines": 0}
        [error] = page["errors"]
        ago({name: error.pop(name) for name in ("seconds_ago", "time")}, 95)
        message = error.pop("message")
        assert error == {"line": 3, "column": 5, "reason": "missing_value"}
        assert message.startswith("line 3, column 5: ")


async def test_a_stream_tells_its_measurements_with_those_who_watch_them() -> None:
    times = Times()
    async with site(clock=times) as here:
        subscriber = here.world.subscriber()
        here.world.hub.subscribe(subscriber.connection, stream_address("disk=20io"), "x")
        await here.world.push("s", b"disk\\ io n=1i,k=2i\n")
        times.now += 2
        await here.world.push("s", b"a n=1i\n")
        rows = (await read(here, "/s"))["measurements"]
        ago(rows[0].pop("last_published"), 0)
        ago(rows[1].pop("last_published"), 2)
        assert rows == [
            {
                "measurement": "a",
                "channel": "stream/s/a",
                "columns_total": 1,
                "minute_rate": 1,
                "subscribers": 0,
                "kept": {"publications": 1, "rows": 1, "bytes": rows[0]["kept"]["bytes"]},
            },
            {
                "measurement": "disk io",
                "channel": "stream/s/disk=20io",
                "columns_total": 2,
                "minute_rate": 1,
                "subscribers": 1,
                "kept": {"publications": 1, "rows": 1, "bytes": rows[1]["kept"]["bytes"]},
            },
        ]
        assert rows[1]["kept"]["bytes"] > 100
        times.now += 60
        assert [row["minute_rate"] for row in (await read(here, "/s"))["measurements"]] == [0, 0]


async def test_the_columns_come_for_one_measurement_that_is_asked_for() -> None:
    async with site() as here:
        await here.world.streams.push(1, "s", b"disk\\ io,h=a n=1i,k=t\ncpu n=1i", 0, frame_format="wide")
        [row] = (await read(here, "/s?measurement=disk%20io"))["measurements"]
        assert row["columns"] == [
            {"name": "k", "type": "boolean", "labels": {"h": "a"}},
            {"name": "n", "type": "number", "labels": {"h": "a"}},
        ]
        assert row["columns_total"] == 2
        await here.world.push("t", b"cpu,h=a n=1i")
        [row] = (await read(here, "/t?measurement=cpu"))["measurements"]
        assert row["columns"] == [{"name": "n", "type": "number"}]
        assert "columns" not in (await read(here, "/t?measurement="))["measurements"][0]
        message = check_problem(await here.client.get("/api/live/streams/s?measurement=disk"), 404)
        assert message == "stream 's' has no measurement 'disk'; did you mean 'disk io'?"
        message = check_problem(await here.client.get("/api/live/streams/s?measurement=%1b%5b0m"), 404)
        assert message == r"stream 's' has no measurement '\x1b[0m'."


async def test_a_limit_that_was_met_is_named_with_its_setting() -> None:
    times = Times()
    async with site(clock=times, streams=Streams(max_columns=2, max_measurements=2)) as here:
        await here.world.push("s", b"b a=1,b=1\nb c=1\nb d=1\n")
        times.now += 3
        await here.world.push("s", b"k a=1\nl a=1\nn a=1\n")
        page = await read(here, "/s")
        for limit, seconds in zip(page["limits_met"], (0, 3), strict=True):
            ago(limit.pop("last"), seconds)
        assert page["limits_met"] == [
            {"limit": "streams.max_measurements", "reason": "measurement_limit", "times": 2},
            {"limit": "streams.max_columns", "reason": "column_limit", "times": 2},
        ]
        assert page["limits"]["streams.max_measurements"] == {"limit": 2, "used": 2}
        assert page["limits"]["streams.max_columns"] == {"limit": 2, "used": 2, "measurement": "b"}
        assert page["limits"]["streams.packet_bytes"] == {"limit": Streams().packet_bytes}


async def test_a_limit_that_is_no_setting_is_named_by_its_reason_alone() -> None:
    async with site() as here:
        await here.world.push("s", b"m n=1i\n" + b"x" * 200 + b" n=1i\n")
        [limit] = (await read(here, "/s"))["limits_met"]
        assert (limit["limit"], limit["reason"], limit["times"]) == (None, "path_limit", 1)


async def test_a_refused_push_is_among_the_errors_without_a_place() -> None:
    async with site() as here:
        await here.world.push("s", b"m n=1i")
        answer = await here.client.post("/api/live/push/s?gf_live_frame_format=wide", content=b"m n=1i")
        assert answer.status_code == 400
        page = await read(here, "/s")
        assert page["totals"]["refused_pushes"] == 1
        assert page["refused_pushes_by_reason"] == {"other_format": 1}
        [error] = page["errors"]
        assert (error["line"], error["column"], error["reason"]) == (None, None, "other_format")
        assert page["limits_met"] == []


async def test_streams_are_listed_by_id_with_what_they_are() -> None:
    times = Times()
    async with site(clock=times) as here:
        await here.world.push("z", b"m n=1i\nk n=1i,l=2i\nbad")
        times.now += 70
        await here.world.streams.push(1, "a", b"m,h=a n=1i\nm,h=b n=1i", 0, frame_format="series")
        await here.world.push("never", b"bad")
        await here.world.push("hidden", b"m n=1i", org_id=2)
        rows = (await read(here))["streams"]
        ago(rows[0].pop("last_push"), 0)
        ago(rows[1].pop("last_push"), 70)
        assert rows == [
            {
                "stream": "a",
                "frame_format": "series",
                "measurements_total": 1,
                "columns_total": 2,
                "last_minute": {"pushes": 1, "bytes": 21, "accepted_lines": 2, "rejected_lines": 0},
                "rejected_lines": 0,
            },
            {
                "stream": "z",
                "frame_format": "labels_column",
                "measurements_total": 2,
                "columns_total": 3,
                "last_minute": {"pushes": 0, "bytes": 0, "accepted_lines": 0, "rejected_lines": 0},
                "rejected_lines": 1,
            },
        ]


async def test_streams_are_shown_to_their_own_org_only() -> None:
    async with site(gate=as_other_org) as here:
        await here.world.push("telegraf", b"m n=1i")
        await here.world.push("telegraf2", b"bad secret")
        assert await read(here) == {"streams": []}
        for path in ("telegraf", "telegraf2", "telegarf"):
            message = check_problem(await here.client.get(f"/api/live/streams/{path}"), 404)
            assert "did you mean" not in message
            assert "secret" not in message


@pytest.mark.parametrize("path", ["telegarf", "Telegraf", "telegraf/cpu", "telegraf/"])
async def test_a_misspelt_stream_is_told_what_it_may_be_called(path: str) -> None:
    async with site() as here:
        for number in range(200):
            await here.world.push(f"x{number}", b"m n=1i")
        await here.world.push("telegraf", b"m n=1i")
        message = check_problem(await here.client.get(f"/api/live/streams/{path}"), 404)
        assert message.startswith(f"there is no stream '{path}'; did you mean 'telegraf'? ")


@pytest.mark.parametrize("path", ["", "nothing", "a%20b", "%1b%5b0m", "x" * 5_000])
async def test_an_unknown_stream_is_told_how_one_begins(path: str) -> None:
    async with site() as here:
        message = check_problem(await here.client.get(f"/api/live/streams/{path}"), 404)
        assert message.endswith(
            ". A stream begins with the first good line pushed to it: POST /api/live/push/<stream id>"
        )
        assert message.isprintable()
        assert len(message) < 500


async def test_a_stream_that_never_began_is_told_why() -> None:
    times = Times()
    async with site(clock=times) as here:
        await here.world.push("s", b"# comment\nm n=\n")
        times.now += 7
        message = check_problem(await here.client.get("/api/live/streams/s"), 404)
        assert "nothing was accepted of the last push to it, 7 s ago: line 2, column 5: " in message
        await here.world.push("s", b"m n=1i")
        assert (await read(here, "/s"))["errors"] == []


async def test_one_stream_too_many_is_told_under_its_own_id() -> None:
    async with site(streams=Streams(max_streams=1)) as here:
        await here.world.push("s", b"m n=1i")
        assert (await here.client.post("/api/live/push/other", content=b"m n=1i")).status_code == 429
        message = check_problem(await here.client.get("/api/live/streams/other"), 404)
        assert "streams.max_streams = 1" in message
        assert (await read(here, "/s"))["limits_met"] == []


async def count_turns(here: Site, path: str) -> int:
    """How often another task gets to run while the answer is made."""
    turns = 0
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await here.client.get(path))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        while not answers:
            turns += 1
            await trio.lowlevel.checkpoint()
    return turns


@pytest.mark.parametrize(
    ("path", "at_least"), [("", 30), ("/s", 15), ("/s?measurement=m7", 15), ("/nothing", 12), ("/s?measurement=no", 12)]
)
async def test_the_others_get_turns_during_a_long_answer(
    monkeypatch: pytest.MonkeyPatch, path: str, at_least: int
) -> None:
    monkeypatch.setattr(pages, "WORK_AT_ONCE_BYTES", 100_000)
    async with site() as here:
        await here.world.push("s", b"".join(b"m%d n=1i\n" % number for number in range(1_000)))
        for number in range(900):
            await here.world.push(f"t{number}", b"m n=1i")
        short = await count_turns(here, "/api/health")
        assert await count_turns(here, f"/api/live/streams{path}") - short >= at_least


async def test_a_large_schema_counts_as_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WORK_AT_ONCE_BYTES", 20_000)
    async with site() as here:
        for name in range(20):
            keys = ",".join(f"{number:0500}=1" for number in range(60))
            await here.world.push("s", f"m{name} {keys}".encode())
        short = await count_turns(here, "/api/health")
        for path in ("", "/s"):
            assert await count_turns(here, f"/api/live/streams{path}") - short >= 12


async def test_names_that_are_long_are_compared_by_their_beginning() -> None:
    async with site() as here:
        begin = "a-long-name-of-forty-characters-or-more-"
        await here.world.push(begin + "x" * 100, b"m n=1i")
        message = check_problem(await here.client.get(f"/api/live/streams/{begin}{'y' * 100}"), 404)
        assert f"did you mean '{begin}{'x' * 100}'?" in message


async def test_a_push_during_the_answer_changes_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WORK_AT_ONCE_BYTES", 1)
    async with site() as here:
        await here.world.push("s", b"a n=1i\nb n=1i\n")

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(here.world.push, "s", b"c%d n=1i" % number)
                nursery.start_soon(here.world.push, f"t{number}", b"m n=1i")
            page, streams = await read(here, "/s"), await read(here)
        assert len(page["measurements"]) >= 2
        assert streams["streams"][0]["stream"] == "s"


async def test_a_body_that_never_reached_its_stream_is_on_its_page() -> None:
    async with site() as here:
        await here.world.push("s", b"m n=1i")
        answer = await here.client.post("/api/live/push/s", content=b"x", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 400
        assert (await read(here, "/s"))["refused_pushes_by_reason"] == {"bad_gzip": 1}
        await here.client.post("/api/v2/write?bucket=other", content=b"x", headers={"Content-Encoding": "gzip"})
        assert "not gzip" in check_problem(await here.client.get("/api/live/streams/other"), 404)


async def test_a_token_sees_streams_by_whole_channels_and_cannot_tell_others_from_none() -> None:
    reader = Identity(1, "token:wall", Role.VIEWER, reach=Reach(read=("*/broadcast/x", "stream/none/x")))

    async def gate(head: RequestHead) -> Identity:
        return reader

    async with site(gate=gate) as here:
        await here.world.push("broadcast", b"y n=1i\n")
        assert (await read(here))["streams"] == []
        hidden = check_problem(await here.client.get("/api/live/streams/broadcast"), 404)
        absent = check_problem(await here.client.get("/api/live/streams/none"), 404)
        assert hidden == absent.replace("none", "broadcast")
        await here.world.push("other", b"x n=1i\n")
        check_problem(await here.client.get("/api/live/streams/other"), 403)
        await here.world.push("broadcast", b"x n=1i\n")
        assert [row["stream"] for row in (await read(here))["streams"]] == ["broadcast"]
        assert (await read(here, "/broadcast"))["stream"] == "broadcast"
