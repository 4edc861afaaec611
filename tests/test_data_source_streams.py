"""A running server whose data source is made, changed and deleted over the API while somebody watches its stream."""

from pathlib import Path

import pytest

from served import running, settings_for
from watching import ask, watching

PLUGIN = """
import json

import trio

from framecast.plugins import Plugin


class Told(Plugin):
    async def subscribe(self, context, path, data):
        return None

    async def run(self, context, path, data, sender):
        source = context.data_source
        told = {"org": context.org_id, "url": source.url, "secrets": source.secrets, "json": source.json_data}
        await sender.send(json.dumps(told).encode())
        await trio.sleep_forever()
"""
CHANNEL = "ds/plant/told"


async def test_a_change_is_heard_by_who_watches_and_a_deletion_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told_of_source.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    settings = settings_for(tmp_path / "data", "plugins.python=told=told_of_source:Told")
    source = {"name": "Plant", "type": "told", "uid": "plant", "url": "http://old", "jsonData": {"a": 1}}
    async with running(settings) as place, watching(place) as watcher:
        await watcher.say(id=2, subscribe={"channel": CHANNEL})
        assert (await watcher.hear())["error"]["code"] == 404
        await ask(place, "POST", "/api/datasources", {**source, "secureJsonData": {"password": "sesame"}})
        await watcher.say(id=3, subscribe={"channel": CHANNEL})
        assert "subscribe" in await watcher.hear()
        told = {"org": 1, "url": "http://old", "secrets": {"password": "sesame"}, "json": {"a": 1}}
        assert (await watcher.hear())["push"]["pub"]["data"] == told
        changed = {**source, "url": "http://new", "secureJsonData": {"password": "open"}}
        await ask(place, "PUT", "/api/datasources/uid/plant", changed)
        told |= {"url": "http://new", "secrets": {"password": "open"}}
        assert (await watcher.hear())["push"]["pub"]["data"] == told
        await ask(place, "DELETE", "/api/datasources/uid/plant")
        ended = (await watcher.hear())["push"]
        assert (ended["channel"], ended["unsubscribe"]["code"]) == (CHANNEL, 2000)
        await watcher.say(id=4, subscribe={"channel": CHANNEL})
        assert (await watcher.hear())["error"]["code"] == 404
