"""Frames as plugins make them are those of Grafana's own SDK, whatever they are made of."""

import array
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins import Column, Frame, FrameError
from framecast.plugins.sticky import StickyColumns

TIME = datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
NS = 1_700_000_000_123_456_789


def vector(corpus: Path, name: str) -> Any:
    """What Grafana's SDK printed, key order and all."""
    for line in (corpus / "frames" / "frame-json-from-sdk-v0.298.0.txt").read_text().splitlines():
        if line.startswith(f"{name} "):
            return read(line.removeprefix(f"{name} ").removesuffix(" <nil>").encode())
    raise AssertionError(name)


def read(text: bytes) -> Any:
    """JSON with the order of its keys."""
    return json.loads(text, object_pairs_hook=list)


@pytest.mark.corpus
def test_every_kind_is_written_as_the_sdk_writes_it(corpus: Path) -> None:
    frame = Frame(
        [
            Column("t", [NS], "time", nullable=False),
            Column("tn", [None], "time", nullable=True),
            Column("i8", np.array([-1], "int8")),
            Column("u64", [2**64 - 1], "uint64", nullable=False),
            Column("i64", [2**53 + 1], nullable=True),
            Column("f32", np.array([0.1], "float32")),
            Column("f64", [1e21], nullable=True, labels={"b": "2", "a": "1"}),
            Column("f64b", array.array("d", [1e-7]), labels={}),
            Column("s", ['a<b>&"é\u2028'], nullable=True),
            Column("bool", np.array([True])),
            Column("json", [{"x": 1}], nullable=False),
        ],
        name="all",
    )
    schema, data = (dict(vector(corpus, "ALL")[at][1]) for at in (0, 1))
    ours = dict(read(frame.schema))
    assert ours["name"] == schema["name"]
    assert ours["fields"] == schema["fields"][: len(frame.columns)]
    values, nanos = (dict(read(frame.data))[key] for key in ("values", "nanos"))
    assert values == data["values"][: len(frame.columns)]
    assert nanos == data["nanos"][: len(frame.columns)]


@pytest.mark.corpus
def test_what_json_cannot_say_is_told_beside_it(corpus: Path) -> None:
    times = [NS // 10**6 * 10**6] * 4
    ents = Frame(
        [
            Column("time", times, "time", nullable=False),
            Column("v", np.array([math.nan, math.inf, -math.inf, 4])),
            Column("w", [None, 2.0, math.nan, 100000.0]),
        ],
        name="ents",
        ref_id="A",
    )
    assert read(ents.whole) == vector(corpus, "ENT")
    nano = Frame(
        [Column("time", [times[0], times[0] + 456789], nullable=False), Column("v", np.array([1.0, 2.0]))], name="nan2"
    )
    assert read(nano.whole) == vector(corpus, "NANO")
    pre = Frame([Column("time", [-1, 1], nullable=False)], name="pre")
    assert read(pre.whole) == vector(corpus, "PRE1970")
    assert read(Frame([]).whole) == vector(corpus, "EMPTY")
    meta = Frame([Column("", np.array([]))], name="m", meta={"channel": "stream/a/b"})
    assert read(meta.whole) == vector(corpus, "META")
    floats = [1, 1.5, 1e20, 1e21, 123456789.125, 1e-6, 1e-7, 0.0, -0.0, 5e-324, 1.7976931348623157e308]
    assert read(Frame([Column("", np.array(floats))]).data_only) == vector(corpus, "FLOATS")
    small = np.array([0.1, 16777216, 1e21, 1e-7], "float32")
    assert read(Frame([Column("", small)]).data_only) == vector(corpus, "F32")


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_numbers_of_32_bits_come_back_as_they_were(numbers: list[float]) -> None:
    written = json.loads(Frame([Column("x", np.array(numbers, "float32"))]).data)
    entities = (written.get("entities") or [{}])[0] or {}
    infinite = set(entities.get("Inf", []) + entities.get("NegInf", []))
    for row, (number, value) in enumerate(zip(numbers, written["values"][0], strict=True)):
        assert row in infinite or np.float32(value) == np.float32(number)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - a bound
def test_times_are_exact(moment: datetime) -> None:
    data = json.loads(Frame([Column("t", [moment])]).data)
    nanos = (data.get("nanos") or [[0]])[0][0]
    since = timedelta(milliseconds=data["values"][0][0]) + timedelta(microseconds=nanos // 1000)
    assert datetime(1970, 1, 1, tzinfo=UTC) + since == moment
    assert nanos % 1000 == 0


def test_one_frame_can_be_made_of_anything() -> None:
    columns = {"time": [TIME, TIME], "n": [1, 2], "x": [0.5, None], "s": ["a", None], "b": [True, False]}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    table = pa.table(columns)
    frames = [Frame.of(columns), Frame.of(rows), Frame.of(table), Frame.of(table.to_batches()[0])]
    assert {frame.whole for frame in frames} == {frames[0].whole}
    kinds = [one["typeInfo"]["frame"] for one in json.loads(frames[0].schema)["fields"]]
    assert kinds == ["time.Time", "int64", "float64", "string", "bool"]


def test_a_lender_of_arrow_is_a_table_too() -> None:
    class Lender:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"n": [1, 2]}).__arrow_c_stream__(requested_schema)

    assert json.loads(Frame.of(Lender()).data) == {"values": [[1, 2]]}


