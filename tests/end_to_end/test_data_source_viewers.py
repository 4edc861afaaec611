"""One stream of a data source on the real SDKs and the real panel, from its first subscriber to its end.

It is of a backend plugin in Go, and of the Python plugin that docs/python-plugins.md begins with.
"""

import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.go_plugins import FAULTY, install_go_plugin
from end_to_end.programs import JAVASCRIPT_PANEL, Program, run_program
from end_to_end.sdk_programs import Sdk, SdkPrograms
from end_to_end.server import RunningServer, running_server
from patience import PATIENCE_SECONDS
from watching import ask, metric

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python-plugins.md").read_text(), re.DOTALL)[0]
SDKS = [Sdk("javascript", "json"), Sdk("javascript", "protobuf"), Sdk("python", "json"), Sdk("python", "protobuf")]
PANEL = "panel"

PLANT = """
from pathlib import Path

from load import Load


class Plant(Load):
    '''The example as it is; its rows also count, and say of which data source they are.'''

    async def run(self, context, path, data, sender):
        await super().run(context, path, data, Counting(sender, context.data_source))


class Counting:
    def __init__(self, sender, source):
        self.sender, self.source, self.count = sender, source, 0

    async def send(self, row):
        crash = Path(self.source.json_data["crash"])
        if crash.exists():
            crash.unlink()
            raise RuntimeError("crashed as told")
        await self.sender.send({**row, "n": self.count, "url": self.source.url})
        self.count += 1
"""


@dataclass(frozen=True)
class Kind:
    """A plugin, and how its stream is read."""

    plugin_id: str
    path: str
    count_column: int
    """Of its packets: 0, 1, 2… in each life of the stream."""
    url_column: int
    """The data source's."""

    @property
    def channel(self) -> str:
        return f"ds/u/{self.path}"


GO = Kind(FAULTY, "table/20", count_column=1, url_column=3)
PYTHON = Kind("plant", "average", count_column=4, url_column=5)


@dataclass
class Scene:
    server: RunningServer
    kind: Kind
    crash_file: Path
    viewers: dict[Sdk | str, Program]

    async def save(self, url: str) -> None:
        """Make the data source, or change it."""
        place, source = self.server.address, {"name": "Plant", "type": self.kind.plugin_id, "uid": "u", "url": url}
        source["jsonData"] = {"crash": str(self.crash_file)}  # type: ignore[assignment] # one of other types
        if self.viewers:
            await ask(place, "PUT", "/api/datasources/uid/u", source)
        else:
            await ask(place, "POST", "/api/datasources", source)

    def crash(self) -> None:
        """Have the plugin end in the middle of its stream."""
        if self.kind is PYTHON:
            self.crash_file.touch()
        else:
            packets = self.viewers[PANEL].all("publication", channel=self.kind.channel)
            os.kill(int(packets[-1]["data"]["data"]["values"][2][0]), signal.SIGKILL)

    async def each(self, do: Callable[[Program], Any]) -> None:
        """Have it done with all viewers at once."""
        async with trio.open_nursery() as nursery:
            for program in self.viewers.values():
                nursery.start_soon(do, program)

    def rows(self, program: Program) -> list[tuple[int, str]]:
        """Count and URL of what came so far."""
        packets = [one["data"]["data"]["values"] for one in program.all("publication", channel=self.kind.channel)]
        return [(int(one[self.kind.count_column][0]), one[self.kind.url_column][0]) for one in packets]

    def lives(self, program: Program) -> list[list[tuple[int, str]]]:
        """The rows by the run of the plugin that sent them; each run counts without a hole."""
        lives: list[list[tuple[int, str]]] = []
        for row in self.rows(program):
            if not lives or row[0] == 0:
                lives.append([row])
            else:
                assert row[0] == lives[-1][-1][0] + 1
                lives[-1].append(row)
        return lives

    async def next_life(self, url: str) -> None:
        """Wait until every viewer sees a new run, two rows of it, in the same subscription."""
        seen = {key: len(self.lives(program)) for key, program in self.viewers.items()}
        for key, program in self.viewers.items():
            while len(self.lives(program)) <= seen[key] or len(self.lives(program)[-1]) < 2:
                await program.wait_for_news()
            assert self.lives(program)[-1][0] == (0, url), key
            assert len(program.all("unsubscribed")) == 0, key

    async def runs(self) -> float:
        return await metric(self.server.address, "framecast_source_runs")


