"""A real plugin on Grafana's SDK, spoken to as Grafana does it: every call, streams, logs, with TLS and without."""

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.go_builds import find_go
from end_to_end.go_plugins import CONTEXT, SOURCES, house_with
from framecast._core import arrow_to_frame
from framecast.errors import Refusal
from framecast.plugins.host.backend import Query, StreamBrokenError
from framecast.plugins.host.context import CallContext
from framecast.plugins.host.methods import QUERY_DATA
from framecast.plugins.schema import pluginv2_pb2
from plugins.processes import PATIENCE_SECONDS, wait_until


@pytest.mark.parametrize("mutual_tls", [False, True])
async def test_a_plugin_is_told_who_asks_and_answers_every_call(
    tmp_path: Path, go_plugin: Path, mutual_tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMECAST_TOKENS_HMAC_SECRET", "sesame")
    async with house_with(tmp_path, go_plugin, mutual_tls=mutual_tls) as house:
        plugin = house.faulty
        told = json.loads(await plugin.subscribe(CONTEXT, "context", b'{"q":1}', {"X-Test": "yes"}))
        variables = set(told.pop("env"))
        assert told == {
            "org": 1,
            "plugin": "faulty-datasource",
            "version": "1.2.3",
            "login": "ann",
            "role": "Editor",
            "uid": "u1",
            "url": "http://db",
            "json": {"a": 1},
            "secrets": {"password": "sesame"},
            "made": 1,
            "data": {"q": 1},
            "header": "yes",
            "config": "",
        }
        assert not [name for name in variables if name.startswith("FRAMECAST")]
        assert ("PLUGIN_CLIENT_CERT" in variables) == mutual_tls
        assert await plugin.publish(CONTEXT, "echo", b'{"x":1}') == b'{"x":1}'
        health = await plugin.check_health(CONTEXT)
        assert (health.status, health.message, json.loads(health.details)) == ("ok", "reaches http://db", {"uid": "u1"})
        answers = await plugin.query(CONTEXT, [Query("A", b"{}", 1_000, 2_000), Query("B", b"{}", 0, 1, "error")])
        assert [frame[:6] for frame in answers["A"].frames] == [b"ARROW1"]
        assert (answers["A"].status, answers["B"].status, answers["B"].error) == (200, 400, "no such metric")


@pytest.mark.parametrize(
    ("path", "code", "temporary", "words"),
    [
        ("missing", 404, False, "has no stream 'missing'"),
        ("secret", 403, False, "does not permit this on 'secret'"),
        ("error", 500, True, "the database is on fire"),
        ("panic", 500, True, "no such luck"),
    ],
)
async def test_what_the_plugin_refuses_is_refused(
    tmp_path: Path, go_plugin: Path, path: str, code: int, temporary: bool, words: str
) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        with pytest.raises(Refusal) as caught:
            await house.faulty.subscribe(CONTEXT, path, b"")
        assert (caught.value.code, caught.value.temporary, words in caught.value.message) == (code, temporary, True)
        if path in {"missing", "secret"}:
            with pytest.raises(Refusal) as caught:
                await house.faulty.publish(CONTEXT, path, b"1")
            assert caught.value.code == code


async def test_frames_stream_with_their_schema_first(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        initial = json.loads(await house.faulty.subscribe(CONTEXT, "frames", b""))
        names = [field["name"] for field in initial["schema"]["fields"]]
        assert (names, "data" in initial) == (["time", "value"], False)
        async with house.faulty.running_stream(CONTEXT, "frames", b"") as packets:
            frames = [json.loads(await anext(packets)) for _ in range(20)]
        assert [frame["data"]["values"][1] for frame in frames] == [[number] for number in range(20)]


async def test_large_things_pass_both_ways(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        text = json.dumps("x" * 3_000_000).encode()
        assert await house.faulty.publish(CONTEXT, "echo", text) == text
        async with house.faulty.running_stream(CONTEXT, "large/9000000", b"") as packets:
            assert [len(packet) async for packet in packets] == [9_000_002]


async def test_a_stream_ends_when_the_plugin_is_done_and_breaks_when_it_fails(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        async with house.faulty.running_stream(CONTEXT, "fast/5000", b"") as packets:
            assert len([packet async for packet in packets]) == 5_000
        async with house.faulty.running_stream(CONTEXT, "unknown", b"") as packets:
            with pytest.raises(StreamBrokenError, match='UNKNOWN: no stream "unknown"'):
                await anext(packets)


async def test_fifty_streams_run_at_once_over_one_connection(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        counts: list[int] = []

        async def run() -> None:
            async with house.faulty.running_stream(CONTEXT, "fast/400", b"") as packets:
                counts.append(len([packet async for packet in packets]))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(run)
        assert counts == [400] * 50


async def test_a_slow_reader_holds_the_plugin_back_and_nothing_else(tmp_path: Path, go_plugin: Path) -> None:
    async with (
        house_with(tmp_path, go_plugin, window_bytes=65_536) as house,
        house.faulty.running_stream(CONTEXT, "fast/50000", b"") as packets,
    ):
        assert b"100000000" in await anext(packets)
        await house.bystander.check_unmoved()
        held = packets._call._exchange.held_bytes
        assert held <= 65_536
        assert await house.faulty.publish(CONTEXT, "echo", b"1") == b"1"
        assert packets._call._exchange.held_bytes == held
        assert len([packet async for packet in packets]) == 49_999


async def test_a_changed_data_source_is_another_instance(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:

        async def made(context: CallContext) -> tuple[int, str]:
            told = json.loads(await house.faulty.subscribe(context, "context", b""))
            return told["made"], told["url"]

        assert CONTEXT.data_source is not None
        changed = replace(CONTEXT, data_source=replace(CONTEXT.data_source, url="http://new", updated_ms=2))
        assert [await made(CONTEXT), await made(CONTEXT)] == [(1, "http://db"), (1, "http://db")]
        assert [await made(changed), await made(changed)] == [(2, "http://new"), (2, "http://new")]


async def test_leaving_a_stream_cancels_it_in_the_plugin_and_its_logs_are_ours(
    tmp_path: Path, go_plugin: Path, entries: list[Any]
) -> None:
    def told(**fields: Any) -> list[Any]:
        return [entry for entry in entries if fields.items() <= entry.items()]

    async with house_with(tmp_path, go_plugin, log_burst=10_000) as house:
        async with house.faulty.running_stream(CONTEXT, "talk/7", b""):
            await wait_until(lambda: bool(told(text="a line on stdout", plugin="faulty-datasource")))
            [warning] = told(text="a warning", log_level="warning", plugin="faulty-datasource")
            assert warning["details"]["number"] == 7
            assert not told(text="the stream was cancelled")
        await wait_until(lambda: bool(told(text="the stream was cancelled", log_level="info")))


async def test_an_orderly_stop_lets_the_plugin_exit_by_itself(
    tmp_path: Path, go_plugin: Path, entries: list[Any]
) -> None:
    async with house_with(tmp_path, go_plugin, shutdown_seconds=60):
        pass
    assert not [entry for entry in entries if entry["event"] in {"plugin had to be killed", "plugin ended"}]
    assert len([entry for entry in entries if entry.get("text") == "Plugin server exited"]) == 2


def test_our_schema_has_the_numbers_of_the_sdk_s() -> None:
    found = subprocess.run(
        [find_go(), "list", "-m", "-f", "{{.Dir}}", "github.com/grafana/grafana-plugin-sdk-go"],
        cwd=SOURCES,
        stdout=subprocess.PIPE,
        env={**os.environ, "GOFLAGS": "-mod=mod"},
        check=True,
        text=True,
    )
    text = (Path(found.stdout.strip()) / "proto" / "backend.proto").read_text()
    theirs = {
        name: dict(re.findall(r"(\w+)\s*=\s*(\d+);", body))
        for name, body in re.findall(r"message (\w+) \{(.*?)\n\}", text, re.DOTALL)
    }
    for name, message in pluginv2_pb2.DESCRIPTOR.message_types_by_name.items():
        for field in message.fields:
            spelled = field.name.replace("_", "").lower()
            assert {key.lower(): number for key, number in theirs[name].items()}[spelled] == str(field.number), field
        for value in (value for enum in message.enum_types for value in enum.values):
            assert theirs[name][value.name] == str(value.number)


async def test_frames_of_every_type_are_read_as_the_sdk_writes_them(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        plugin = house.faulty
        answers = await plugin.query(CONTEXT, [Query("A", b"{}", 0, 1, "every type")])
        request = pluginv2_pb2.QueryDataRequest(
            plugin_context=plugin._spell(CONTEXT),
            queries=[
                pluginv2_pb2.DataQuery(
                    ref_id="A", json=b"{}", query_type="every type", time_range=pluginv2_pb2.TimeRange(to_epoch_ms=1)
                )
            ],
            format=pluginv2_pb2.JSON,
        )
        twins = (await plugin._ask(QUERY_DATA, request, PATIENCE_SECONDS)).responses["A"].frames
        told = [arrow_to_frame(file, ref_id="A", max_bytes=1_000_000) for file in answers["A"].frames]
        assert len(told) == 5
        assert list(map(json.loads, told)) == list(map(json.loads, twins))
