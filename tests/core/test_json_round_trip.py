"""What our own server delivers, pushed again as JSON, is the same frame in each format.

As far as a frame says it: not the order of its columns, nor columns and rows that are null all over, which a push
cannot have. Labels whose key holds `="` cannot be told from their value.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_parser_model import Point, line, make_parser, points

from framecast._core import StreamParser, json_to_lines

Row = tuple[int, list[tuple[Any, ...]]]


def deliver(parser: StreamParser, body: bytes) -> dict[str, list[dict[str, Any]]]:
    """By measurement, the frames of a push as a subscriber that has the schema holds them."""
    frames: dict[str, list[dict[str, Any]]] = {}
    schemas: dict[str, Any] = {}
    result = parser.push(body, 1_700_000_000_000_000_001, "ns")
    assert [one.message for one in result.rejections] == []
    for packet in result.packets:
        delivered = json.loads(packet.payload)
        schemas[packet.measurement] = delivered.get("schema", schemas.get(packet.measurement))
        frame = {"schema": schemas[packet.measurement], "data": delivered["data"]}
        frames.setdefault(packet.measurement, []).append(frame)
    return frames


def rows_of(frames: list[dict[str, Any]]) -> list[Row]:
    """Each row's time in nanoseconds and its cells that are there, with all that the schema says of their columns."""
    rows = []
    for frame in frames:
        fields, data = frame["schema"]["fields"], frame["data"]
        time = next(at for at, field in enumerate(fields) if field["type"] == "time")
        nanos = (data.get("nanos") or [None] * len(fields))[time] or [0] * len(data["values"][time])
        for number, values in enumerate(zip(*data["values"], strict=True)):
            cells = [
                (json.dumps(field, sort_keys=True), type(value), value)
                for at, (field, value) in enumerate(zip(fields, values, strict=True))
                if at != time and value is not None
            ]
            if any(json.loads(field)["name"] != "labels" for field, _, _ in cells):
                rows.append((values[time] * 10**6 + nanos[number], sorted(cells, key=lambda cell: cell[0])))
    return rows


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
@given(pushed=st.lists(points, min_size=1, max_size=8), in_array=st.booleans())
def test_a_delivered_frame_comes_back_the_same(frame_format: str, pushed: list[Point], in_array: bool) -> None:
    body = "\n".join(map(line, pushed)).encode()
    first = deliver(make_parser(frame_format, 1 << 20), body)
    second = make_parser(frame_format, 1 << 20)
    for measurement, frames in first.items():
        document = json.dumps(frames if in_array else frames[0], ensure_ascii=False).encode()
        assert len(frames) == 1
        translated = json_to_lines(
            document,
            measurement,
            newline_delimited=False,
            time_key=None,
            tag_keys=set(),
            precision="auto",
            max_output_bytes=1 << 20,
            max_rejections=10,
        )
        assert {one.reason for one in translated.rejections} <= {"missing_field"}
        returned = deliver(second, translated.lines)
        assert rows_of(returned.get(measurement, [])) == rows_of(frames)
