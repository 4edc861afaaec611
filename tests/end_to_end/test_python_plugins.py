"""Streams of plugins on real SDKs and the real panel: start, crash, start again, nobody left, a bad neighbour."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.programs import JAVASCRIPT_PANEL, Program, run_program
from end_to_end.sdk_programs import Sdk, SdkPrograms
from end_to_end.server import RunningServer, running_server
from patience import PATIENCE_SECONDS
from watching import metric

ROOT = Path(__file__).resolve().parents[2]
SDKS = [Sdk("javascript", "json"), Sdk("javascript", "protobuf"), Sdk("python", "json"), Sdk("python", "protobuf")]
EXAMPLE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python-plugins.md").read_text(), re.DOTALL)[0]
FAULTS = """
import itertools
import time
import trio
from framecast.plugins import Plugin, StreamOverError

CRASHES = 3
left = {"crash": CRASHES}


class Faults(Plugin):
    async def subscribe(self, context, path, data):
        return None

    async def publish(self, context, path, data):
        return b'{"heard":%b}' % data

    async def run(self, context, path, data, sender):
        for number in itertools.count():
            try:
                await sender.send({"time": time.time_ns(), "n": number, "left": left["crash"]})
                if path != "flood":
                    await trio.sleep(0.02)
            except (trio.Cancelled, StreamOverError):
                if path != "deaf":
                    raise
            if path == "crash" and number == 4 and left["crash"]:
                left["crash"] -= 1
                raise RuntimeError("crashed as told")
