"""A whole server that speaks TLS: every room, whoever knocks wrongly, readers who take nothing."""

import contextlib
import json
import os
import signal
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from certificates import Files, make_certificate
from end_to_end.wire import (
    CLOSE,
    ConnectionEnded,
    connect,
    encode_frame,
    request,
    subscribe,
    upgrade_request,
)
from patience import PATIENCE_SECONDS
from secured import ask, count_of, heard_value, warnings_of
from served import running, settings_for


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("made"))


@pytest.fixture
def trusting(made: Files) -> ssl.SSLContext:
    return made.client_context()


# Every room.


async def test_it_says_that_it_speaks_https_and_agrees_on_http_1_1(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, capsys: pytest.CaptureFixture[str], logged: list[Any]
) -> None:
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        assert capsys.readouterr().out == f"listening on https://{place}\n"
        async with connect(place, tls=trusting) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
            assert connection.tls is not None
            assert (connection.tls.selected_alpn_protocol(), connection.tls.version()) == ("http/1.1", "TLSv1.3")
    [entry] = [entry for entry in logged if entry["event"] == "certificate in use"]
    assert entry["names"] == ("localhost", "127.0.0.1", "::1")
    assert warnings_of(logged) == []


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_pushes_by_http_and_websocket_reach_subscribers(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, newest: ssl.TLSVersion
) -> None:
    trusting.maximum_version = newest
    async with (
        running(settings_for(tmp_path, *made.overrides)) as place,
        connect(place, tls=trusting) as pushing,
        connect(place, tls=trusting) as socket,
        connect(place, tls=trusting) as listening,
    ):
        await pushing.push("s", b"m n=1i")
        await subscribe(listening, place, "stream/s/m")
        await pushing.push("s", b"m n=2i")
        assert await heard_value(listening) == 2
        await socket.upgrade(upgrade_request("/api/live/push/s?ack=1", host=place))
        await socket.send_message(b"m n=3i")
        assert b'"accepted":1' in (await socket.message()).payload
        assert await heard_value(listening) == 3


async def test_the_app_answers_and_late_pushes_and_streams_over_http_work(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    async with (
        running(settings_for(tmp_path, *made.overrides)) as place,
        connect(place, tls=trusting) as app,
        connect(place, tls=trusting) as events,
    ):
        assert (await ask(app, "GET", "/api/live/list"))[0] == 200
        await app.push("s", b"m n=1i")  # late on a connection of the application's
        await events.send(request("GET", "/api/live/uni_sse?channel=stream/s/m", host="127.0.0.1"))
        await events.until_heard(b"stream/s/m", 1)
        await app.push("s", b"m n=77i")
        await events.until_heard(b"[77]", 1)
        assert b"HTTP/1.1 200" in bytes(events._buffer)
        assert b"[77]" in bytes(events._buffer)


async def test_pages_cookies_and_headers_are_those_of_https(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    settings = settings_for(tmp_path, *made.overrides, "server.hsts_seconds=3600")
    async with running(settings) as place, connect(place, tls=trusting) as connection:
        status, headers, _ = await ask(connection, "GET", "/logout", Host=place)
        assert (status, headers["strict-transport-security"]) == (200, "max-age=3600")
        assert "Secure" in headers["set-cookie"]
        for origin, expected in ((f"https://{place}", 204), (f"http://{place}", 403)):
            status, _, _ = await ask(connection, "POST", "/api/live/push/s", b"m n=1i", Host=place, Origin=origin)
            assert status == expected


async def test_hsts_is_told_only_where_it_was_asked_for(tmp_path: Path, made: Files, trusting: ssl.SSLContext) -> None:
    async with running(settings_for(tmp_path, *made.overrides)) as place, connect(place, tls=trusting) as connection:
        assert "strict-transport-security" not in (await ask(connection, "GET", "/api/health"))[1]


async def test_the_end_of_a_server_reaches_subscribers_with_3001(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    async with running(settings_for(tmp_path, *made.overrides)) as place, connect(place, tls=trusting) as listening:
        await subscribe(listening, place, "stream/s/m")
        os.kill(os.getpid(), signal.SIGTERM)
        frame = await listening.message()
        assert (frame.opcode, frame.close_code) == (CLOSE, 3001)
        await listening.send(encode_frame(CLOSE, frame.payload[:2]))
        assert await listening.until_closed() == b""


# Who knocks wrongly.


async def test_plain_http_is_told_to_speak_tls(tmp_path: Path, made: Files, logged: list[Any]) -> None:
    async with running(settings_for(tmp_path, *made.overrides)) as place, connect(place) as connection:
        await connection.send(request("GET", "/api/health", host="127.0.0.1"))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert "https://" in json.loads(answer.body)["message"]
        assert await connection.until_closed() == b""
    assert warnings_of(logged) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16",
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x00\x00\x00\x00",
        b"\x80\x2e\x01\x03\x01",
        b"\x00" * 1000,
        b"",
    ],
)
async def test_what_is_no_handshake_ends_its_connection_and_makes_no_noise(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any], garbage: bytes
) -> None:
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        async with connect(place) as connection:
            with contextlib.suppress(trio.BrokenResourceError):
                await connection.send(garbage)
                await connection.stream.send_eof()
            assert b"HTTP" not in await connection.until_closed()
        async with connect(place, tls=trusting) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
    assert warnings_of(logged) == []


