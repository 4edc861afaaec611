"""Queries to data sources of real backend plugins, over HTTP and by subscribers, beside one that notices nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from end_to_end.test_data_source_life import Scene, scene
from patience import PATIENCE_SECONDS
from watching import Watcher, ask, watching

PATH = "/api/ds/query"
GOLDEN = Path(__file__).parent.parent / "data" / "arrow"
TIMES = {"from": "1700000000000", "to": "1700000060000"}


def of(uid: str, query_type: str = "", ref_id: str = "A", **model: Any) -> dict[str, Any]:
    return {"refId": ref_id, "datasource": {"uid": uid}, "queryType": query_type, **model}


async def query(here: Scene, *queries: dict[str, Any], status: int = 200) -> Any:
    return (await ask(here.server.address, "POST", PATH, {"queries": queries, **TIMES}, status=status))["results"]


async def call(watcher: Watcher, *queries: dict[str, Any], method: str = "grafana.query", **body: Any) -> Any:
    """The reply to a subscriber's call."""
    await watcher.say(id=9, rpc={"method": method, "data": {"queries": queries, **TIMES, **body}})
    while (said := await watcher.hear()).get("id") != 9:
        pass
    return said


@asynccontextmanager
async def calm_scene(root: Path, program: Path, *settings: str) -> AsyncIterator[Scene]:
    """At the end the other data source, whose stream is watched all the while, answers queries too."""
    async with scene(root, program, *settings) as here:
        yield here
        [frame] = (await query(here, of("calm")))["A"]["frames"]
        assert frame["schema"]["fields"][1]["labels"] == {"uid": "calm"}


async def test_a_query_gets_to_the_plugin_with_all_that_it_says(tmp_path: Path, go_plugin: Path) -> None:
    async with calm_scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        sent = of("u", "told", maxDataPoints=700, intervalMs=15, expr='up{a="ü"}', big=12345678901234567890)
        results = await query(here, sent, of("u", "told", "B"))
        [[told]] = results["A"]["frames"][0]["data"]["values"]
        assert told["json"] == sent
        assert (told["maxDataPoints"], told["intervalMs"], told["queries"]) == (700, 15, 2)
        assert (told["from"], told["to"]) == (1_700_000_000_000, 1_700_000_060_000)
        assert (told["uid"], told["url"], told["secrets"], told["org"]) == (
            "u",
            "http://old",
            {"password": "sesame"},
            1,
        )
        assert (told["login"], told["role"]) == ("", "Admin")
        reply = await call(watcher, sent, of("u", "told", "B"))
        assert reply["rpc"]["data"]["results"] == results
        assert "sesame" not in here.server.log.read_text()


async def test_frames_of_every_type_are_as_the_sdk_writes_them(tmp_path: Path, go_plugin: Path) -> None:
    async with calm_scene(tmp_path, go_plugin) as here:
        frames = (await query(here, of("u", "every type")))["A"]["frames"]
    names = [frame["schema"].get("name", "labels").split()[0] for frame in frames]
    assert sorted(names) == sorted(path.stem for path in GOLDEN.glob("*.json"))
    for name, frame in zip(names, frames, strict=True):
        assert frame == json.loads((GOLDEN / f"{name}.json").read_bytes())


async def test_several_sources_answer_one_request_and_each_fails_for_itself(tmp_path: Path, go_plugin: Path) -> None:
    async with calm_scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        await ask(here.server.address, "POST", "/api/datasources", {"name": "T", "type": "testdata", "uid": "t"})
        queries = (of("u", "error", "A"), of("calm", "", "B"), of("t", "random_walk", "C"), of("u", "", "D"))
        results = await query(here, *queries, status=400)
        assert results["A"]["status"] == 400
        assert (results["A"]["error"], "frames" in results["A"]) == ("no such metric", False)
        assert [results[letter]["status"] for letter in "BCD"] == [200, 200, 200]
        [frame] = results["D"]["frames"]
        assert frame["schema"]["refId"] == "D"
        assert frame["data"]["values"] == [[1_700_000_000_000, 1_700_000_060_000], [1, 2]]
        told = (await call(watcher, *queries))["rpc"]["data"]["results"]
        assert {letter: told[letter] for letter in "ABD"} == {letter: results[letter] for letter in "ABD"}

        [both] = (await query(here, of("u", "frames and error"), status=400)).values()
        assert (both["status"], both["error"], len(both["frames"])) == (502, "half of it is missing", 1)
        assert await query(here, of("u", "foreign")) == {}


async def test_a_subscriber_is_refused_with_a_code_and_goes_on(tmp_path: Path, go_plugin: Path) -> None:
    async with calm_scene(tmp_path, go_plugin) as here, watching(here.server.address) as watcher:
        for reply, code in (
            (await call(watcher), 400),
            (await call(watcher, of("u"), to="soon"), 400),
            (await call(watcher, of("nobody")), 404),
            (await call(watcher, of("u"), method="grafana.nothing"), 104),
            (await call(watcher, of("u", "rows/600000")), 106),
        ):
            assert (reply["error"]["code"], reply["error"].get("temporary", False)) == (code, False)
        assert (await call(watcher, of("u")))["rpc"]["data"]["results"]["A"]["status"] == 200


async def test_a_plugin_that_hangs_or_panics_fails_its_queries(tmp_path: Path, go_plugin: Path) -> None:
    async with calm_scene(tmp_path, go_plugin, "plugins.query_seconds=1") as here:
        results = await query(here, of("u", "hang"), of("calm", "", "B"), status=400)
        assert (results["A"]["status"], results["B"]["status"]) == (504, 200)
        results = await query(here, of("u", "panic"), of("calm", "", "B"), status=400)
        assert (results["A"]["status"], results["B"]["status"]) == (500, 200)
        assert "no such luck" in results["A"]["error"]
        assert (await query(here, of("u")))["A"]["status"] == 200


async def test_frames_that_are_none_or_too_large_fail_their_query(tmp_path: Path, go_plugin: Path) -> None:
    limits = ("plugins.message_bytes=1000000", "queries.response_bytes=100000")
    async with calm_scene(tmp_path, go_plugin, *limits) as here:
        results = await query(here, of("u", "bad json"), of("u", "", "B"), status=400)
        assert (results["A"]["status"], results["B"]["status"]) == (500, 200)
        assert "a value is no JSON" in results["A"]["error"]
        results = await query(here, of("u", "rows/60000"), of("u", "", "B"), status=400)
        assert (results["A"]["status"], results["B"]["status"]) == (500, 200)
        assert "larger than" in results["A"]["error"]
        results = await query(here, of("u", "rows/200000"), of("calm", "", "B"), status=400)
        assert (results["A"]["status"], results["B"]["status"]) == (503, 200)
        assert (await query(here, of("u")))["A"]["status"] == 200


async def test_a_subscriber_that_goes_away_ends_its_query(tmp_path: Path, go_plugin: Path) -> None:
    forever = ("queries.max_running_of_one=1", "plugins.query_seconds=3600", "queries.seconds=3600")
    async with calm_scene(tmp_path, go_plugin, *forever) as here:
        async with watching(here.server.address) as watcher:
            body = {"queries": [of("u", "hang")], **TIMES}
            await watcher.say(id=9, rpc={"method": "grafana.query", "data": body})
            await expect_status(here, 503)
        await expect_status(here, 200)


async def expect_status(here: Scene, status: int) -> None:
    """Ask until that is what comes of it."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            answer = await ask(here.server.address, "POST", PATH, {"queries": [of("u")], **TIMES}, status=None)
            if answer["results"]["A"]["status"] == status:
                return
            await trio.sleep(0.02)
