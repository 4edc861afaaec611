"""Columns leave a parser as text and come back in another: what Python sees of it."""

import json
from typing import Any

import pytest

from framecast._core import StreamParser

LINES = b'a\\ m,h=a f=1,g=t 0\na\\ m,h=b s="x" 0\nother f=1i 0'


def parser(frame_format: str = "wide", **limits: int) -> StreamParser:
    settings: dict[str, Any] = {
        "max_measurements": 10,
        "max_columns": 10,
        "max_path_bytes": 100,
        "max_packet_bytes": 100_000,
        "max_push_output_bytes": 100_000,
        "max_rejections": 10,
    }
    return StreamParser(**{**settings, **limits}, format=frame_format)


@pytest.mark.parametrize("frame_format", ["labels_column", "wide", "series"])
def test_a_restored_parser_goes_on_without_a_schema(frame_format: str) -> None:
    old = parser(frame_format)
    schemas = {packet.path: packet.schema for packet in old.push(LINES, 0, "ns").packets}
    new = parser(frame_format)
    for path, schema in schemas.items():
        restored = new.restore(old.columns(path))
        assert (restored.path, restored.schema) == (path, schema)
        assert restored.measurement == {"a=20m": "a m", "other": "other"}[path]
    assert new.measurements() == old.measurements()
    body = b'a\\ m,h=b s="y" 7\na\\ m,h=a g=f,f=2 7'
    [packet], [expected] = new.push(body, 0, "ns").packets, old.push(body, 0, "ns").packets
    assert packet.schema is None
    assert packet.payload == expected.payload
    assert new.push(b"a\\ m,h=b more=1", 0, "ns").packets[0].schema is not None


def test_columns_are_json_without_whitespace() -> None:
    old = parser()
    old.push(LINES, 0, "ns")
    text = old.columns("a=20m")
    assert json.dumps(json.loads(text), separators=(",", ":")).encode() == text


def test_unknown_paths_have_no_columns() -> None:
    with pytest.raises(KeyError, match="other"):
        parser().columns("other")


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        (parser("series"), "of wide frames, the stream is not"),
        (parser(max_columns=1), "more than the 1 columns of a measurement"),
        (parser(max_measurements=0), "more than the 0 measurements of a stream"),
        (parser(max_packet_bytes=300), "more than the 300 bytes of a schema"),
    ],
    ids=["format", "columns", "measurements", "schema"],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(new: StreamParser, complaint: str) -> None:
    old = parser()
    old.push(LINES, 0, "ns")
    with pytest.raises(ValueError, match=complaint):
        new.restore(old.columns("a=20m"))
    assert new.measurements() == []


@pytest.mark.parametrize("text", [b"", b"\xff", b"{}", b'{"version":7}', b"[" * 10_000])
def test_bytes_that_are_not_columns_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not the text of columns"):
        parser().restore(text)


def test_a_text_of_a_later_version_is_refused_by_its_version() -> None:
    old = parser()
    old.push(LINES, 0, "ns")
    with pytest.raises(ValueError, match="unknown version 2"):
        parser().restore(old.columns("other").replace(b'"version":1', b'"version":2'))