async def test_an_older_version_than_1_2_is_not_spoken(tmp_path: Path, made: Files, logged: list[Any]) -> None:
    old = made.client_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    failed = count_of("framecast_tls_handshakes_total", outcome="failed")
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        with pytest.raises(trio.BrokenResourceError):
            async with connect(place, tls=old):
                pass
        while count_of("framecast_tls_handshakes_total", outcome="failed") == failed:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert warnings_of(logged) == []


async def test_a_client_that_does_not_trust_the_certificate_costs_nothing(
    tmp_path: Path, made: Files, logged: list[Any]
) -> None:
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        with pytest.raises(trio.BrokenResourceError):
            async with connect(place, tls=ssl.create_default_context()):
                pass
        async with connect(place, tls=made.client_context()) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
    assert warnings_of(logged) == []


async def test_a_handshake_that_takes_too_long_is_cut_and_costs_only_its_own_place(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any]
) -> None:
    late = count_of("framecast_tls_handshakes_total", outcome="late")
    settings = settings_for(
        tmp_path, *made.overrides, "server.tls_handshake_seconds=0.5", "server.max_open_connections=6"
    )
    async with running(settings) as place, connect(place) as silent, connect(place) as slow:
        await slow.send(b"\x16\x03\x01\x02\x00\x01")
        async with connect(place, tls=trusting) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
        assert await silent.until_closed() == b""
        assert await slow.until_closed() == b""
        assert count_of("framecast_tls_handshakes_total", outcome="late") == late + 2
    assert warnings_of(logged) == []


