"""A Grafana plugin behind the same scope as one in Python; what plays it here has the host's own typed face."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from framecast.accounts.identity import Role
from framecast.errors import Refusal
from framecast.plugins import Context, DataSource, Frame, Health, User
from framecast.plugins.grafana import GrafanaPlugin, call_context
from framecast.plugins.host.backend import BackendPlugin, Query, QueryAnswer, StreamBrokenError
from framecast.plugins.host.backend import Health as BackendHealth
from framecast.plugins.host.context import CallContext
from framecast.plugins.testing import hosted

Call = tuple[CallContext, str, bytes]


HEALTH = {
    "well": BackendHealth("ok", "fine", b'{"a":1}'),
    "ill": BackendHealth("error", "down", b""),
    "null": BackendHealth("unknown", "", b"null"),
    "list": BackendHealth("ok", "", b"[]"),
    "garbage": BackendHealth("ok", "", b'{"a":'),
}


class Played:
    """Sends the same frame with its schema every second, and breaks once in a while."""

    def __init__(self) -> None:
        self.asked: list[Call] = []
        self.ran: list[Call] = []
        self.left = 0

    async def subscribe(self, context: CallContext, path: str, data: bytes) -> bytes:
        self.asked.append((context, path, data))
        if path != "a":
            raise Refusal(404, "the plugin has no such stream")
        return b""

    async def publish(self, context: CallContext, path: str, data: bytes) -> bytes:
        return b"" if data == b"0" else b'{"got":%b}' % data

    async def check_health(self, context: CallContext) -> BackendHealth:
        assert context.data_source is not None
        return HEALTH[context.data_source.uid]

    async def query(self, context: CallContext, queries: Iterable[Query]) -> Mapping[str, QueryAnswer]:
        return {}

    @asynccontextmanager
    async def running_stream(self, context: CallContext, path: str, data: bytes) -> AsyncIterator[Any]:
        self.ran.append((context, path, data))

        async def packets() -> AsyncIterator[bytes]:
            for number in range(4):
                yield Frame.of({"time": number, "x": number}).whole
                await trio.sleep(1)
            raise StreamBrokenError("UNAVAILABLE: the connection ended")

        try:
            yield packets()
        finally:
            self.left += 1


async def test_its_packets_lose_their_schema_and_a_broken_stream_goes_on(autojump_clock: MockClock) -> None:
    played = Played()
    async with hosted(GrafanaPlugin(played)) as host:
        stream = await host.subscribe("a", {"q": 1}, login="ann", role=Role.EDITOR)
        assert stream.initial is None
        packets = [await stream.receive() for _ in range(12)]
        assert ["schema" in packet for packet in packets] == [True] + [False] * 11
        assert [packet["data"]["values"][1][0] for packet in packets] == [0, 1, 2, 3] * 3
        [(asked, _, data)] = played.asked
        assert asked.user is not None
        assert (asked.user.login, asked.user.role, json.loads(data)) == ("ann", "Editor", {"q": 1})
        assert {(context.user, json.loads(data)["q"]) for context, _, data in played.ran} == {(None, 1)}
        with pytest.raises(Refusal) as caught:
            await host.subscribe("a", {"q": 2})
        assert caught.value.code == 409
        with pytest.raises(Refusal) as caught:
            await host.subscribe("b")
        assert (caught.value.code, caught.value.temporary) == (404, False)
        assert await host.publish("a", 1) == {"got": 1}
        assert await host.publish("a", 0) is None
    assert played.left == len(played.ran)


def test_it_is_told_of_its_data_source() -> None:
    source = DataSource(uid="u", url="http://x", json_data={"a": 1}, secrets={"password": "s3cret"}, updated_ms=7)
    context = Context(3, "p", "ds/u/a", User("ann", Role.VIEWER), source)
    called = call_context(context)
    assert called.data_source is not None
    assert (called.org_id, called.data_source.uid, called.data_source.updated_ms) == (3, "u", 7)
    assert json.loads(called.data_source.json_data) == {"a": 1}
    assert called.data_source.secure_json_data == {"password": "s3cret"}
    assert "s3cret" not in repr(context) + repr(called)


@pytest.mark.parametrize("is_app", [False, True])
def test_only_an_app_is_told_of_settings_of_its_own(is_app: bool) -> None:
    told = GrafanaPlugin(Played(), is_app=is_app).tell(Context(1, "p", "plugin/p/a", User("ann", Role.VIEWER)))
    assert (told.app is not None) is is_app
    assert told.user is not None
    assert told.user.login == "ann"


async def test_what_takes_a_data_source_is_refused_for_good_without_one(autojump_clock: MockClock) -> None:
    class NeedsOne(Played):
        async def subscribe(self, context: CallContext, path: str, data: bytes) -> bytes:
            raise Refusal(500, "the plugin p: data source instance settings cannot be nil", temporary=True)

        publish = subscribe

    for source, code, temporary in ((None, 400, False), (DataSource(uid="u"), 500, True)):
        async with hosted(GrafanaPlugin(NeedsOne()), data_source=source) as host:
            for ask in (host.subscribe, partial(host.publish, data=1)):
                with pytest.raises(Refusal) as caught:
                    await ask("a")
                assert (caught.value.code, caught.value.temporary) == (code, temporary)


async def test_its_health_is_read_or_is_its_own_mistake() -> None:
    plugin = GrafanaPlugin(Played())

    async def check(uid: str) -> Health:
        return await plugin.check_health(Context(1, "p", "", None, DataSource(uid=uid)))

    assert await check("well") == Health("ok", "fine", {"a": 1})
    assert await check("ill") == Health("error", "down")
    assert await check("null") == Health("unknown")
    for uid in ("list", "garbage"):
        with pytest.raises(Refusal, match="the plugin p: its details are no JSON object"):
            await check(uid)


def test_the_host_has_what_is_needed() -> None:
    for method in ("subscribe", "publish", "running_stream", "check_health"):
        assert callable(getattr(BackendPlugin, method))
