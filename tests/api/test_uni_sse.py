"""Clients that only listen, against a whole server: what they hear, and what they are told instead."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
import trio.testing
from joserfc import jwt
from joserfc.jwk import OctKey

from end_to_end.wire import connect, request
from framecast.server import serve
from patience import PATIENCE_SECONDS
from served import running, settings_for
from streamed import UNI_SSE, Listener, ask, figure, push, wait_for_figure

HOUR_SECONDS = 3_600
SECRET = "0123456789abcdef0123456789abcdef"


def target(*channels: str, **more: str) -> str:
    query = [("channel", channel) for channel in channels] + list(more.items())
    return UNI_SSE + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query)


@asynccontextmanager
async def listening(place: str, *channels: str, **more: str) -> AsyncIterator[Listener]:
    async with connect(place) as connection:
        await connection.send(request("GET", target(*channels, **more), host=place))
        listener = Listener(place, connection.stream)
        status, headers = await listener.head()
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        yield listener


async def test_who_listens_begins_with_the_past_and_hears_what_follows(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        await push(place, "s", b"a n=1i")
        async with listening(place, "stream/s/a") as client:
            connected = (await client.message())["connect"]
            assert connected["ping"] == 25
            assert not {"pong", "session", "node"} & connected.keys()
            assert list(connected["subs"]) == ["stream/s/a"]
            assert connected["subs"]["stream/s/a"]["data"]["data"]["values"][2] == [1]
            await push(place, "s", b"a n=2i")
            message = await client.message()
            assert (list(message), message["channel"]) == (["channel", "pub"], "stream/s/a")
            assert message["pub"]["data"]["data"]["values"][2] == [2]


async def test_several_channels_are_heard_by_one_stream_each_once(tmp_path: Path) -> None:
    channels = ("stream/s/a", "stream/s/b", "stream/s/a", "1/stream/s/b")
    async with running(settings_for(tmp_path)) as place, listening(place, *channels) as client:
        assert sorted((await client.message())["connect"]["subs"]) == ["stream/s/a", "stream/s/b"]
        await push(place, "s", b"a n=1i\nb n=2i\na n=3i")
        assert [(await client.message())["channel"] for _ in range(2)] == ["stream/s/a", "stream/s/b"]


async def test_who_listens_for_hours_is_pinged_and_need_not_answer(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    settings = settings_for(tmp_path, f"live.ping_seconds={HOUR_SECONDS}", "live.pong_seconds=1")
    async with (
        running(settings, patience_seconds=100 * HOUR_SECONDS) as place,
        listening(place, "stream/s/a") as client,
    ):
        assert "connect" in await client.message()
        for _ in range(4):
            mock_clock.jump(HOUR_SECONDS)
            assert await client.message() == {}
        await push(place, "s", b"a n=1i")
        assert (await client.message())["channel"] == "stream/s/a"


async def test_a_listener_that_hangs_up_is_gone_at_once(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        async with listening(place, "stream/s/a") as client:
            assert "connect" in await client.message()
            assert figure("framecast_client_connections") == 1
        await wait_for_figure("framecast_client_connections", 0)


async def test_the_last_message_says_why_it_ends(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(serve, settings_for(tmp_path, "live.max_connections=1"))
            async with listening(place, "stream/s/a") as client:
                assert "connect" in await client.message()
                async with listening(place, "stream/s/a") as second:
                    assert await second.rest() == [{"disconnect": {"code": 3504, "reason": "connection limit"}}]
                os.kill(os.getpid(), signal.SIGTERM)
                assert await client.rest() == [{"disconnect": {"code": 3001, "reason": "shutdown"}}]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        (UNI_SSE, 400, "channel="),
        (target("stream/s"), 400, "stream/s"),
        (target(""), 400, "scope/namespace/path"),
        (target("stream/s/a", "\x00"), 400, r"'\x00'"),
        (target("stream/s/" + "x" * 300), 400, "255"),
        (target("stream/s/a", "stream/s/b", "stream/s/c"), 400, "live.channels_per_client"),
        (target("2/stream/s/a"), 403, "2/stream/s/a"),
        (target("nothing/at/all"), 404, "nothing/at"),
    ],
)
async def test_a_channel_nobody_could_listen_to_is_refused_as_http_does(
    tmp_path: Path, path: str, status: int, word: str
) -> None:
    async with running(settings_for(tmp_path, "live.channels_per_client=2")) as place:
        answer = await ask(place, "GET", path)
        assert answer.status == status
        assert word in json.loads(answer.body)["message"]


async def test_only_a_get_from_a_page_of_ours_is_served(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        assert (await ask(place, "POST", target("stream/s/a"))).status == 405
        assert (await ask(place, "GET", target("stream/s/a"), sec_fetch_site="cross-site")).status == 403
        assert (await ask(place, "GET", target("stream/s/a"), origin="https://evil.example")).status == 403
        async with connect(place) as connection:
            await connection.send(request("HEAD", target("stream/s/a"), host=place))
            assert (await connection.stream.receive_some()).startswith(b"HTTP/1.1 405 ")
    async with running(settings_for(tmp_path, dev=False)) as place:
        assert (await ask(place, "GET", target("stream/s/a"))).status == 401
    async with running(settings_for(tmp_path, "live.max_connections=0")) as place:
        assert (await ask(place, "GET", target("stream/s/a"))).status == 503


async def test_a_stranger_listens_with_a_token(tmp_path: Path) -> None:
    token = jwt.encode({"alg": "HS256"}, {"sub": "ada"}, OctKey.import_key(SECRET))
    async with running(settings_for(tmp_path, f"tokens.hmac_secret={SECRET}", dev=False)) as place:
        async with listening(place, "stream/s/a", token=token) as client:
            assert list((await client.message())["connect"]["subs"]) == ["stream/s/a"]
        answer = await ask(place, "GET", target("stream/s/a"))
        assert (answer.status, "?token=" in answer.body.decode()) == (401, True)
        async with listening(place, "stream/s/a", token="nonsense") as client:
            assert await client.rest() == [{"disconnect": {"code": 3500, "reason": "invalid token"}}]