async def test_handshakes_count_against_the_limit_of_connections(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    settings = settings_for(tmp_path, *made.overrides, "server.max_open_connections=2")
    async with running(settings) as place:
        async with connect(place, tls=trusting) as first:
            await ask(first, "GET", "/api/health")  # which tells that its handshake is over
            async with connect(place):
                with trio.move_on_after(0.3) as waiting:
                    async with connect(place, tls=trusting):
                        pass
                assert waiting.cancelled_caught
        async with connect(place, tls=trusting) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200


@pytest.mark.parametrize("limit", ["server.max_tls_handshakes=2", "server.max_open_connections=5"])
async def test_who_begins_and_says_nothing_gives_way_to_who_comes_later(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any], limit: str
) -> None:
    displaced = count_of("framecast_tls_handshakes_total", outcome="displaced")
    settings = settings_for(tmp_path, *made.overrides, "server.tls_handshake_seconds=3600", limit)
    async with running(settings) as place, connect(place, tls=trusting) as before:
        await ask(before, "GET", "/api/health")  # which tells that its handshake is over
        async with contextlib.AsyncExitStack() as stack:
            silent = await stack.enter_async_context(connect(place))
            await trio.testing.wait_all_tasks_blocked(0.01)  # those who come in one turn are in no order
            slow = await stack.enter_async_context(connect(place))
            await trio.testing.wait_all_tasks_blocked(0.01)
            after = await stack.enter_async_context(connect(place, tls=trusting))
            assert await silent.until_closed() == b""
            for connection in (before, after):
                assert (await ask(connection, "GET", "/api/health"))[0] == 200
            async with connect(place):  # a place is free again, beside who is slow
                await trio.testing.wait_all_tasks_blocked(0.01)
                secured = trio.SSLStream(slow.stream, trusting, server_hostname="127.0.0.1")
                await secured.do_handshake()
        assert count_of("framecast_tls_handshakes_total", outcome="displaced") == displaced + 1
    assert warnings_of(logged) == []


