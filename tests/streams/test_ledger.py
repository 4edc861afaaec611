"""What a stream remembers of its pushes: all of it counted, none of it without a bound."""

import gc
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.errors import Refusal
from framecast.settings import SECTIONS, Push, Streams
from framecast.store.columns import PendingColumns
from framecast.streams.ledger import ERROR_BYTES, LIMITS, MAX_ERRORS, MAX_MESSAGE_CHARACTERS, Ledger, PushError
from framecast.streams.managed import ManagedStream
from framecast.streams.shares import Budgets
from framecast.streams.unbegun import Unbegun
from live_world import World, live_world

REASONS = Path(__file__).resolve().parents[2] / "rust" / "src" / "line_protocol" / "error.rs"


@dataclass(frozen=True)
class Line:
    message: str
    line: int = 1
    column: int = 2
    reason: str = "bad_value"


@dataclass
class Outcome:
    accepted: int = 0
    rejections: list[Line] = field(default_factory=list)
    mismatched: int = 0
    mismatches: list[str] = field(default_factory=list)
    late: int = 0

    @property
    def rejected(self) -> int:
        return len(self.rejections)

    @property
    def reasons(self) -> dict[str, int]:
        return {one.reason: sum(other.reason == one.reason for other in self.rejections) for one in self.rejections}


def note(ledger: Ledger, now: float, *messages: str, **outcome: Any) -> None:
    result: Any = Outcome(rejections=[Line(message) for message in messages], **outcome)
    ledger.note_push(10, result, now)


def find(world: World, stream_id: str = "s") -> ManagedStream:
    stream = world.streams.find(1, stream_id)
    assert stream is not None
    return stream


async def test_rows_that_never_became_lines_are_remembered_by_stream_or_id() -> None:
    async with live_world() as world:
        row: Any = Outcome(rejections=[Line("row 1: no"), Line("row 2: no", line=2, reason="json_limit")])
        world.streams.note_rejections(1, "s", row)
        error = world.streams.find_unbegun(1, "s")
        assert error is not None
        assert (error.line, error.reason, error.message) == (1, "bad_value", "row 1: no")
        await world.streams.push(1, "s", b"m f=1", 1)
        world.streams.note_rejections(1, "s", row)
        ledger = find(world).ledger
        assert (ledger.pushes, ledger.accepted_lines) == (1, 1)
        assert ledger.rejected_lines == {"bad_value": 1, "json_limit": 1}
        assert ledger.times_met("json_limit") == 1
        assert [one.message for one in ledger.errors] == ["row 1: no", "row 2: no"]


async def test_every_push_is_counted_with_its_lines_bytes_and_reasons() -> None:
    now = [1_000.0]
    async with live_world(clock=lambda: now[0]) as world:
        await world.push("s", b"m n=1i\nm n=2i")
        now[0] += 30
        await world.push("s", b'm n=\nm n="text"\nm n=\nbad\n')
        now[0] += 40
        ledger = find(world).ledger
        assert (ledger.began_at, ledger.pushed_at) == (1_000.0, 1_030.0)
        assert (ledger.pushes, ledger.pushed_bytes) == (2, 13 + 25)
        assert (ledger.accepted_lines, ledger.mismatched_values) == (3, 1)
        assert ledger.rejected_lines == {"missing_value": 2, "missing_field": 1}
        rates = (ledger.push_rate, ledger.byte_rate, ledger.accepted_rate, ledger.rejected_rate)
        assert [rate.total(1_040) for rate in rates] == [2, 38, 3, 3]
        assert [rate.total(1_070) for rate in rates] == [1, 25, 1, 3]
        assert [(error.at, error.line, error.column, error.reason) for error in ledger.errors] == [
            (1_030.0, 1, 5, "missing_value"),
            (1_030.0, 3, 5, "missing_value"),
            (1_030.0, 4, 4, "missing_field"),
        ]
        assert ledger.errors[0].message.startswith("line 1, column 5: ")


