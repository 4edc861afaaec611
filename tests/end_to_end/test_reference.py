"""The yardstick itself: the naive reader must agree with the published cases before anything is measured by it."""

import base64
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from end_to_end.captures import SELECTION, read_captures
from end_to_end.reference import (
    FrameReader,
    Point,
    channel_path,
    cut_batches,
    label_text,
    plain_value,
    read_points,
)


def expected_point(point: dict[str, Any]) -> Point:
    """A point as the cases write it; of a key given twice the last counts."""
    labels = label_text(dict(point["tags"]))
    kinds = {"int": "i", "uint": "u", "float": "", "bool": ""}
    fields = {
        key: value if kind == "string" else plain_value(f"{str(value).lower()}{kinds[kind]}")
        for key, kind, value in point["fields"]
    }
    time_ns = None if point["time_ns"] is None else int(point["time_ns"])
    return Point(point["measurement"], labels, time_ns, fields)


def as_doubles(point: Point) -> Point:
    """The cases write floats as the double that they become."""
    fields = {key: float(value) if isinstance(value, Decimal) else value for key, value in point.fields.items()}
    return replace(point, fields=fields)  # type: ignore[arg-type]  # a double stands where only this test compares it


@pytest.mark.corpus
def test_the_reader_agrees_with_every_undisputed_valid_case(corpus: Path) -> None:
    lines = (corpus / "line-protocol" / "cases.jsonl").read_text().split("\n")
    cases = [json.loads(line) for line in lines if line]
    judged = [
        case for case in cases if not case["disputed"] and not case["expect"].get("error") and case["precision"] == "ns"
    ]
    assert len(judged) > 400
    for case in judged:
        points = read_points(base64.b64decode(case["input_b64"]))
        expected = [expected_point(point) for point in case["expect"]["points"]]
        assert list(map(as_doubles, points)) == list(map(as_doubles, expected)), case["name"]


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "count"), [("telegraf-real.lp", 30_628), ("telegraf-wide.lp", 21_337)])
def test_the_reader_finds_every_point_of_a_capture(corpus: Path, name: str, count: int) -> None:
    text = (corpus / "telegraf" / name).read_bytes()
    batches = list(cut_batches(text, 1000))
    assert sum(len(points) for _, points in batches) == count
    assert b"".join(body for body, _ in batches) == text


def test_batches_are_never_cut_inside_a_string() -> None:
    text = b'm s="a\nb" 1\n# m s="\n\nm s="\\"\n" 2\nm n=1i'
    bodies = [body for body, _ in cut_batches(text, 1)]
    assert bodies == [b'm s="a\nb" 1\n', b'# m s="\n\nm s="\\"\n" 2\n', b"m n=1i"]


def test_recorded_bodies_are_cut_as_they_were_on_the_wire() -> None:
    recorded = read_captures(SELECTION)
    assert {one.kind for one in recorded} == {"http", "ws-handshake", "ws-message"}
    sizes = [len(one.request_body()) for one in recorded if one.kind == "http"]
    frames = [len(one.message_frames()) for one in recorded if one.kind == "ws-message"]
    assert len(sizes) + len(frames) == len([one for one in recorded if one.body])


def test_frames_are_read_back_as_points() -> None:
    reader = FrameReader()
    fields = [("labels", "string"), ("time", "time"), ("n", "number"), ("b", "boolean")]
    schema = {"name": "m", "fields": [{"name": name, "type": kind} for name, kind in fields]}
    data = {"values": [["a=1", ""], [-1, 2], [1, None], [None, True]], "nanos": [None, [999_999, 0], None, None]}
    assert reader.read({"schema": schema, "data": data}) == [
        Point("m", "a=1", -1, {"n": 1}),
        Point("m", "", 2_000_000, {"b": ("bool", True)}),
    ]
    with pytest.raises(AssertionError, match="out of time order"):
        reader.read({"data": {"values": [["", ""], [2, 1], [1, 1], [None, None]]}})
    with pytest.raises(AssertionError, match="3 columns came"):
        reader.read({"data": {"values": [[""], [2], [1]]}})


def test_a_measurement_name_becomes_a_path() -> None:
    names = {"cpu": "cpu", "a/b.c-d_e": "a/b.c-d_e", "a b": "a=20b", "é": "=C3=A9", "a=b": "a=3Db", "/a": "=2Fa"}
    assert {name: channel_path(name) for name in names} == names
