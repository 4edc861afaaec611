"""The large captures as `wide` and `series` frames: a stock subscriber gets every value once, in order of time."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import python_subscriber
from end_to_end.reference import Point, Value, channel_path, cut_batches, label_text
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

Row = tuple[int, dict[tuple[str, str], Value]]
"""A time, and the values by field key and label text."""
SERIES_KEY = re.compile(r"(?:[^\\{]|\\.)*")


class LabelledFrameReader:
    """Follows one channel of frames whose columns have labels; its columns may only be appended to."""

    def __init__(self, frame_format: str) -> None:
        self.columns: list[tuple[str, str, str]] = []
        self._types: list[str] = []
        self._series = frame_format == "series"

    def read(self, frame: Mapping[str, Any]) -> list[Row]:
        if "schema" in frame:
            time, *fields = frame["schema"]["fields"]
            assert (time["name"], time["type"]) == ("time", "time")
            columns = [(self._key(field["name"]), label_text(field["labels"]), field["type"]) for field in fields]
            assert columns[: len(self.columns)] == self.columns, "columns were not only appended"
            types = [field["typeInfo"]["frame"] for field in fields]
            assert types != self._types, "a schema came that says nothing new"
            self._types = types
            names = [(field["name"], "" if self._series else str(field["labels"])) for field in fields]
            assert len(set(names)) == len(names)
            self.columns = columns
        milliseconds, *values = frame["data"]["values"]
        assert len(values) == len(self.columns)
        nanos = (frame["data"].get("nanos") or [None])[0] or [0] * len(milliseconds)
        times = [ms * 1_000_000 + rest for ms, rest in zip(milliseconds, nanos, strict=True)]
        rows: list[dict[tuple[str, str], Value]] = [{} for _ in times]
        for (key, labels, kind), column in zip(self.columns, values, strict=True):
            for row, value in zip(rows, column, strict=True):
                if value is not None:
                    row[key, labels] = ("bool", value) if kind == "boolean" else value
        return list(zip(times, rows, strict=True))

    def _key(self, name: str) -> str:
        if not self._series:
            return name
        key = SERIES_KEY.match(name)
        assert key is not None
        return re.sub(r"\\(.)", r"\1", key[0])


def expected_rows(stream: str, pushes: Iterable[Sequence[Point]]) -> dict[str, list[Row]]:
    """What the subscribers of each channel must see: push after push, in each one row for each time."""
    channels: dict[str, list[Row]] = defaultdict(list)
    for push in pushes:
        rows: dict[str, dict[int, dict[tuple[str, str], Value]]] = {}
        for point in push:
            assert point.time_ns is not None
            row = rows.setdefault(point.measurement, {}).setdefault(point.time_ns, {})
            row.update({(key, point.labels): value for key, value in point.fields.items()})
        for measurement, by_time in rows.items():
            channels[f"stream/{stream}/{channel_path(measurement)}"] += sorted(by_time.items(), key=lambda row: row[0])
    return dict(channels)


@pytest.mark.corpus
@pytest.mark.parametrize("frame_format", ["wide", "series"])
@pytest.mark.parametrize("name", ["telegraf-real.lp", "telegraf-wide.lp"])
async def test_a_large_capture_arrives_value_for_value(
    start_server: ServerStarter, corpus: Path, name: str, frame_format: str
) -> None:
    batches = list(cut_batches((corpus / "telegraf" / name).read_bytes(), 1000))
    expected = expected_rows("large", [points for _, points in batches])
    server = start_server(
        "live.channels_per_client=1000",
        "live.queue_bytes=268435456",
        f"streams.frame_format={frame_format}",
        "streams.max_columns=4096",
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with python_subscriber(server.subscribe_url) as program, connect(server.address) as connection:
            for channel in [*expected, "stream/last/one"]:
                await program.do("subscribe", channel=channel)
                await program.wait_for("subscribed", channel=channel)
            for body, _ in batches:
                await connection.push("large", body)
            await connection.push("last", b"one n=1i 1")
            await program.wait_for_count("publication", 1, channel="stream/last/one")
            received: dict[str, list[Row]] = defaultdict(list)
            readers = {channel: LabelledFrameReader(frame_format) for channel in expected}
            for event in program.events:
                if event["event"] == "publication" and event["channel"] in readers:
                    channel = event["channel"]
                    received[channel] += readers[channel].read(event["data"])
    assert received.keys() == expected.keys()
    for channel, rows in expected.items():
        assert len(received[channel]) == len(rows)
        for number, (got, wanted) in enumerate(zip(received[channel], rows, strict=True)):
            assert got == wanted, f"row {number} of {channel}"