@asynccontextmanager
async def scene(
    root: Path, kind: Kind, go_plugin: Path, programs: SdkPrograms, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """A server with both plugins, a data source of one of them, and every viewer connected."""
    modules = root / "modules"
    modules.mkdir()
    (modules / "load.py").write_text(EXAMPLE)
    (modules / "plant.py").write_text(PLANT)
    monkeypatch.setenv("PYTHONPATH", f"{modules}:{ROOT / 'python'}")
    install_go_plugin(root / "plugins", go_plugin)
    settings = [
        f"plugins.path={root / 'plugins'}",
        f"plugins.allow_loading_unsigned_plugins={FAULTY}",
        f"plugins.call_seconds={PATIENCE_SECONDS:g}",
        "plugins.restart_seconds=0.1",
        f"plugins.python={PYTHON.plugin_id}=plant:Plant",
        "sources.grace_seconds=0.3",
        f"sources.ask_seconds={PATIENCE_SECONDS - 1:g}",
        f"live.command_seconds={PATIENCE_SECONDS:g}",
    ]
    with trio.fail_after(PATIENCE_SECONDS), running_server(root / "server", *settings) as server:
        viewers: dict[Sdk | str, Program] = {}
        here = Scene(server, kind, root / "crash", viewers)
        await here.save("http://old")
        async with (
            programs.all_connected(server.address, SDKS) as clients,
            run_program(JAVASCRIPT_PANEL, server.subscribe_url) as panel,
        ):
            await panel.do("connect")
            await panel.wait_for("connected")
            viewers.update(clients.items())
            viewers[PANEL] = panel
            yield here
        # What a plugin of Python's raised stands in the log with its traceback, as it should.
        server._checked = server.log.stat().st_size


@pytest.mark.parametrize("kind", [GO, PYTHON], ids=["go", "python"])
async def test_viewers_from_the_first_subscriber_to_the_end(
    tmp_path: Path, go_plugin: Path, sdk_programs: SdkPrograms, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    async with scene(tmp_path, kind, go_plugin, sdk_programs, monkeypatch) as here:
        channel, panel = kind.channel, here.viewers[PANEL]

        async def subscribe(program: Program) -> None:
            await program.do("subscribe", channel=channel)
            await program.wait_for("subscribed", channel=channel)

        async def unsubscribe(program: Program) -> None:
            await program.do("unsubscribe", channel=channel)
            await program.wait_for("unsubscribed", channel=channel)

        await here.each(subscribe)
        await here.each(lambda program: program.wait_for_count("publication", 3, channel=channel))
        assert await here.runs() == 1, "one run, however many watch"
        assert all(here.rows(program)[-1][1] == "http://old" for program in here.viewers.values())

        here.crash()
        await here.next_life("http://old")

        await here.save("http://new")
        await here.next_life("http://new")

        await here.each(unsubscribe)
        await panel.do("show", channel=channel)
        fields = {field["name"]: field["values"] for field in (await panel.wait_for("panel"))["fields"]}
        shown = list(zip(map(int, fields["n"]), fields["url"], strict=True))
        assert shown[-len(here.rows(panel)) :] == here.rows(panel)
        assert panel.all("broken") == []

        while await here.runs():  # noqa: ASYNC110 - another process, nothing to wait on
            await trio.sleep(0.02)
        rows = {key: len(here.rows(program)) for key, program in here.viewers.items()}
        await here.each(subscribe)
        for key, program in here.viewers.items():
            while (0, "http://new") not in here.rows(program)[rows[key] :]:
                await program.wait_for_news()

        await ask(here.server.address, "DELETE", "/api/datasources/uid/u")
        await here.each(lambda program: program.wait_for("unsubscribed", channel=channel, code=2000))

        async def try_again(program: Program) -> None:
            await program.do("subscribe", channel=channel)
            await program.wait_for("unsubscribed", channel=channel, code=404)

        await here.each(try_again)
        assert await here.runs() == 0
