"""A data source of a real backend plugin, from its first subscriber to its end, beside one that notices nothing."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.go_plugins import BYSTANDER, FAULTY, install_go_plugin
from end_to_end.server import RunningServer, running_server, serve_command
from patience import PATIENCE_SECONDS
from plugins.processes import parent_of, processes_in, state_of, wait_until
from watching import Watcher, ask, metric, watching

SETTINGS = "ds/u/settings/20"
SOURCE = {
    "name": "Plant",
    "type": FAULTY,
    "uid": "u",
    "url": "http://old",
    "database": "db",
    "basicAuth": True,
    "basicAuthUser": "ann",
    "jsonData": {"big": 12345678901234567890123},
    "secureJsonData": {"password": "sesame"},
}


@dataclass
class Scene:
    server: RunningServer
    folder: Path
    """Of the plugin that things happen to."""


@asynccontextmanager
async def scene(root: Path, program: Path, *settings: str) -> AsyncIterator[Scene]:
    """A server with two plugins and a data source of each; the calm one's stream is whole at the end."""
    plugins = root / "plugins"
    folder, calm = install_go_plugin(plugins, program), install_go_plugin(plugins, program, BYSTANDER)
    allowed = f"plugins.allow_loading_unsigned_plugins={FAULTY},{BYSTANDER}"
    patient = [f"plugins.call_seconds={PATIENCE_SECONDS:g}", "plugins.restart_seconds=0.1", "sources.grace_seconds=0.3"]
    # The question about a subscriber has its own deadline, before that of the command.
    patient += [f"sources.ask_seconds={PATIENCE_SECONDS - 1:g}", f"live.command_seconds={PATIENCE_SECONDS:g}"]
    with (
        trio.fail_after(PATIENCE_SECONDS),
        running_server(root / "server", f"plugins.path={plugins}", allowed, *patient, *settings) as server,
    ):
        calm_source = {"name": "Calm", "type": BYSTANDER, "uid": "calm", "url": "http://calm"}
        for source in (SOURCE, calm_source):
            await ask(server.address, "POST", "/api/datasources", source)
        async with watching(server.address) as bystander, trio.open_nursery() as nursery:
            assert "subscribe" in await bystander.subscribe("ds/calm/count/10")
            numbers: list[int] = []
            nursery.start_soon(_follow, bystander, numbers)
            yield Scene(server, folder)
            so_far = len(numbers)
            await wait_until(lambda: len(numbers) > so_far + 10)
            assert numbers == list(range(len(numbers)))
            nursery.cancel_scope.cancel()
        server.stop()
    assert processes_in(folder) == processes_in(calm) == []


async def _follow(bystander: Watcher, numbers: list[int]) -> None:
    while True:
        numbers.append((await bystander.hear())["push"]["pub"]["data"]["n"])


async def until(watcher: Watcher, **expected: Any) -> Any:
    """The next packet of the channel that says so; nothing else may be told meanwhile."""
    while True:
        data = (await watcher.hear())["push"]["pub"]["data"]
        if expected.items() <= data.items():
            return data