"""


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "load.py").write_text(EXAMPLE)
    (folder / "faults.py").write_text(FAULTS)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT / 'python'}")
    return folder


@asynccontextmanager
async def plugin_server(folder: Path, *settings: str) -> AsyncIterator[RunningServer]:
    named = "plugins.python=load=load:Load,faults=faults:Faults"
    with (
        trio.fail_after(PATIENCE_SECONDS),
        running_server(folder, named, "sources.grace_seconds=0.2", *settings) as server,
    ):
        yield server


def rows(program: Program, channel: str, *, at: int = 0) -> list[Any]:
    """The first cell of one column of every packet."""
    return [one["data"]["data"]["values"][at][0] for one in program.all("publication", channel=channel)]


@pytest.mark.parametrize("sdk", SDKS, ids=str)
async def test_sdks_follow_the_example_and_testdata(
    tmp_path: Path, plugin_folder: Path, sdk_programs: SdkPrograms, sdk: Sdk
) -> None:
    async with plugin_server(tmp_path) as server, sdk_programs.connected(sdk, server.address) as program:
        load, walk = "plugin/load/average", "plugin/testdata/random-20Hz-stream"
        assert (await program.subscribe(load)).get("data") is None
        schema = (await program.subscribe(walk))["data"]
        assert list(schema) == ["schema"]
        assert schema["schema"]["name"] == "testdata"
        await program.wait_for_count("publication", 2, channel=load)
        await program.wait_for_count("publication", 20, channel=walk)
        packets = [one["data"] for one in program.all("publication", channel=load)]
        assert ["schema" in packet for packet in packets] == [True] + [False] * (len(packets) - 1)
        assert not any("schema" in one["data"] for one in program.all("publication", channel=walk))
        assert await metric(server.address, "framecast_source_runs") == 2
        for channel in ("plugin/load/other", "plugin/nobody/x"):
            await program.do("subscribe", channel=channel)
            assert (await program.wait_for("unsubscribed", channel=channel))["code"] == 404
        await program.do("unsubscribe", channel=walk)
        await program.do("unsubscribe", channel=load)
        while await metric(server.address, "framecast_source_runs"):  # noqa: ASYNC110 - another process, nothing to wait on
            await trio.sleep(0.02)
        await program.do("subscribe", channel=walk)
        again = (await program.wait_for("subscribed", channel=walk)).get("data")
        assert again is None or len(again["data"]["values"][0]) >= 20, "what it missed, or the window"
        await program.wait_for("publication", channel=walk)
        server.check_well()


async def test_a_crash_is_a_gap_and_no_more(tmp_path: Path, plugin_folder: Path, sdk_programs: SdkPrograms) -> None:
    channel = "plugin/faults/crash"
    async with plugin_server(tmp_path) as server, sdk_programs.connected(SDKS[0], server.address) as program:
        await program.subscribe(channel)
        await program.wait_for_count("publication", 3 * 5 + 10, channel=channel)
        numbers, left = rows(program, channel, at=1), rows(program, channel, at=2)
        assert numbers[:20] == [*range(5)] * 4
        assert numbers[15:] == [*range(len(numbers) - 15)]
        assert left[:20] == [3] * 5 + [2] * 5 + [1] * 5 + [0] * 5
        offsets = [one["offset"] for one in program.all("publication", channel=channel)]
        assert offsets == [*range(1, len(offsets) + 1)]
        schemas = ["schema" in one["data"] for one in program.all("publication", channel=channel)]
        assert schemas == [True] + [False] * (len(schemas) - 1), "a new run has the schema of the one before"
        await program.ask("publish", channel=channel, data={"n": 1})
        while not any(one["data"] == {"heard": {"n": 1}} for one in program.all("publication", channel=channel)):
            await program.wait_for_news()
        log = server.log.read_text()
        assert "crashed as told" in log
        assert log.count("a stream failed") == 1, "once, however often it happened"
        # Its traceback is the plugin's, and was to be logged.
        server._checked = server.log.stat().st_size


async def test_the_panel_shows_what_was_sent_and_keeps_its_labels(tmp_path: Path, plugin_folder: Path) -> None:
    walk, labeled, load = (
        "plugin/testdata/random-20Hz-stream",
        "plugin/testdata/random-labeled-stream",
        "plugin/load/average",
    )
    async with plugin_server(tmp_path) as server, run_program(JAVASCRIPT_PANEL, server.subscribe_url) as program:
        await program.do("connect")
        await program.wait_for("connected")
        for channel in (walk, labeled, load):
            await program.subscribe(channel)
        await program.wait_for_count("publication", 20, channel=walk)
        await program.wait_for_count("publication", 10, channel=labeled)
        await program.wait_for_count("publication", 2, channel=load)
        shown = {}
        for channel in (walk, labeled, load):
            await program.do("unsubscribe", channel=channel)
            await program.wait_for("unsubscribed", channel=channel)
            await program.do("show", channel=channel)
            shown[channel] = (await program.wait_for("panel", channel=channel))["fields"]
        assert program.all("broken") == []
        assert [field["name"] for field in shown[walk]] == ["Time", "Value", "Min", "Max"]
        assert [field["name"] for field in shown[load]] == ["time", "1 min", "5 min", "15 min"]
        for at, field in enumerate(shown[walk]):
            assert field["values"] == rows(program, walk, at=at)
        labels = [field["labels"]["s"] for field in shown[labeled] if field["labels"]]
        assert all(re.fullmatch(r"p\d+", one) for one in labels)
        assert len(labels) >= 2


@pytest.mark.parametrize("fault", ["flood", "deaf"])
async def test_a_bad_stream_costs_its_neighbour_nothing_and_the_server_ends(
    tmp_path: Path, plugin_folder: Path, sdk_programs: SdkPrograms, fault: str
) -> None:
    bad, steady = f"plugin/faults/{fault}", "plugin/faults/steady"
    async with plugin_server(tmp_path, "sources.stop_seconds=0.5", "server.shutdown_grace_seconds=5") as server:
        async with sdk_programs.connected(SDKS[0], server.address) as program:
            await program.subscribe(bad)
            await program.subscribe(steady)
            await program.wait_for_count("publication", 5, channel=bad)
            await program.do("unsubscribe", channel=bad)
            await program.wait_for("unsubscribed", channel=bad)
            before = len(program.all("publication", channel=steady))
            await program.wait_for_count("publication", before + 100, channel=steady)
            numbers = rows(program, steady, at=1)
            assert numbers == [*range(len(numbers))]
            server.check_well()
        server.begin_stop()
        await server.stopped()
        log = server.log.read_text()
        assert ("does not end when it is cancelled" in log) == (fault == "deaf")
        assert ("the process ends without them" in log) == (fault == "deaf")
        assert ('"event": "stopped"' in log) == (fault != "deaf")
