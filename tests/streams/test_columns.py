"""Columns are counted without reading the schema, and what is read agrees, whatever the names hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast._core import StreamParser
from framecast.streams.columns import count_columns, read_columns

FORMATS: Any = ("labels_column", "wide", "series")


def schema_of(body: str, frame_format: str) -> bytes:
    parser = StreamParser(
        max_measurements=1,
        max_columns=100,
        max_path_bytes=10_000,
        max_packet_bytes=1 << 20,
        max_push_output_bytes=1 << 20,
        max_rejections=5,
        format=frame_format,
    )
    result = parser.push(body.encode(), 0, "ns")
    assert result.rejections == []
    schema = result.packets[-1].schema
    assert schema is not None
    return schema


def escape(text: str) -> str:
    return "".join("\\" + char if char in " ,=" else char for char in text)


NAMES = st.sampled_from(['"typeInfo":{', ',"typeInfo":{"', "typeInfo", "time", "labels", "é{}", '"', "}"])


@pytest.mark.parametrize("frame_format", FORMATS)
@given(keys=st.lists(NAMES, min_size=1, max_size=5, unique=True), tags=st.lists(NAMES, max_size=3, unique=True))
def test_the_count_is_that_of_the_columns_read(frame_format: Any, keys: list[str], tags: list[str]) -> None:
    series = ",".join(["m", *(f"{escape(tag)}={escape(tag)}" for tag in tags)])
    schema = schema_of(f"{series} " + ",".join(f"{escape(key)}=1" for key in keys), frame_format)
    columns = read_columns(schema, frame_format)
    assert count_columns(schema, frame_format) == len(columns) == len(keys)
    assert {column.type for column in columns} == {"number"}
    if frame_format != "series":
        assert {column.name for column in columns} == set(keys)
    if frame_format != "labels_column" and tags:
        assert [column.labels for column in columns] == [{tag: tag for tag in tags}] * len(keys)


def test_types_and_labels_are_told() -> None:
    columns = read_columns(schema_of('m,h=a n=1,b=true,s="t"\nm,h=b n=1', "wide"), "wide")
    assert [(column.name, column.type, column.labels) for column in columns] == [
        ("b", "boolean", {"h": "a"}),
        ("n", "number", {"h": "a"}),
        ("s", "string", {"h": "a"}),
        ("n", "number", {"h": "b"}),
    ]
    assert [column.labels for column in read_columns(schema_of("m,h=a n=1", "labels_column"), "labels_column")] == [
        None
    ]