async def test_start_crash_restart_change_last_subscriber_and_deletion(tmp_path: Path, go_plugin: Path) -> None:
    async with scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        place = here.server.address
        assert "subscribe" in await watcher.subscribe(SETTINGS)
        first = await until(watcher, n=0)
        assert (first["org"], first["user"], first["uid"], first["name"]) == (1, None, "u", "Plant")
        assert (first["url"], first["database"]) == ("http://old", "db")
        assert (first["basicAuth"], first["basicAuthUser"]) == (True, "ann")
        assert (first["json"], first["secrets"]) == (SOURCE["jsonData"], {"password": "sesame"})
        assert first["made"] == 1

        os.kill(first["pid"], signal.SIGKILL)
        second = await until(watcher, n=0)
        assert second["pid"] != first["pid"]
        await ask(place, "GET", "/api/health")

        changed = {**SOURCE, "url": "http://new", "secureJsonData": {"password": "open"}}
        await ask(place, "PUT", "/api/datasources/uid/u", changed)
        third = await until(watcher, n=0)
        assert (third["url"], third["secrets"]) == ("http://new", {"password": "open"})
        assert (third["pid"], third["made"]) == (second["pid"], 2)
        assert third["updated"] > second["updated"]

        await watcher.say(id=3, unsubscribe={"channel": SETTINGS})
        while await metric(here.server.address, "framecast_source_runs") > 1:  # noqa: ASYNC110 - another process
            await trio.sleep(0.02)
        assert third["pid"] in processes_in(here.folder), "without a stream it runs on"
        while (await watcher.hear()).get("id") != 3:
            pass
        assert "subscribe" in await watcher.subscribe(SETTINGS, 4)
        await until(watcher, n=0)

        health = await ask(place, "GET", "/api/datasources/uid/u/health")
        assert health == {"status": "OK", "message": "reaches http://new", "details": {"uid": "u"}}
        await ask(place, "DELETE", "/api/datasources/uid/u")
        while "unsubscribe" not in (said := await watcher.hear())["push"]:
            pass
        assert (said["push"]["channel"], said["push"]["unsubscribe"]["code"]) == (SETTINGS, 2000)
        assert (await watcher.subscribe(SETTINGS, 5))["error"]["code"] == 404
        assert await metric(here.server.address, "framecast_plugins_running") == 2


async def test_a_plugin_that_cannot_run_costs_the_server_nothing(tmp_path: Path, go_plugin: Path) -> None:
    async with scene(tmp_path, go_plugin, "plugins.restart_seconds=1000") as here:
        place = here.server.address
        async with watching(place) as watcher:
            assert "subscribe" in await watcher.subscribe(SETTINGS)
            await until(watcher, n=0)
            # Over HTTP, and nothing answers: the plugin is gone before it could.
            await ask(place, "POST", "/api/live/publish", {"channel": "ds/u/crash", "data": 1}, status=503)
            await wait_until(lambda: processes_in(here.folder) == [])
            refused = await watcher.subscribe("ds/u/context", 3)
            assert (refused["error"]["code"], refused["error"]["temporary"]) == (503, True)
            await ask(place, "GET", "/api/health")
            assert await metric(here.server.address, "framecast_plugins_running") == 1
        log = here.server.log.read_text()
        assert "crashed as told" in log
        assert "sesame" not in log


async def test_a_plugin_of_data_sources_says_so_on_a_channel_of_its_own(tmp_path: Path, go_plugin: Path) -> None:
    async with scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        refused = (await watcher.subscribe(f"plugin/{FAULTY}/context"))["error"]
        assert (refused["code"], refused.get("temporary", False)) == (400, False)
        assert "its channels are ds/{uid}/…" in refused["message"]
        document = {"channel": f"plugin/{FAULTY}/echo", "data": 1}
        refused = await ask(here.server.address, "POST", "/api/live/publish", document, status=400)
        assert "ds/{uid}/…" in refused["message"]
        assert (await watcher.subscribe("plugin/nobody/context", 3))["error"]["code"] == 404


@pytest.mark.parametrize("path", ["missing", "secret"])
async def test_what_the_plugin_refuses_is_so_for_good(tmp_path: Path, go_plugin: Path, path: str) -> None:
    async with scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        refused = (await watcher.subscribe(f"ds/u/{path}"))["error"]
        assert (refused["code"], refused.get("temporary", False)) == ({"missing": 404, "secret": 403}[path], False)
        echoed = await watcher.subscribe("ds/u/context", 3)
        told = echoed["subscribe"]["data"]
        assert (told["login"], told["role"], told["org"]) == ("", "Admin", 1)
        assert json.dumps(told["secrets"]) == '{"password": "sesame"}'


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("large/2000000", "a packet of 2000002 bytes: sources.packet_bytes = 1048576"),
        ("garbage", "a packet must be one JSON value in UTF-8"),
        ("goroutine-panic", "UNAVAILABLE: "),
        ("crash/10", "UNAVAILABLE: "),
        ("unknown", "UNKNOWN: no stream"),
    ],
)
async def test_a_bad_stream_is_begun_again_and_its_subscribers_stay(
    tmp_path: Path, go_plugin: Path, path: str, words: str
) -> None:
    async with scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        assert "subscribe" in await watcher.subscribe(f"ds/u/{path}")
        while await metric(here.server.address, 'framecast_source_failures_total{how="failed"}') < 3:  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)
        log = here.server.log.read_text()
        [told] = [json.loads(line) for line in log.splitlines() if '"a stream failed"' in line]
        assert told["channel"] == f"ds/u/{path}"
        assert words in told["error"]
        assert "unsubscribe" in (await watcher.unsubscribe(f"ds/u/{path}"))


