"""What requests for HTTP streams, and those beside them, are told that get nothing; and what pages may read."""

import contextlib
import errno
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
import trio

from end_to_end.wire import Answer, connect, request
from framecast.accounts import entrance
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.door.head import RequestHead
from served import running, settings_for
from streamed import (
    CONNECT,
    EMULATION,
    SSE,
    STREAM,
    WAYS,
    ask,
    emulate,
    listening,
    open_stream,
    push,
    subscribe,
    until,
    wait_for_figure,
)

NEWLINE = "\n"
PUBLISH = '{"id":2,"publish":{"channel":"a/b/c","data":1}}'


def said(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    return str(json.loads(answer.body)["message"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("PUT", SSE, b"", 405, "Method Not Allowed"),
        ("GET", STREAM, b"", 405, "Method Not Allowed"),
        ("GET", EMULATION, b"", 405, "Method Not Allowed"),
        ("DELETE", EMULATION, b"", 405, "Method Not Allowed"),
        ("GET", SSE, b"", 400, "cf_connect"),
        ("GET", f"{SSE}?cf_connect={quote(PUBLISH)}", b"", 400, "publish"),
        ("GET", f"{SSE}?cf_connect={quote(CONNECT + NEWLINE + PUBLISH)}", b"", 400, "publish"),
        ("POST", EMULATION, b"", 400, "session"),
        ("POST", EMULATION, b"[]", 400, "Expected `object`"),
        ("POST", EMULATION, b'{"session":"a","node":"b","data":{}}', 400, "$.data"),
        ("POST", EMULATION, b'{"session":"a","node":"b"}', 400, "data"),
        ("POST", EMULATION, b'{"session":"a","node":"b","data":"{}"}', 404, "no such session"),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, method: str, path: str, body: bytes, status: int, word: str
) -> None:
    async with running(settings_for(tmp_path)) as place:
        answer = await ask(place, method, path, body)
        assert (answer.status, word in said(answer)) == (status, True)
        assert ("OPTIONS" in answer.headers.get("allow", "")) == (status == 405)


@pytest.mark.parametrize("path", [STREAM, SSE, EMULATION])
async def test_nobody_is_served_by_a_head_request(tmp_path: Path, path: str) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        for _ in range(2):
            await connection.send(request("HEAD", f"{path}?cf_connect=%7B%7D", host=place))
            head = (await until(connection.stream, b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 405 ")
            assert b"\r\nallow: " in head


async def test_a_broken_protobuf_request_is_told_so(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        answer = await ask(place, "POST", EMULATION, b"\x0a\xff", content_type="application/octet-stream")
        assert (answer.status, "EmulationRequest" in said(answer)) == (400, True)


@pytest.mark.parametrize("path", [STREAM, SSE, EMULATION])
async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(tmp_path: Path, path: str) -> None:
    async with running(settings_for(tmp_path, "live.message_size_limit=1000")) as place:
        answer = await ask(place, "POST", path, b" " * 1001)
        assert (answer.status, "live.message_size_limit" in said(answer)) == (413, True)
        if path == EMULATION:
            assert (await ask(place, "POST", path, b" " * 1000)).status == 400
        else:
            async with listening(place, path, CONNECT + " " * (1000 - len(CONNECT))):
                pass


async def test_without_a_limit_of_its_own_a_body_may_be_half_of_all_that_wait(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, "live.message_size_limit=-1", "live.waiting_bytes=6000")) as place:
        assert (await ask(place, "POST", EMULATION, b" " * 3000)).status == 400
        assert (await ask(place, "POST", EMULATION, b" " * 3001)).status == 413


async def test_a_session_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gate(head: RequestHead) -> Identity:
        other = head.find(b"authorization") == b"Bearer other"
        return Identity(1, "stranger", Role.ADMIN) if other else DEVELOPER

    monkeypatch.setattr(entrance, "open_gate", gate)
    async with running(settings_for(tmp_path)) as place, listening(place) as client:
        refused = await client.say("nonsense", authorization="Bearer other")
        assert (refused.status, said(refused)) == (404, said(await emulate(place, "x", client.node, "")))
        assert (await emulate(place, client.session, "elsewhere", "nonsense")).status == 404
        assert (await client.ask('{"id":9,"unsubscribe":{"channel":"x"}}'))["id"] == 9


async def test_a_flood_of_bodies_is_bounded_and_leaves_room_for_pushes(tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path, "live.waiting_bytes=3000", "live.message_size_limit=3000")) as place,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(3):
            hostile = await stack.enter_async_context(connect(place))
            whole = request("POST", EMULATION, b" " * 2000, host=place)
            await hostile.send(whole[:-1000])
        await wait_for_figure("framecast_client_waiting_bytes", 3000)
        answer = await ask(place, "POST", EMULATION, b"{}")
        assert (answer.status, "live.waiting_bytes" in said(answer)) == (503, True)
        await push(place, "s", b"m n=1i")
    await wait_for_figure("framecast_client_waiting_bytes", 0)


@pytest.mark.parametrize(("path", "method"), WAYS)
async def test_live_that_is_switched_off_gives_no_streams(tmp_path: Path, path: str, method: str) -> None:
    async with (
        running(settings_for(tmp_path, "live.max_connections=0")) as place,
        open_stream(place, path, method=method) as client,
    ):
        assert (await client.head())[0] == 503
        assert b"live.max_connections" in await client.piece()


async def test_without_a_token_there_is_neither_stream_nor_speaking(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, dev=False)) as place:
        answer = await ask(place, "POST", STREAM, CONNECT.encode())
        assert json.loads(answer.body)["error"]["code"] == 101
        forged = {"authorization": "Bearer fct_forged"}
        for path in (STREAM, SSE, EMULATION):
            assert (await ask(place, "POST", path, CONNECT.encode(), **forged)).status == 401


async def test_where_connect_takes_no_tokens_strangers_are_sent_away_at_once(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, "accounts.service_tokens=false", dev=False)) as place:
        for path in (STREAM, SSE, EMULATION):
            assert (await ask(place, "POST", path, CONNECT.encode())).status == 401
        assert (await ask(place, "GET", f"{SSE}?cf_connect={{}}")).status == 401


async def test_a_sessions_secret_is_in_no_log(tmp_path: Path, logged: list[Any]) -> None:
    async with running(settings_for(tmp_path)) as place, listening(place) as client:
        await client.ask(subscribe("stream/s/x"))
        await client.say("nonsense")
        await client.rest()
        await client.say("{}")
        assert logged
        assert client.session not in repr(logged)


# Pages of other origins.


def readable_by(origin: str, headers: dict[str, str]) -> bool:
    told = (headers.get("access-control-allow-origin"), headers.get("access-control-allow-credentials"))
    assert "Origin" in headers["vary"]
    assert told in {(origin, "true"), (None, None)}
    return told[0] is not None


async def test_a_page_of_an_allowed_origin_may_read_every_answer(tmp_path: Path) -> None:
    origin = "https://good.example"
    async with running(settings_for(tmp_path, f"live.allowed_origins={origin}")) as place:
        for path, method in WAYS:
            async with open_stream(place, path, method=method, origin=origin) as client:
                status, headers = await client.head()
                assert (status, readable_by(origin, headers)) == (200, True)
        for body, status in ((b"", 400), (b'{"session":"a","node":"b","data":""}', 404)):
            answer = await ask(place, "POST", EMULATION, body, origin=origin)
            assert (answer.status, readable_by(origin, answer.headers)) == (status, True)
        async with open_stream(place) as client:
            assert not readable_by(origin, (await client.head())[1])


@pytest.mark.parametrize("path", [STREAM, SSE, EMULATION])
async def test_what_a_browser_asks_before_needs_no_token(tmp_path: Path, path: str) -> None:
    origin = "https://good.example"
    settings = settings_for(tmp_path, f"live.allowed_origins={origin}", dev=False)
    async with running(settings) as place:
        answer = await ask(place, "OPTIONS", path, origin=origin, access_control_request_method="POST")
        assert (answer.status, answer.body) == (204, b"")
        assert readable_by(origin, answer.headers)
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "content-type" in answer.headers["access-control-allow-headers"].lower()
        answer = await ask(place, "OPTIONS", path, origin="https://evil.example")
        assert (answer.status, "access-control-allow-origin" in answer.headers) == (403, False)
        assert (await ask(place, "OPTIONS", "/api/live/list", origin=origin)).status == 401


async def test_a_line_break_behind_a_streams_path_is_another_path(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place:
        for path in (f"/api/live/sse%0A?cf_connect={quote(CONNECT)}", "/api/live/uni_sse%0A?channel=stream/a/b"):
            answer = await ask(place, "GET", path, b"", origin="https://evil.example")
            assert (answer.status, "access-control-allow-origin" in answer.headers) == (404, False)


@pytest.mark.parametrize("path", ["/api/live/sse", "/api/live/%73se"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}],
)
async def test_a_page_of_another_origin_cannot_even_begin_a_stream(
    tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    target = f"{path}?cf_connect={quote(CONNECT)}"
    async with running(settings_for(tmp_path)) as place:
        for _ in range(2):
            assert (await ask(place, "GET", target, b"", **headers)).status == 403
        async with connect(place) as connection:  # behind another request
            await connection.send(request("GET", "/api/health", host=place))
            assert (await connection.answer()).status == 200
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            await connection.send(request("GET", target, host=place, headers=fields))
            assert (await connection.answer()).status == 403


@pytest.mark.parametrize("path", [STREAM, f"{SSE}?cf_connect={quote(CONNECT)}"])
async def test_a_stream_that_the_system_has_no_sockets_for_is_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(trio.socket, "socketpair", fail)
    with structlog.testing.capture_logs() as logs:
        async with running(settings_for(tmp_path)) as place:
            answer = await ask(place, "GET" if "?" in path else "POST", path, b"" if "?" in path else CONNECT.encode())
            assert (answer.status, "Too many open files" in said(answer)) == (503, True)
    assert not [entry for entry in logs if entry["log_level"] in {"warning", "error"}]