def test_a_dict_of_single_values_is_a_row() -> None:
    frame = Frame.of({"time": TIME, "load": 0.5, "host": "a", "n": np.int64(3)})
    assert json.loads(frame.data)["values"] == [[1700000000123], [0.5], ["a"], [3]]


def test_arrays_of_numpy_keep_their_kinds() -> None:
    times = np.array(["2023-11-14T22:13:20.123456789", "NaT"], "datetime64[ns]")
    frame = Frame.of({"t": times, "u": np.arange(4, dtype="uint16")[::2], "s": np.array(["a", "b"])})
    fields = {one["name"]: one["typeInfo"] for one in json.loads(frame.schema)["fields"]}
    assert fields == {
        "t": {"frame": "time.Time", "nullable": True},
        "u": {"frame": "uint16"},
        "s": {"frame": "string", "nullable": True},
    }
    assert json.loads(frame.data) == {
        "values": [[1700000000123, None], [0, 2], ["a", "b"]],
        "nanos": [[456789, 0], None, None],
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "'a': 2, 'b': 1"),
        ({"a": [1, "x"]}, "several kinds"),
        ({"a": [object()]}, "object"),
        ({"time": [TIME.replace(tzinfo=None)]}, "time zone"),
        ({"time": ["12:00"]}, "is no time"),
        ({"a": [2**64]}, "uint64"),
        ({"a": ["\ud800"]}, "JSON"),
        ({"a": np.zeros((2, 2))}, "dimensions"),
        ([1, 2], "rows"),
        ("text", "str"),
        (7, "int"),
    ],
)
def test_what_is_no_frame_says_why(data: Any, words: str) -> None:
    with pytest.raises(FrameError) as caught:
        Frame.of(data).whole  # noqa: B018 - it is written when it is read
    assert words in str(caught.value)


def test_zones_do_not_matter() -> None:
    elsewhere = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert Frame.of({"t": [TIME]}).data == Frame.of({"t": [elsewhere]}).data


def test_columns_of_a_stream_stay_in_their_places() -> None:
    sticky = StickyColumns()
    first = sticky.frame({"time": TIME, "a": 1, "b": "x"})
    assert sticky.frame({"b": "y", "a": 2, "time": TIME}).schema == first.schema
    assert json.loads(sticky.frame({"time": TIME, "b": None}).data)["values"] == [[1700000000123], [None], [None]]
    grown = sticky.frame([{"c": 1.5, "time": TIME}, {"a": 2, "time": TIME}])
    assert json.loads(grown.schema)["fields"][:3] == json.loads(first.schema)["fields"]
    assert json.loads(grown.data)["values"][1:] == [[None, 2], [None, None], [1.5, None]]
    assert sticky.frame({"time": TIME}).schema == grown.schema


def test_whole_numbers_become_floats_once() -> None:
    sticky = StickyColumns()
    schemas = [sticky.frame({"x": value}).schema for value in (1, 2.5, 3, math.nan, None, 2**60)]
    assert schemas[0] != schemas[1]
    assert len(set(schemas[1:])) == 1


def test_a_value_of_another_kind_is_refused_and_changes_nothing() -> None:
    sticky = StickyColumns()
    schema = sticky.frame({"x": 1}).schema
    with pytest.raises(FrameError) as caught:
        sticky.frame({"new": 1, "x": "text"})
    assert "'x'" in str(caught.value)
    assert sticky.frame({"x": 2}).schema == schema