async def test_the_last_that_is_said_is_tls_own_goodbye(tmp_path: Path, made: Files, logged: list[Any]) -> None:
    """Who asks for it can tell an answer that is over from one that somebody has cut."""
    strict = made.client_context()
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        for target in ("/api/health", "/api/live/push/s"):
            raw = await trio.open_tcp_stream("127.0.0.1", int(place.rpartition(":")[2]))
            async with trio.SSLStream(raw, strict, server_hostname="127.0.0.1") as stream:
                await stream.send_all(request("GET", target, host="a", headers={"Connection": "close"}))
                answer = b""
                while piece := await stream.receive_some():  # BrokenResourceError without the goodbye
                    answer += piece
                assert answer.startswith(b"HTTP/1.1 ")
        raw = await trio.open_tcp_stream("127.0.0.1", int(place.rpartition(":")[2]))
        async with trio.SSLStream(raw, strict, server_hostname="127.0.0.1") as idle:
            await idle.do_handshake()
            await trio.testing.wait_all_tasks_blocked(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            assert await idle.receive_some() == b""
    assert warnings_of(logged) == []


async def test_subscribers_count_by_the_address_that_they_come_from(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    settings = settings_for(tmp_path, *made.overrides, "live.max_connections_per_address=1")
    async with (
        running(settings) as place,
        connect(place, tls=trusting) as first,
        connect(place, tls=trusting) as second,
    ):
        await subscribe(first, place, "grafana/broadcast/a")
        await second.upgrade(upgrade_request("/api/live/ws", host=place))
        assert (await second.message()).close_code == 3504


async def test_a_server_that_ends_waits_for_no_handshake(tmp_path: Path, made: Files) -> None:
    settings = settings_for(tmp_path, *made.overrides, "server.tls_handshake_seconds=3600")
    async with running(settings) as place, connect(place) as silent:
        await trio.testing.wait_all_tasks_blocked(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await silent.until_closed() == b""


async def test_who_leaves_without_a_goodbye_has_left(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any]
) -> None:
    """At any point: idle, in a request, as a subscriber, on a push socket, within the application."""
    beginnings = (
        b"",
        b"POST /api/live/push/s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nm n=",
        upgrade_request("/api/live/ws", host="127.0.0.1"),
        upgrade_request("/api/live/push/s", host="127.0.0.1"),
        b"POST /api/dashboards/db HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
    )
    async with running(settings_for(tmp_path, *made.overrides)) as place:
        for beginning in beginnings:
            async with connect(place, tls=trusting) as connection:
                if beginning:
                    await connection.send(beginning)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await trio.aclose_forcefully(connection.stream)
        while count_of("framecast_client_connections") + count_of("framecast_push_sockets"):
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert warnings_of(logged) == []


async def test_a_refusal_reaches_a_peer_that_is_still_sending(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    async with (
        running(settings_for(tmp_path, *made.overrides, "push.body_bytes=1000")) as place,
        connect(place, tls=trusting) as connection,
    ):
        await connection.send(request("POST", "/api/live/push/s", b"x" * 3_000_000, host="127.0.0.1"))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert await connection.until_closed() == b""


# Readers who take nothing.


async def test_a_stalled_reader_is_cut_as_over_plain_tcp_and_others_notice_nothing(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any]
) -> None:
    closed = count_of("framecast_client_closes_total", code="3008")
    settings = settings_for(
        tmp_path, *made.overrides, "live.queue_bytes=4194304", f"live.write_seconds={PATIENCE_SECONDS}"
    )
    async with (
        running(settings) as place,
        connect(place, tls=trusting) as pushing,
        connect(place, tls=trusting) as listening,
        connect(place, tls=trusting, receive_buffer_bytes=4096) as stalled,
    ):
        await pushing.push("s", b'm n=0i,t=""')
        for connection in (stalled, listening):
            await subscribe(connection, place, "stream/s/m")
        pushed, text = 0, "x" * 60_000
        while count_of("framecast_client_closes_total", code="3008") == closed:
            pushed += 1
            await pushing.push("s", f'm n={pushed}i,t="{text}"'.encode())
            document = json.loads((await listening.message()).payload)
            assert document["push"]["pub"]["offset"] == pushed + 1
            assert pushed * len(text) < 64 * 1024 * 1024
        assert pushed * len(text) > 4_194_304
        # What was on its way may still come, in whole records or not; then it is over.
        with contextlib.suppress(ConnectionEnded):
            await stalled.until_closed()
        await pushing.push("s", b"m n=1i")
        await listening.message()
    assert warnings_of(logged) == []


async def test_a_reader_whose_connection_takes_nothing_for_too_long_is_cut_with_a_queue_that_is_not_full(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext
) -> None:
    closed = count_of("framecast_client_closes_total", code="3009")
    settings = settings_for(tmp_path, *made.overrides, "live.queue_bytes=67108864", "live.write_seconds=0.2")
    async with (
        running(settings) as place,
        connect(place, tls=trusting) as pushing,
        connect(place, tls=trusting, receive_buffer_bytes=4096) as stalled,
    ):
        await pushing.push("s", b'm n=0i,t=""')
        await subscribe(stalled, place, "stream/s/m")
        pushed, text = 0, "x" * 60_000
        while count_of("framecast_client_closes_total", code="3009") == closed:
            pushed += 1
            assert pushed * len(text) < 60_000_000
            await pushing.push("s", f'm n={pushed}i,t="{text}"'.encode())


async def test_peers_that_never_read_do_not_keep_the_server(
    tmp_path: Path, made: Files, trusting: ssl.SSLContext, logged: list[Any]
) -> None:
    settings = settings_for(tmp_path, *made.overrides, "live.queue_bytes=67108864", "server.shutdown_grace_seconds=1")
    async with (
        running(settings) as place,
        connect(place, tls=trusting) as pushing,
        connect(place, tls=trusting, receive_buffer_bytes=4096) as subscriber,
        connect(place, tls=trusting, receive_buffer_bytes=4096) as listener,
        connect(place, tls=trusting) as half_a_body,
    ):
        await pushing.push("s", b'm n=0i,t=""')
        await subscribe(subscriber, place, "stream/s/m")
        await listener.send(request("GET", "/api/live/uni_sse?channel=stream/s/m", host="127.0.0.1"))
        await half_a_body.send(request("POST", "/api/live/push/s", b"m n=1i", host="127.0.0.1")[:-2])
        text = "x" * 60_000
        for number in range(200):
            await pushing.push("s", f'm n={number}i,t="{text}"'.encode())
        os.kill(os.getpid(), signal.SIGTERM)
        assert await pushing.until_closed() == b""
    assert warnings_of(logged) == []