async def test_a_flood_is_held_back_in_the_plugin(tmp_path: Path, go_plugin: Path) -> None:
    """Nothing of it is lost, the server takes no more than the channel may have, and the calm one notices nothing."""
    few = ("sources.packets_per_second=500", "sources.packets_burst=100")
    async with scene(tmp_path, go_plugin, *few) as here, watching(here.server.address) as watcher:
        assert "subscribe" in await watcher.subscribe("ds/u/fast/2000")
        numbers: list[int] = []
        while len(numbers) < 2_000:
            data = (await watcher.hear())["push"]["pub"]["data"]
            numbers.append(data["data"]["values"][1][0] - 100_000_000)
        assert numbers == list(range(2_000))
        assert await metric(here.server.address, "framecast_source_held_seconds_total") > 0


async def test_a_channel_that_is_told_less_often_ends_with_the_newest(tmp_path: Path, go_plugin: Path) -> None:
    slowly = "channels.ds/u.conflate_seconds=0.5"
    async with scene(tmp_path, go_plugin, slowly) as here, watching(here.server.address) as watcher:
        assert "subscribe" in await watcher.subscribe("ds/u/fast/1000")
        numbers: list[int] = []
        while numbers[-1:] != [999]:
            numbers.append((await watcher.hear())["push"]["pub"]["data"]["data"]["values"][1][0] - 100_000_000)
        assert numbers == sorted(numbers)
        let_go = await metric(here.server.address, "framecast_source_conflated_packets_total")
        assert let_go == 1_000 - len(numbers)
        assert let_go > 0


async def test_a_plugin_that_does_not_end_keeps_no_server_from_ending(tmp_path: Path, go_plugin: Path) -> None:
    """It is stopped, as by a debugger; the end of the scene is what is looked at."""
    soon = ("plugins.shutdown_seconds=1", "plugins.terminate_seconds=1")
    async with scene(tmp_path, go_plugin, *soon) as here, watching(here.server.address) as watcher:
        assert "subscribe" in await watcher.subscribe("ds/u/freeze")
        assert (await watcher.hear())["push"]["pub"]["data"] == "freezing"
        [frozen] = [pid for pid in processes_in(here.folder) if parent_of(pid) in processes_in(here.folder)]
        await wait_until(lambda: state_of(frozen) == "T")


async def test_a_server_that_is_killed_takes_its_plugins_along(tmp_path: Path, go_plugin: Path) -> None:
    folder = install_go_plugin(tmp_path / "plugins", go_plugin)
    settings = (f"plugins.path={tmp_path / 'plugins'}", f"plugins.allow_loading_unsigned_plugins={FAULTY}")
    with trio.fail_after(PATIENCE_SECONDS):
        server = RunningServer(serve_command(tmp_path / "data", *settings), tmp_path / "stderr.log")
        try:
            await ask(server.address, "POST", "/api/datasources", SOURCE)
            async with watching(server.address) as watcher:
                assert "subscribe" in await watcher.subscribe(SETTINGS)
                pid = (await until(watcher, n=0))["pid"]
                assert pid in processes_in(folder)
        finally:
            server.kill()
        await wait_until(lambda: processes_in(folder) == [])
