"""Real backend plugins on Grafana's own SDK, run by the host of plugins, a bystander among them.

Every plugin is the same program (go_plugin/); what is wrong with one stands in the switches.json beside it, or is asked
for by the path of a stream.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from end_to_end.go_builds import build_go
from framecast.plugins.host.backend import BackendPlugin
from framecast.plugins.host.context import CallContext, DataSourceInstance, User
from framecast.plugins.host.host import load_plugins
from framecast.settings import Plugins
from plugins.installed import install
from plugins.processes import PATIENCE_SECONDS, processes_in, wait_until

SOURCES = Path(__file__).parent / "go_plugin"
FAULTY = "faulty-datasource"
BYSTANDER = "bystander-datasource"

CONTEXT = CallContext(
    user=User("ann", role="Editor"),
    data_source=DataSourceInstance(
        uid="u1", url="http://db", json_data=b'{"a":1}', secure_json_data={"password": "sesame"}, updated_ms=1
    ),
)


def build_go_plugin(folder: Path) -> Path:
    return build_go(SOURCES, folder / "go-plugin")


def install_go_plugin(root: Path, program: Path, plugin_id: str = FAULTY, *, start: str = "") -> Path:
    place = install(root, plugin_id, script=program)
    (place / "switches.json").write_text(json.dumps({"start": start}))
    return place


@dataclass
class Bystander:
    """A plugin that has nothing to do with what happens to another one, and a stream of its that somebody reads."""

    plugin: BackendPlugin
    numbers: list[int]
    """Of the packets so far: 0, 1, 2…"""

    async def check_unmoved(self) -> None:
        """Still the same stream, with no hole in it, and it goes on; and the plugin answers."""
        so_far = len(self.numbers)
        await wait_until(lambda: len(self.numbers) > so_far + 10)
        assert self.numbers == list(range(len(self.numbers)))
        assert b'"uid":"u1"' in await self.plugin.subscribe(CONTEXT, "context", b"")


@dataclass
class House:
    """What a test of faults has: the faulty plugin, and one that must notice nothing."""

    faulty: BackendPlugin
    bystander: Bystander
    folder: Path
    """Of the faulty one."""


@asynccontextmanager
async def house_with(root: Path, program: Path, *, start: str = "", **settings: Any) -> AsyncIterator[House]:
    """Run both plugins; at the end the bystander is looked at, both are stopped, and nothing of them may be left."""
    folder = install_go_plugin(root, program, start=start)
    calm = install_go_plugin(root, program, BYSTANDER)
    allowed = {"path": str(root), "allow_loading_unsigned_plugins": (FAULTY, BYSTANDER)}
    host = await load_plugins(Plugins(**{"call_seconds": PATIENCE_SECONDS, **allowed, **settings}))
    with trio.fail_after(3 * PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(host.run)
            bystander = Bystander(host.plugins[BYSTANDER], [])
            await wait_until(lambda: bystander.plugin.running)
            nursery.start_soon(_follow, bystander)
            await wait_until(lambda: len(bystander.numbers) > 5)
            yield House(host.plugins[FAULTY], bystander, folder)
            await bystander.check_unmoved()
            nursery.cancel_scope.cancel()
    assert processes_in(folder) == processes_in(calm) == []


async def _follow(bystander: Bystander) -> None:
    async with bystander.plugin.running_stream(CONTEXT, "count/10", b"") as packets:
        async for packet in packets:
            bystander.numbers.append(json.loads(packet)["n"])
