"""What plugins print: cut into lines, read as hclog's where it is, bounded in length, number and speed."""

import json
from itertools import pairwise
from typing import Any

import pytest
import structlog
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import LogCapture

from framecast.bucket import Bucket
from framecast.plugins.host.hclog import Entry, LevelReader, LineCutter, read_entry
from framecast.plugins.host.output import PluginOutput
from framecast.settings import Plugins


def only(entries: list[Any], event: str) -> list[Any]:
    return [entry for entry in entries if entry["event"] == event]


@given(st.lists(st.binary(max_size=30), max_size=10), st.lists(st.integers(min_value=0), max_size=10))
def test_lines_are_the_same_however_they_come(lines: list[bytes], places: list[int]) -> None:
    data = b"\n".join(lines)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    cutter = LineCutter(20)
    found = [line for begin, end in pairwise(edges) for line in cutter.feed(data[begin:end])]
    found += cutter.finish()
    assert [line.strip() for line in found if line.strip()] == [
        line[:20].strip() for line in data.split(b"\n") if line[:20].strip()
    ]


def test_a_line_without_end_is_given_once_and_not_kept() -> None:
    cutter = LineCutter(100)
    found = [line for _ in range(1_000) for line in cutter.feed(bytes(b"x" * 99))]
    assert found == [b"x" * 100]
    assert list(cutter.feed(b"\nnext\n")) == [b"next"]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b'{"@level":"trace","@message":"m"}', "debug"),
        (b'{"@level":"debug","@message":"m"}', "debug"),
        (b'{"@level":"info","@message":"m"}', "info"),
        (b'{"@level": "warn","@message":"m"}', "warning"),
        (b'{"@message":"m","@level":"error"}', "error"),
        (b'{"@level":"loud"}', "debug"),
        (b'{"level":"error"}', "debug"),
        (b"[ERROR] it broke", "error"),
        (b"[WARN] careful", "warning"),
        (b"[INFO] so", "info"),
        (b"anything else", "debug"),
    ],
)
def test_the_level_of_a_line_is_hclog_s_or_a_word_in_brackets(line: bytes, level: str) -> None:
    assert LevelReader().read(line) == level


def test_all_lines_of_a_panic_are_errors() -> None:
    levels = LevelReader()
    lines = [b"hello", b"panic: nil", b"", b"goroutine 1 [running]:", b"main.go:7", b'{"@level":"info"}', b"exit 2"]
    assert [levels.read(line) for line in lines] == ["debug", "error", "error", "error", "error", "info", "error"]


def test_a_line_of_hclog_s_is_taken_apart() -> None:
    line = b'{"@level":"info","@message":"done","@module":"db","@timestamp":"2026","rows":3,"event":"x"}'
    assert read_entry(line) == Entry("done", {"logger": "db", "details": {"rows": 3, "event": "x"}})


@pytest.mark.parametrize("line", [b"plain", b"{", b'{"a":1}', b'{"@message":5}', b"{" * 10_000, b"[1]", b"\xff\xfe"])
def test_any_other_line_is_its_own_text(line: bytes) -> None:
    assert read_entry(line) == Entry(line.decode("utf-8", "replace"), {})


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.none(), max_size=5))
def test_whatever_a_plugin_says_in_json_can_be_read(said: dict[str, Any]) -> None:
    entry = read_entry(json.dumps(said).encode())
    assert isinstance(entry.text, str)
    assert set(entry.fields) <= {"logger", "details"}


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(2, 3, 0.0)
    assert [bucket.take_one(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take_one(0.5), bucket.take_one(0.5)] == [True, False]
    assert bucket.take(4, 1.0) == pytest.approx(1.5)
    assert bucket.take(0, 2.5) == 0
    assert bucket.take(3, 1_000.0) == 0


async def follow(output: PluginOutput, *pieces: bytes) -> None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    for piece in pieces:
        await ours.send_all(piece)
    await ours.aclose()
    with trio.fail_after(1_000):
        await output.follow(theirs, "stderr")


async def test_what_a_plugin_prints_is_logged_with_its_name(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins())
    await follow(output, b'{"@level":"warn","@message":"slow","ms":7}\nplain', b" text\n[ERROR] no\nlast")
    assert [(entry["log_level"], entry["text"]) for entry in entries] == [
        ("warning", "slow"),
        ("debug", "plain text"),
        ("error", "[ERROR] no"),
        ("debug", "last"),
    ]
    assert {(entry["event"], entry["plugin"], entry["source"]) for entry in entries} == {
        ("plugin output", "x-datasource", "stderr")
    }
    assert entries[0]["details"] == {"ms": 7}


async def test_fields_that_a_plugin_names_cannot_pass_for_ours(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    line = json.dumps({"@level": "info", "@message": "m", "plugin": "other", "event": "stopped", "timestamp": "0"})
    await follow(PluginOutput("x-datasource", Plugins()), line.encode() + b"\n")
    assert (entries[0]["event"], entries[0]["plugin"]) == ("plugin output", "x-datasource")


async def test_a_flood_of_lines_is_counted_and_its_number_is_told(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins(log_lines_per_second=1, log_burst=10))
    await follow(output, b"[WARN] again\n" * 5_000)
    told = only(entries, "plugin output left out")
    assert sum(entry["lines"] for entry in told) + len(only(entries, "plugin output")) == 5_000
    assert 10 <= len(only(entries, "plugin output")) < 20
    assert len(told) <= 2


async def test_a_flood_of_debug_lines_hides_no_warning(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins(log_lines_per_second=1, log_burst=10))
    await follow(output, b"chatter\n" * 1_000, b"[WARN] the disk is full\n", b"chatter\n" * 1_000)
    assert [entry["text"] for entry in only(entries, "plugin output") if entry["log_level"] == "warning"] == [
        "[WARN] the disk is full"
    ]


async def test_debug_lines_that_the_log_leaves_out_are_not_missed(autojump_clock: trio.testing.MockClock) -> None:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(20))
    await follow(PluginOutput("x-datasource", Plugins(log_burst=1)), b"chatter\n" * 100, b"[INFO] so\n")
    structlog.configure(**before)
    assert [entry["event"] for entry in capture.entries] == ["plugin output"]


async def test_a_plugin_that_writes_too_fast_is_slowed_down(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins(log_bytes_per_second=10_000))
    began = trio.current_time()
    await follow(output, b"x" * 60_000)
    assert trio.current_time() - began == pytest.approx(5, rel=0.2)
    await follow(output, b"\n" * 60_000)
    assert trio.current_time() - began == pytest.approx(11, rel=0.2)


async def test_short_lines_cost_more_than_their_bytes(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins(log_bytes_per_second=66_000))
    began = trio.current_time()
    await follow(output, b"x\n" * 11_000)
    assert trio.current_time() - began == pytest.approx(10, rel=0.2)


async def test_the_last_lines_are_kept_for_whoever_asks_why_it_ended(
    autojump_clock: trio.testing.MockClock, entries: list[Any]
) -> None:
    output = PluginOutput("x-datasource", Plugins(log_lines_per_second=0.001, log_burst=1))
    assert output.last_words == ""
    await follow(output, b"".join(b"line %d\n" % number for number in range(100)), b"y" * 7_000)
    assert output.last_words == f"line 96 / line 97 / line 98 / line 99 / {'y' * 300}"
