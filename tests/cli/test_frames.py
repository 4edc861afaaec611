"""Frames as the Go SDK writes them become rows; what does not fit is refused without harm."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.cli.frames import FrameError, FrameReader, Row, format_time, parse_labels

LABELS_SCHEMA = {
    "name": "cpu",
    "fields": [
        {"name": "labels", "type": "string", "typeInfo": {"frame": "string"}},
        {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time"}},
        {"name": "idle", "type": "number", "typeInfo": {"frame": "float64", "nullable": True}},
    ],
}


def test_the_schema_is_kept_for_packets_without_one() -> None:
    reader = FrameReader()
    first = {"schema": LABELS_SCHEMA, "data": {"values": [["cpu=0, host=a"], [1700000000123], [1.5]]}}
    assert reader.read(first) == [Row(1700000000123000000, {"cpu": "0", "host": "a"}, {"idle": 1.5})]
    assert reader.read({"data": {"values": [[""], [-1], [None]]}}) == [Row(-1000000, {}, {"idle": None})]


def test_nanos_and_entities_are_put_back() -> None:
    data = {
        "values": [["a=1", "a=2", "a=3", "a=4"], [1, 2, 3, -1], [None, None, None, None]],
        "entities": [None, None, {"NaN": [0], "Inf": [1], "NegInf": [2]}],
        "nanos": [None, [456789, 0, 1, 999999], None],
    }
    rows = FrameReader().read({"schema": LABELS_SCHEMA, "data": data})
    assert rows is not None
    assert [row.time_ns for row in rows] == [1456789, 2000000, 3000001, -1]
    values = [row.fields["idle"] for row in rows]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, None]


def test_a_wide_frame_gives_a_row_per_set_of_labels() -> None:
    schema = {
        "fields": [
            {"name": "time", "type": "time"},
            {"name": "x", "type": "number", "labels": {"h": "a"}},
            {"name": "y", "type": "number", "labels": {"h": "a"}},
            {"name": "x", "type": "number", "labels": {"h": "b"}},
        ]
    }
    rows = FrameReader().read({"schema": schema, "data": {"values": [[1, 2], [10, 11], [20, None], [None, 31]]}})
    assert rows == [
        Row(1000000, {"h": "a"}, {"x": 10, "y": 20}),
        Row(2000000, {"h": "a"}, {"x": 11, "y": None}),
        Row(2000000, {"h": "b"}, {"x": 31}),
    ]


def test_large_integers_stay_exact() -> None:
    schema = {"fields": [{"name": "n", "type": "number"}]}
    rows = FrameReader().read({"schema": schema, "data": {"values": [[18446744073709551615]]}})
    assert rows == [Row(None, {}, {"n": 18446744073709551615})]


@pytest.mark.parametrize("packet", [None, 1, "x", [], {}, {"title": "x"}])
def test_what_is_no_frame_is_not_taken_for_one(packet: Any) -> None:
    assert FrameReader().read(packet) is None


@pytest.mark.parametrize("data", [None, {}, {"values": []}, {"values": [[], [], []]}])
def test_a_schema_without_rows_is_fine(data: Any) -> None:
    assert FrameReader().read({"schema": LABELS_SCHEMA, "data": data}) == []


@pytest.mark.parametrize("values", [[[1]], [["a"], [1], [1], [1]], [["a"], [1], [1, 2]], [1, 2, 3], {"a": 1}])
def test_columns_that_do_not_fit_are_refused_and_the_next_packet_is_read(values: Any) -> None:
    reader = FrameReader()
    reader.read({"schema": LABELS_SCHEMA})
    with pytest.raises(FrameError):
        reader.read({"data": {"values": values}})
    assert reader.read({"data": {"values": [["a=b"], [1], [2]]}}) == [Row(1000000, {"a": "b"}, {"idle": 2})]


def test_entities_that_are_no_list_are_ignored() -> None:
    packet = {"schema": LABELS_SCHEMA, "data": {"values": [["a=b"], [1], [2]], "entities": True}}
    assert FrameReader().read(packet) == [Row(1000000, {"a": "b"}, {"idle": 2})]


def test_data_before_any_schema_is_refused() -> None:
    with pytest.raises(FrameError, match="before any schema"):
        FrameReader().read({"data": {"values": [[1]]}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
packets = st.fixed_dictionaries(
    {},
    optional={
        "schema": json_values | st.just(LABELS_SCHEMA),
        "data": st.fixed_dictionaries(
            {"values": st.lists(st.lists(json_values, max_size=2), max_size=3) | json_values},
            optional={"entities": json_values, "nanos": json_values},
        ),
    },
)


@given(st.lists(packets, max_size=4))
def test_no_packet_breaks_the_reader(stream: list[Any]) -> None:
    reader = FrameReader()
    for packet in stream:
        try:
            rows = reader.read(packet)
        except FrameError:
            continue
        assert rows is None or all(isinstance(row, Row) for row in rows)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        (None, {}),
        ("a=1, b=2", {"a": "1", "b": "2"}),
        ("p=C:\\x=1, q", {"p": "C:\\x=1, q"}),
        ("nonsense", {"nonsense": ""}),
        (r'{a="1", p="C:\\x=1, \"q\""}', {"a": "1", "p": 'C:\\x=1, "q"'}),
    ],
)
def test_a_labels_column_is_read(text: Any, labels: dict[str, str]) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1700000000123000000, "2023-11-14T22:13:20.123Z"),
        (1700000000123456000, "2023-11-14T22:13:20.123456Z"),
        (10**30, f"{10**30} ns"),
    ],
)
def test_times_are_written_in_utc(time_ns: int, text: str) -> None:
    assert format_time(time_ns) == text
