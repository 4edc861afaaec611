"""Subscribers over HTTP streams, against a whole server: what they hear, how they speak, what each request is told."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from end_to_end.wire import TEXT, connect, encode_frame, request, upgrade_request
from framecast.protocol.schema.client_pb2 import (
    Command,
    ConnectRequest,
    EmulationRequest,
    Reply,
    SubscribeRequest,
    UnsubscribeRequest,
)
from framecast.server import serve
from patience import PATIENCE_SECONDS
from served import running, settings_for
from streamed import (
    CONNECT,
    EMULATION,
    SSE,
    STREAM,
    WAYS,
    ask,
    figure,
    listening,
    open_stream,
    push,
    subscribe,
    until,
    wait_for_figure,
)

CHANNEL = "stream/s/a"
BINARY = "application/octet-stream"
HOUR_SECONDS = 3_600


def unsubscribed(number: int) -> Any:
    return {"id": number, "unsubscribe": {}}


def written(*commands: Command) -> bytes:
    """A frame; none of its commands is longer than one byte can say."""
    return b"".join(bytes([command.ByteSize()]) + command.SerializeToString() for command in commands)


# What is heard and said.


@pytest.mark.parametrize(("path", "method"), WAYS)
async def test_a_client_hears_by_its_stream_and_speaks_beside_it(tmp_path: Path, path: str, method: str) -> None:
    async with running(settings_for(tmp_path)) as place:
        frame = (CONNECT, subscribe("stream/s/a"))
        async with listening(place, path, *frame, method=method) as client:
            assert "subscribe" in await client.message()
            await push(place, "s", b"a n=1i")
            assert (await client.message())["push"]["channel"] == "stream/s/a"
            assert (await client.ask('{"id":3,"unsubscribe":{"channel":"stream/s/a"}}')) == {"id": 3, "unsubscribe": {}}
            first = await client.ask(subscribe("stream/s/b", 4), subscribe("stream/nothing/at/all", 5))
            assert first["id"] == 4
            assert (await client.message())["id"] == 5
            await push(place, "s", b"a n=2i\nb n=3i")
            assert (await client.message())["push"]["channel"] == "stream/s/b"


@pytest.mark.parametrize(("path", "kind"), [(STREAM, "application/x-ndjson"), (SSE, "text/event-stream")])
async def test_nothing_on_the_way_is_invited_to_keep_a_stream_back(tmp_path: Path, path: str, kind: str) -> None:
    async with running(settings_for(tmp_path)) as place, open_stream(place, path) as client:
        status, headers = await client.head()
        assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
        assert headers["cache-control"] == "no-store, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert headers["transfer-encoding"] == "chunked"
        assert "content-encoding" not in headers


async def test_events_begin_with_an_empty_line_and_each_is_one_message(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, open_stream(place, SSE, method="GET") as client:
        await client.head()
        assert await client.piece() == b"\r\n"
        event = await client.piece()
        assert event.startswith(b'data: {"id":1,"connect":')
        assert event.endswith(b"}\n\n")


async def test_frames_are_acted_upon_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, listening(place) as client:
        for number in range(2, 60):
            command = "subscribe" if number % 2 == 0 else "unsubscribe"
            assert (await client.say(f'{{"id":{number},"{command}":{{"channel":"stream/s/x"}}}}')).status == 204
        replies = [await client.message() for _ in range(58)]
        assert [reply["id"] for reply in replies] == list(range(2, 60))
        assert not any("error" in reply for reply in replies)


async def test_a_frame_may_come_in_many_pieces(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        for byte in request("POST", STREAM, CONNECT.encode(), host=place):
            await connection.send(bytes([byte]))
        async with listening(place) as client, connect(place) as speaking:
            body = json.dumps({"session": client.session, "node": client.node, "data": subscribe("stream/s/x")})
            for byte in request("POST", EMULATION, body.encode(), host=place):
                await speaking.send(bytes([byte]))
            assert (await speaking.answer()).status == 204
            assert "subscribe" in await client.message()


async def test_sessions_do_not_mix(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, listening(place) as one, listening(place, SSE) as other:
        assert one.session != other.session
        assert one.node == other.node
        assert "subscribe" in await one.ask(subscribe("stream/s/one"))
        assert "subscribe" in await other.ask(subscribe("stream/s/other"))
        await push(place, "s", b"one n=1i\nother n=2i")
        assert (await one.message())["push"]["channel"] == "stream/s/one"
        assert (await other.message())["push"]["channel"] == "stream/s/other"
        assert (await one.ask('{"id":9,"unsubscribe":{"channel":"x"}}'))["id"] == 9


async def test_it_makes_no_difference_what_came_before_on_a_connection(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        for _ in range(2):
            await connection.send(request("GET", "/api/health", host=place))
            assert (await connection.answer()).status == 200
        async with listening(place) as client:
            body = json.dumps({"session": client.session, "node": client.node, "data": subscribe("stream/s/x")})
            await connection.send(request("POST", EMULATION, body.encode(), host=place))
            assert (await connection.answer()).status == 204
            assert "subscribe" in await client.message()
        await connection.send(request("POST", STREAM, CONNECT.encode(), host=place))
        assert b'"connect":{"client":' in await until(connection.stream, b'"session"')


async def test_protobuf_is_spoken_where_the_first_frame_is_protobuf(tmp_path: Path) -> None:
    frame = written(Command(id=1, connect=ConnectRequest()), Command(id=2, subscribe=SubscribeRequest(channel=CHANNEL)))
    async with (
        running(settings_for(tmp_path)) as place,
        open_stream(place, STREAM, body=frame, content_type=BINARY) as client,
    ):
        status, headers = await client.head()
        assert (status, headers["content-type"]) == (200, BINARY)
        connected = Reply.FromString(await client.binary()).connect
        assert Reply.FromString(await client.binary()).subscribe.recoverable
        await push(place, "s", b"a n=1i")
        assert Reply.FromString(await client.binary()).push.channel == CHANNEL
        frame = written(Command(id=3, unsubscribe=UnsubscribeRequest(channel=CHANNEL)))
        said = EmulationRequest(session=connected.session, node=connected.node, data=frame)
        assert (await ask(place, "POST", EMULATION, said.SerializeToString(), content_type=BINARY)).status == 204
        assert Reply.FromString(await client.binary()).id == 3
        said.data = b"\xff"
        assert (await ask(place, "POST", EMULATION, said.SerializeToString(), content_type=BINARY)).status == 204
        assert Reply.FromString(await client.binary()).push.disconnect.code == 3501
        assert await client.piece() == b""


@pytest.mark.parametrize(
    ("content_type", "answered"),
    [
        (BINARY, BINARY),
        ("Application/Octet-Stream; charset=x", BINARY),
        ("application/json", "application/x-ndjson"),
        ("text/plain;charset=UTF-8", "application/x-ndjson"),
        ("", "application/x-ndjson"),
    ],
)
async def test_the_bodys_type_decides_the_form(tmp_path: Path, content_type: str, answered: str) -> None:
    async with running(settings_for(tmp_path)) as place, open_stream(place, content_type=content_type) as client:
        assert (await client.head())[1]["content-type"] == answered


# How it ends.


@pytest.mark.parametrize("path", [STREAM, SSE])
@pytest.mark.parametrize("frame", ["", "{", subscribe("stream/s/x"), CONNECT + "\n" + CONNECT, CONNECT + "\n\n"])
async def test_who_breaks_the_protocol_is_told_and_the_stream_ends(tmp_path: Path, path: str, frame: str) -> None:
    async with running(settings_for(tmp_path)) as place, open_stream(place, path, frame) as client:
        assert (await client.head())[0] == 200
        *_, last = await client.rest()
        assert last == {"push": {"disconnect": {"code": 3501, "reason": "bad request"}}}


async def test_a_broken_frame_beside_the_stream_ends_it_too(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, listening(place) as client:
        assert (await client.say("nonsense")).status == 204
        assert await client.rest() == [{"push": {"disconnect": {"code": 3501, "reason": "bad request"}}}]
        assert (await client.say("{}")).status == 404


async def test_a_server_that_goes_down_says_so_to_all(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(partial(serve, settings_for(tmp_path)))
            async with listening(place) as one, listening(place, SSE) as other:
                os.kill(os.getpid(), signal.SIGTERM)
                goodbye = [{"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}}]
                assert await one.rest() == goodbye
                assert await other.rest() == goodbye


async def test_a_client_that_hangs_up_is_gone_at_once_though_nothing_is_said(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        peers = figure("framecast_client_closes_total", code="peer")
        async with listening(place) as client:
            assert figure("framecast_client_connections") == 1
        await wait_for_figure("framecast_client_connections", 0)
        assert figure("framecast_client_closes_total", code="peer") == peers + 1
        assert (await client.say("{}")).status == 404


async def test_a_stream_goes_on_for_hours_while_pings_are_answered_beside_it(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    settings = settings_for(tmp_path, f"live.ping_seconds={HOUR_SECONDS}", "live.pong_seconds=10")
    async with running(settings, patience_seconds=100 * HOUR_SECONDS) as place, listening(place) as client:
        for number in range(2, 6):
            mock_clock.jump(HOUR_SECONDS)
            assert await client.message() == {}
            assert await client.ask("{}", f'{{"id":{number},"unsubscribe":{{"channel":"x"}}}}') == unsubscribed(number)
        mock_clock.jump(HOUR_SECONDS)
        assert await client.message() == {}
        mock_clock.jump(11)
        assert await client.rest() == [{"push": {"disconnect": {"code": 3012, "reason": "no pong"}}}]


async def test_who_is_one_too_many_is_told_over_whatever_transport(tmp_path: Path) -> None:
    full = {"push": {"disconnect": {"code": 3504, "reason": "connection limit"}}}
    async with running(settings_for(tmp_path, "live.max_connections=2")) as place:
        async with listening(place), connect(place) as socket:
            await socket.upgrade(upgrade_request("/api/live/ws", host=place))
            await socket.send(encode_frame(TEXT, CONNECT.encode()))
            assert b'"connect"' in (await socket.message()).payload
            for path in (STREAM, SSE):
                async with open_stream(place, path) as client:
                    assert (await client.head())[0] == 200
                    assert await client.rest() == [full]
        await wait_for_figure("framecast_client_connections", 0)
        async with listening(place), listening(place, SSE):
            assert figure("framecast_client_connections") == 2


async def test_a_slow_reader_is_cut_and_its_neighbours_hear_on(tmp_path: Path) -> None:
    line = b'a s="' + b"x" * 60_000 + b'"'
    small = ("live.queue_bytes=262144", "streams.packet_bytes=65536", "history.bytes=65536")
    frame = (CONNECT, subscribe("stream/s/a"))
    async with running(settings_for(tmp_path, *small)) as place:
        cut = figure("framecast_client_closes_total", code="3008")
        async with (
            listening(place, STREAM, *frame, buffer_bytes=4096) as slow,
            listening(place, STREAM, *frame) as well,
        ):
            for client in (slow, well):
                assert "subscribe" in await client.message()
            offset = 0
            while figure("framecast_client_closes_total", code="3008") == cut:
                await push(place, "s", line)
                offset += 1
                assert (await well.message())["push"]["pub"]["offset"] == offset
            # Its place is free and its session is over, long before its connection has to be.
            assert figure("framecast_client_connections") == 1
            assert (await slow.say("{}")).status == 404
            while await slow.piece():
                pass
            assert (await well.ask('{"id":9,"unsubscribe":{"channel":"x"}}'))["id"] == 9
