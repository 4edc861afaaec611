"""A plugin's answers in the words of the house, and what it is told of who asks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from google.protobuf.message import Message

from framecast.errors import ConfigurationError, Refusal
from framecast.plugins.host.backend import BackendPlugin, Health, Query, QueryAnswer, StreamBrokenError
from framecast.plugins.host.context import AppInstance, CallContext, DataSourceInstance, User
from framecast.plugins.host.discovery import PluginPackage
from framecast.plugins.host.host import load_plugins
from framecast.plugins.host.manifest import Signature
from framecast.plugins.schema import pluginv2_pb2 as schema
from framecast.settings import Plugins
from plugins.grpc_server import Handler, ServedCall
from plugins.installed import TEST_ID, install
from plugins.wired import connected

PACKAGE = PluginPackage(
    id="x-datasource",
    type="datasource",
    name="X",
    version="2.0.1",
    folder=Path("/nowhere"),
    executable=Path("/nowhere/gpx"),
    signature=Signature.UNSIGNED,
)
SUBSCRIBE = "/pluginv2.Stream/SubscribeStream"
PUBLISH = "/pluginv2.Stream/PublishStream"
RUN = "/pluginv2.Stream/RunStream"


@asynccontextmanager
async def plugin_with(handlers: Mapping[str, Handler]) -> AsyncIterator[BackendPlugin]:
    """A plugin that runs already, as its supervisor sees it."""
    plugin = BackendPlugin(PACKAGE, Plugins(call_seconds=10, query_seconds=20))
    async with connected(handlers) as (channel, _):
        plugin._supervisor._take_channel(channel)
        yield plugin


def answering(answer: Message, seen: list[bytes] | None = None) -> Handler:
    async def handle(call: ServedCall) -> None:
        await call.request_ended.wait()
        if seen is not None:
            seen.append(call.message)
        await call.answer(answer.SerializeToString())

    return handle


def failing(status: str, words: str = "because") -> Handler:
    async def handle(call: ServedCall) -> None:
        await call.head(("grpc-status", status), ("grpc-message", words), ends=True)

    return handle


async def silence(_call: ServedCall) -> None:
    await trio.sleep_forever()


async def test_a_subscriber_begins_with_what_the_plugin_says(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[bytes] = []
    answer = schema.SubscribeStreamResponse(data=b'{"schema":{}}')
    async with plugin_with({SUBSCRIBE: answering(answer, seen)}) as plugin:
        context = CallContext(
            org_id=2,
            user=User("ann", name="Ann", email="ann@example.com", role="Editor"),
            data_source=DataSourceInstance(
                uid="u1",
                name="mine",
                url="http://db",
                user="db",
                database="metrics",
                basic_auth=True,
                basic_auth_user="basic",
                json_data=b'{"a":1}',
                secure_json_data={"password": "sesame"},
                updated_ms=1_700_000_000_000,
                id=7,
            ),
            app=AppInstance(json_data=b'{"b":2}', secure_json_data={"k": "v"}, updated_ms=5),
            grafana_config={"GF_APP_URL": "http://localhost/"},
        )
        assert await plugin.subscribe(context, "a/b", b'{"q":1}', {"X-Test": "1"}) == b'{"schema":{}}'
    told = schema.SubscribeStreamRequest.FromString(seen[0])
    assert (told.path, told.data, dict(told.headers)) == ("a/b", b'{"q":1}', {"X-Test": "1"})
    about = told.plugin_context
    assert (about.org_id, about.plugin_id, about.plugin_version) == (2, "x-datasource", "2.0.1")
    assert (about.namespace, dict(about.grafana_config)) == ("org-2", {"GF_APP_URL": "http://localhost/"})
    assert (about.user.login, about.user.name, about.user.email, about.user.role) == (
        "ann",
        "Ann",
        "ann@example.com",
        "Editor",
    )
    source = about.data_source_instance_settings
    assert (source.id, source.uid, source.name, source.url, source.user, source.database) == (
        7,
        "u1",
        "mine",
        "http://db",
        "db",
        "metrics",
    )
    assert (source.basic_auth_enabled, source.basic_auth_user, source.last_updated_ms) == (
        True,
        "basic",
        1_700_000_000_000,
    )
    assert (source.json_data, dict(source.decrypted_secure_json_data)) == (b'{"a":1}', {"password": "sesame"})
    app = about.app_instance_settings
    assert (app.json_data, dict(app.decrypted_secure_json_data), app.last_updated_ms) == (b'{"b":2}', {"k": "v"}, 5)


def test_secrets_are_never_shown() -> None:
    source = DataSourceInstance(uid="u", secure_json_data={"password": "sesame"})
    assert "sesame" not in repr(CallContext(data_source=source, app=AppInstance(secure_json_data={"k": "sesame"})))


async def test_what_the_server_asks_by_itself_is_on_nobody_s_behalf(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[bytes] = []
    async with plugin_with({SUBSCRIBE: answering(schema.SubscribeStreamResponse(), seen)}) as plugin:
        assert await plugin.subscribe(CallContext(), "a", b"") == b""
    about = schema.SubscribeStreamRequest.FromString(seen[0]).plugin_context
    assert not about.HasField("user")
    assert not about.HasField("data_source_instance_settings")
    assert not about.HasField("app_instance_settings")
    assert (about.org_id, about.namespace) == (1, "default")


@pytest.mark.parametrize(
    ("handler", "code", "temporary", "words"),
    [
        (answering(schema.SubscribeStreamResponse(status="NOT_FOUND")), 404, False, "has no stream 'a/b'"),
        (answering(schema.SubscribeStreamResponse(status="PERMISSION_DENIED")), 403, False, "does not permit"),
        (failing("3"), 400, False, "because"),
        (failing("5"), 404, False, "because"),
        (failing("7"), 403, False, "because"),
        (failing("16"), 403, False, "because"),
        (failing("12", "unknown service"), 404, False, "unknown service"),
        (failing("2", "the%20database"), 500, True, "the database"),
        (failing("13"), 500, True, "because"),
        (failing("8"), 503, True, "because"),
        (failing("14"), 503, True, "because"),
        (silence, 504, True, "did not answer within"),
    ],
)
async def test_what_a_plugin_refuses_or_fails_at_is_a_refusal_that_says_whether_to_try_again(
    autojump_clock: trio.testing.MockClock, handler: Handler, code: int, temporary: bool, words: str
) -> None:
    async with plugin_with({SUBSCRIBE: handler, PUBLISH: handler}) as plugin:
        for ask in (plugin.subscribe, plugin.publish):
            with pytest.raises(Refusal) as caught:
                await ask(CallContext(), "a/b", b"")
            assert (caught.value.code, caught.value.temporary) == (code, temporary)
            assert caught.value.message.startswith("the plugin x-datasource")
            assert words in caught.value.message


async def test_an_answer_that_is_none_of_the_protocol_is_the_plugin_s_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def garbage(call: ServedCall) -> None:
        await call.answer(b"\xff\xff\xff")

    async def unknown(call: ServedCall) -> None:
        await call.answer(b"\x08\x07")

    for handler, words in ((garbage, "is no SubscribeStreamResponse"), (unknown, "the unknown status 7")):
        async with plugin_with({SUBSCRIBE: handler}) as plugin:
            with pytest.raises(Refusal, match=words) as caught:
                await plugin.subscribe(CallContext(), "a", b"")
            assert (caught.value.code, caught.value.temporary) == (500, True)


async def test_what_is_published_is_what_the_plugin_makes_of_it(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[bytes] = []
    async with plugin_with({PUBLISH: answering(schema.PublishStreamResponse(data=b"[2]"), seen)}) as plugin:
        assert await plugin.publish(CallContext(), "a", b"[1]") == b"[2]"
    told = schema.PublishStreamRequest.FromString(seen[0])
    assert (told.path, told.data) == ("a", b"[1]")


async def test_a_stream_s_packets_come_as_they_were_sent_and_end_when_the_plugin_is_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen: list[bytes] = []

    async def run(call: ServedCall) -> None:
        await call.request_ended.wait()
        seen.append(call.message)
        await call.answer(*(schema.StreamPacket(data=b"%d" % n).SerializeToString() for n in range(200)))

    async with plugin_with({RUN: run}) as plugin, plugin.running_stream(CallContext(), "a", b"{}") as packets:
        assert [packet async for packet in packets] == [b"%d" % number for number in range(200)]
    told = schema.RunStreamRequest.FromString(seen[0])
    assert (told.path, told.data) == ("a", b"{}")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (failing("2", "the%20sensor"), "UNKNOWN: the sensor"),
        (failing("12", "no"), "UNIMPLEMENTED: no"),
    ],
)
async def test_a_stream_that_fails_is_broken(
    autojump_clock: trio.testing.MockClock, handler: Handler, words: str
) -> None:
    async with plugin_with({RUN: handler}) as plugin, plugin.running_stream(CallContext(), "a", b"") as packets:
        with pytest.raises(StreamBrokenError, match=words):
            await anext(packets)


async def test_a_packet_that_is_none_breaks_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    async def garbage(call: ServedCall) -> None:
        await call.head()
        await call.send(b"\xff\xff\xff")
        await call.reset.wait()

    async with plugin_with({RUN: garbage}) as plugin, plugin.running_stream(CallContext(), "a", b"") as packets:
        with pytest.raises(StreamBrokenError, match="INTERNAL: the plugin's answer is no StreamPacket"):
            await anext(packets)


@pytest.mark.parametrize(("status", "expected"), [("OK", "ok"), ("ERROR", "error"), ("UNKNOWN", "unknown")])
async def test_a_plugin_says_how_an_instance_is(
    autojump_clock: trio.testing.MockClock, status: Any, expected: Any
) -> None:
    answer = schema.CheckHealthResponse(status=status, message="well", json_details=b"{}")
    async with plugin_with({"/pluginv2.Diagnostics/CheckHealth": answering(answer)}) as plugin:
        assert await plugin.check_health(CallContext()) == Health(expected, "well", b"{}")


async def test_queries_are_answered_each_by_its_letter(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[bytes] = []
    answer = schema.QueryDataResponse(
        responses={
            "A": schema.DataResponse(frames=[b"ARROW1", b"ARROW2"]),
            "B": schema.DataResponse(error="no such table", status=400, error_source="downstream"),
            "C": schema.DataResponse(error="broken"),
        }
    )
    async with plugin_with({"/pluginv2.Data/QueryData": answering(answer, seen)}) as plugin:
        queries = [Query("A", b'{"expr":"up"}', 1_000, 2_000, "range", 100, 15), Query("B", b"{}", 0, 1)]
        assert await plugin.query(CallContext(), queries, {"X-A": "b"}) == {
            "A": QueryAnswer((b"ARROW1", b"ARROW2"), 200, "", ""),
            "B": QueryAnswer((), 400, "no such table", "downstream"),
            "C": QueryAnswer((), 500, "broken", ""),
        }
    told = schema.QueryDataRequest.FromString(seen[0])
    first = told.queries[0]
    assert (first.ref_id, first.json, first.query_type, first.max_data_points, first.interval_ms) == (
        "A",
        b'{"expr":"up"}',
        "range",
        100,
        15,
    )
    assert (first.time_range.from_epoch_ms, first.time_range.to_epoch_ms) == (1_000, 2_000)
    assert dict(told.headers) == {"X-A": "b"}


async def test_a_plugin_that_is_never_ready_costs_a_call_its_time_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    plugin = BackendPlugin(PACKAGE, Plugins(call_seconds=10))
    began = trio.current_time()
    with pytest.raises(Refusal, match="was not ready within 10 s") as caught:
        await plugin.subscribe(CallContext(), "a", b"")
    assert caught.value.code == 504
    with pytest.raises(Refusal):
        async with plugin.running_stream(CallContext(), "a", b""):
            raise AssertionError
    assert trio.current_time() - began == pytest.approx(20)


async def test_without_a_folder_no_plugin_runs() -> None:
    host = await load_plugins(Plugins())
    assert (dict(host.plugins), host.find("x-datasource")) == ({}, None)
    with trio.fail_after(10):
        await host.run()


async def test_a_host_has_the_plugins_of_its_folder_by_their_ids(tmp_path: Path) -> None:
    install(tmp_path)
    install(tmp_path, "unsigned-datasource")
    host = await load_plugins(Plugins(path=str(tmp_path), allow_loading_unsigned_plugins=(TEST_ID,)))
    assert list(host.plugins) == [TEST_ID]
    assert host.find(TEST_ID) is host.plugins[TEST_ID]


async def test_limits_that_let_no_message_pass_keep_the_server_from_starting() -> None:
    with pytest.raises(ConfigurationError, match=r"plugins\.held_bytes = 10 is less than plugins\.message_bytes = 11"):
        await load_plugins(Plugins(held_bytes=10, message_bytes=11))


async def test_frames_in_a_format_that_nobody_asked_for_are_an_error_of_their_query_alone() -> None:
    answer = schema.QueryDataResponse(
        responses={
            "A": schema.DataResponse(frames=[b"{}"], format=schema.JSON, status=200),
            "B": schema.DataResponse(frames=[b"ARROW1"]),
        }
    )
    async with plugin_with({"/pluginv2.Data/QueryData": answering(answer)}) as plugin:
        answers = await plugin.query(CallContext(), [Query("A", b"{}", 0, 1), Query("B", b"{}", 0, 1)])
    assert (answers["A"].frames, answers["A"].status, "was not asked for" in answers["A"].error) == ((), 500, True)
    assert answers["B"] == QueryAnswer((b"ARROW1",), 200, "", "")