async def test_late_rows_and_values_of_another_type_are_kept_with_their_columns() -> None:
    now = [1_000.0]
    async with live_world(clock=lambda: now[0]) as world:
        await world.push("s", b"m a=1i,b=t 9")
        now[0] += 5
        await world.push("s", b'm a="x",b=1 5\nm a=1i 10')
        now[0] += 5
        await world.push("s", b"m a=1i 11")
        ledger = find(world).ledger
        assert (ledger.late_rows, ledger.mismatched_values, ledger.mismatched_at) == (1, 2, 1_005.0)
        assert [sentence[:24] for sentence in ledger.mismatches] == ['measurement "m", field "'] * 2


def test_what_is_kept_of_mismatches_is_bounded() -> None:
    ledger = Ledger(0.0, error_bytes=8_000)
    note(ledger, 1.0, mismatched=99, mismatches=["x" * 10_000] * 99)
    assert sum(map(len, ledger.mismatches)) < 3_000


async def test_a_limit_that_was_met_is_kept_with_how_often_and_when() -> None:
    now = [1_000.0]
    async with live_world(streams=Streams(max_columns=2), clock=lambda: now[0]) as world:
        await world.push("s", b"m a=1,b=1\nm c=1\nm d=1\nm a=")
        now[0] += 5
        await world.push("s", b"m d=1")
        now[0] += 5
        await world.push("s", b"m a=2")
        ledger = find(world).ledger
        assert ledger.last_met == {"column_limit": 1_005.0}
        assert (ledger.times_met("column_limit"), ledger.times_met("row_limit")) == (3, 0)


async def test_a_push_of_another_format_counts_as_refused_and_not_as_a_push() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        with pytest.raises(Refusal):
            await world.streams.push(1, "s", b"m n=1i", 0, frame_format="wide")
        ledger = find(world).ledger
        assert (ledger.pushes, ledger.refused_pushes) == (1, {"other_format": 1})
        [error] = ledger.errors
        assert (error.line, error.column, error.reason) == (None, None, "other_format")
        assert "labels_column" in error.message


async def test_a_push_that_is_refused_before_it_reaches_its_stream_can_be_noted() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        world.streams.note_refusal(1, "s", Refusal(413, "too large", reason="body_limit"))
        world.streams.note_refusal(2, "s", Refusal(415, "what"))
        ledger = find(world).ledger
        assert ledger.refused_pushes == {"body_limit": 1}
        assert list(ledger.last_met) == ["body_limit"]
        other = world.streams.find_unbegun(2, "s")
        assert other is not None
        assert (other.reason, other.message) == ("status_415", "what")


@pytest.mark.parametrize("data", [b"bad\nworse\n", b"m n=\n" * 100_000], ids=["small", "large"])
async def test_an_id_of_which_nothing_was_accepted_tells_why_until_it_is_a_stream(data: bytes) -> None:
    async with live_world() as world:
        assert world.streams.find_unbegun(1, "s") is None
        await world.push("s", data)
        error = world.streams.find_unbegun(1, "s")
        assert error is not None
        assert error.line == 1
        assert world.streams.find(1, "s") is None
        assert world.streams.find_unbegun(2, "s") is None
        await world.push("s", b"m n=1i")
        assert world.streams.find_unbegun(1, "s") is None
        assert find(world).ledger.rejected_lines == {}


async def test_one_stream_too_many_is_told_under_its_id() -> None:
    async with live_world(streams=Streams(max_streams=1)) as world:
        await world.push("a", b"m n=1i")
        with pytest.raises(Refusal):
            await world.push("b", b"m n=1i")
        error = world.streams.find_unbegun(1, "b")
        assert error is not None
        assert (error.reason, "streams.max_streams" in error.message) == ("stream_limit", True)
        assert find(world, "a").ledger.refused_pushes == {}


def test_the_newest_errors_are_kept_and_the_newest_push_comes_first() -> None:
    ledger = Ledger(0.0, error_bytes=1 << 20)
    for now in range(30):
        note(ledger, now, f"{now}a", f"{now}b")
    assert [error.message for error in ledger.errors[:4]] == ["29a", "29b", "28a", "28b"]
    assert len(ledger.errors) == MAX_ERRORS
    note(ledger, 30.0, *map(str, range(100)))
    assert [error.message for error in ledger.errors] == [str(number) for number in range(MAX_ERRORS)]
    assert ledger.rejected_lines.total() == 160


@given(
    st.integers(0, 10_000),
    st.lists(st.lists(st.text(max_size=3).map(lambda text: text * 300), max_size=30), max_size=20),
)
def test_errors_never_take_more_than_their_bytes(error_bytes: int, pushes: list[list[str]]) -> None:
    ledger = Ledger(0.0, error_bytes=error_bytes)
    for now, messages in enumerate(pushes):
        note(ledger, now, *messages)
        kept = ledger.errors
        assert sum(ERROR_BYTES + sys.getsizeof(error.message) for error in kept) <= error_bytes
        assert len(kept) <= MAX_ERRORS
        assert all(len(error.message) <= MAX_MESSAGE_CHARACTERS + 1 for error in kept)
    # Nothing is dropped that there was room for.
    every = [
        message if len(message) <= MAX_MESSAGE_CHARACTERS else message[:MAX_MESSAGE_CHARACTERS] + "…"
        for messages in pushes
        for message in messages[:MAX_ERRORS]
    ]
    dropped = every[: len(every) - len(ledger.errors)]
    if dropped and len(ledger.errors) < MAX_ERRORS:
        kept_bytes = sum(error.size_bytes for error in ledger.errors)
        assert kept_bytes + ERROR_BYTES + sys.getsizeof(dropped[-1]) > error_bytes


def test_a_thousand_streams_under_attack_stay_small() -> None:
    settings = Streams()
    hub: Any = None
    limits, pending = (settings, Push()), PendingColumns()
    budgets = Budgets(settings)
    streams = [
        ManagedStream(1, str(number), hub, limits, pending=pending, budgets=budgets, clock=lambda: 0.0)
        for number in range(1_000)
    ]
    for number, stream in enumerate(streams):
        for now in range(3):
            note(stream.ledger, 1_000_000.0 + now, *(f"{number} {now} {line} \N{MONEY BAG}" * 30 for line in range(20)))
    held = [error for stream in streams for error in stream.ledger.errors]
    assert 0 < sum(error.size_bytes for error in held) <= settings.error_bytes
    assert min(len(stream.ledger.errors) for stream in streams) > 0


def test_what_an_error_is_said_to_cost_is_what_it_costs() -> None:
    error = PushError(1.5, 1_000, 2_000, sys.intern("bad_value"), "x" * 100)
    parts = [error, *(one for one in gc.get_referents(error) if not isinstance(one, type | str))]
    place_in_the_deque = 16
    assert sum(map(sys.getsizeof, parts)) + place_in_the_deque <= ERROR_BYTES


def test_each_limit_of_the_core_is_known_here_and_named_as_in_the_settings() -> None:
    words = set(re.findall(r'^    \w+ = "(\w+)",$', REASONS.read_text(), re.MULTILINE))
    assert len(words) > 20
    assert {word for word in words if word.endswith("_limit") or word.startswith("too_")} <= LIMITS.keys()
    for key in filter(None, LIMITS.values()):
        section, _, name = key.partition(".")
        assert name in {one.name for one in msgspec.structs.fields(SECTIONS[section])}


def test_ids_without_a_stream_are_remembered_up_to_a_number() -> None:
    unbegun = Unbegun(2)
    errors = [PushError(float(number), None, None, "x", "x") for number in range(4)]
    unbegun.note((1, "a"), errors[0])
    unbegun.note((1, "b"), errors[1])
    unbegun.note((1, "a"), errors[2])
    unbegun.note((2, "a"), errors[3])
    assert unbegun.find((1, "b")) is None
    assert (unbegun.find((1, "a")), unbegun.find((2, "a"))) == (errors[2], errors[3])
    unbegun.forget((1, "a"))
    unbegun.forget((1, "never"))
    assert unbegun.find((1, "a")) is None
