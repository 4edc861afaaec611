"""Peers that break the rules lose their own connection; a subscriber beside them notices nothing."""

import json
import random

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import TEXT, ConnectionEnded, connect, encode_frame, request, upgrade_request
from patience import PATIENCE_SECONDS

PATHS = ["/api/live/ws", "/api/live/push/demo", "/nowhere"]

HOSTILE_HEADERS: dict[str, dict[str, str]] = {
    "a protocol that is no token": {"Sec-WebSocket-Protocol": "\xff"},
    "an extension that is no token": {"Sec-WebSocket-Extensions": "\xff"},
    "a window that is no number": {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=abc"},
    "an extension nobody closed": {"Sec-WebSocket-Extensions": 'permessage-deflate; a="'},
    "a key of the wrong length": {"Sec-WebSocket-Key": "abc"},
    "a version of the past": {"Sec-WebSocket-Version": "8"},
    "a body": {"Content-Length": "3"},
    "a chunked body": {"Transfer-Encoding": "chunked"},
    "no Connection header": {"Connection": "keep-alive"},
    "a Host that is none": {"Host": "a b"},
    "a foreign Host": {"Host": "evil.example"},
    "a foreign Origin": {"Origin": "https://evil.example"},
}

GARBAGE: dict[str, bytes] = {
    "a TLS hello": bytes.fromhex("1603010200010001fc0303") + bytes(200),
    "an SSH banner": b"SSH-2.0-OpenSSH_9.9\r\n",
    "zeros": bytes(1000),
    "line feeds": b"\n" * 1000,
    "noise": random.Random(5).randbytes(5000),
    "two Hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.2\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two lengths": (
        b"POST /api/live/push/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    ),
    "length and chunks": (
        b"POST /api/live/push/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a folded line": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
    "a bare CR": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n",
    "a bare LF": b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
    "a chunk size that is none": (
        b"POST /api/live/push/a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"
    ),
    "a head without end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n",
    "a path without end": b"GET /" + b"a" * 100_000,
}


def hostile_upgrades(address: str) -> list[tuple[str, bytes]]:
    upgrades = [
        (f"{path} with {name}", upgrade_request(path, host=address, headers=headers))
        for path in PATHS
        for name, headers in HOSTILE_HEADERS.items()
    ]
    for path in PATHS:
        plain = upgrade_request(path, host=address)
        upgrades += [
            (f"{path} with a byte after the head", plain + b"x"),
            (f"{path} with a frame after the head", plain + encode_frame(1, b"{}")),
            (f"{path} by POST", plain.replace(b"GET", b"POST", 1)),
            (f"{path} by HTTP/1.0", plain.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
        ]
    return upgrades


def late_upgrades(address: str) -> list[tuple[str, bytes]]:
    """The same behind a request that was answered on the same connection."""
    before = request("GET", "/api/health", host=address)
    return [(f"{name}, after a GET", before + data) for name, data in hostile_upgrades(address)]


async def see_what_happens(address: str, data: bytes, *, answers: int = 0) -> bytes:
    """Send, wait for so many answers, send no more; and take whatever comes until the server closes."""
    async with connect(address) as connection:
        try:
            await connection.send(data)
            await connection.until_heard(b"HTTP/1.1 ", answers)
            await connection.stream.send_eof()
        except trio.BrokenResourceError:
            pass  # it was closed before
        return await connection.until_closed()


async def attack_beside_a_subscriber(
    server: RunningServer, stream: str, attacks: list[tuple[str, bytes]], *, answers: int
) -> dict[str, bytes]:
    """Make every attack on a connection of its own while a subscriber gets its publications; what was answered."""
    heard: dict[str, bytes] = {}

    async def attack(name: str, data: bytes) -> None:
        heard[name] = await see_what_happens(server.address, data, answers=answers)

    async with python_subscriber(server.subscribe_url) as program, connect(server.address) as pushing:
        await program.subscribe(f"stream/{stream}/m")
        for start in range(0, len(attacks), 10):
            async with trio.open_nursery() as nursery:
                for name, data in attacks[start : start + 10]:
                    nursery.start_soon(attack, name, data)
                await pushing.push(stream, b"m n=%di %d" % (start, start))
            await program.wait_for("publication", channel=f"stream/{stream}/m")
        assert len(program.all("connecting")) == 1
        assert not program.all("disconnected")
    return heard


async def test_hostile_upgrades_end_only_their_own_connection(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        answers = await attack_beside_a_subscriber(server, stream, hostile_upgrades(server.address), answers=1)
    for name, answer in answers.items():
        # What is wrong with an extension or a subprotocol only matters to who would agree to it.
        accepted = answer.startswith(b"HTTP/1.1 101 ") and (
            "extension" in name or "protocol" in name or "window" in name
        )
        assert accepted or answer.startswith(b"HTTP/1.1 4"), (name, answer)
        assert b"sec-websocket-extensions" not in answer.lower()
        assert b"sec-websocket-protocol" not in answer.lower()


async def test_hostile_upgrades_after_a_request_end_only_their_own_connection(
    server: RunningServer, stream: str
) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        answers = await attack_beside_a_subscriber(server, stream, late_upgrades(server.address), answers=2)
    for name, answer in answers.items():
        assert answer.startswith(b"HTTP/1.1 200 "), (name, answer)
        assert b"HTTP/1.1 101 " not in answer, (name, answer)


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_ends_only_its_own_connection(server: RunningServer, name: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        received = await see_what_happens(server.address, GARBAGE[name])
        async with connect(server.address) as connection:
            await connection.send(request("GET", "/api/health", host=server.address))
            assert (await connection.answer()).status == 200
    statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(status.startswith(b"4") for status in statuses), received
    assert len(statuses) <= 1, received


HOSTILE_FRAMES: dict[str, tuple[bytes, int]] = {
    "an unmasked frame": (b"\x81\x02{}", 1002),
    "a reserved bit": (b"\xc1\x80\x00\x00\x00\x00", 1002),
    "an unknown opcode": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "a long ping": (b"\x89\xfe\x00\x80\x00\x00\x00\x00" + bytes(128), 1002),
    "a continuation of nothing": (b"\x80\x80\x00\x00\x00\x00", 1002),
    "text that is no UTF-8": (encode_frame(1, b"\xff\xfe"), 1007),
}


@pytest.mark.parametrize("path", ["/api/live/ws", "/api/live/push/hostile-frames"])
@pytest.mark.parametrize("name", HOSTILE_FRAMES)
async def test_broken_frames_end_only_their_own_websocket(server: RunningServer, path: str, name: str) -> None:
    data, code = HOSTILE_FRAMES[name]
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request(path, host=server.address))
            await connection.send(data)
            assert (await connection.message()).close_code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"id":1,"subscribe":{"channel":"stream/a/b"}}', 3501),
        ("", 3501),
        ("{", 3501),
        ("[]", 3501),
        ("{}", 3501),
        ("[" * 100_000, 3501),
        ('{"id":1,"connect":{}}\n\n{"id":2,"ping":{}}', 3501),
    ],
)
async def test_commands_against_the_protocol_close_with_its_code(server: RunningServer, text: str, code: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request("/api/live/ws", host=server.address))
            await connection.send(encode_frame(1, text.encode()))
            while (frame := await connection.message()).opcode == 1:
                assert b'"connect"' in frame.payload
            assert frame.close_code == code


async def test_a_page_under_a_foreign_name_is_refused(server: RunningServer) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        for target in ("/api/live/list", "/api/live/push/a", "/metrics", "/"):
            async with connect(server.address) as connection:
                await connection.send(request("GET", target, host="evil.example"))
                answer = await connection.answer()
            assert answer.status == 403, (target, answer)
            assert json.loads(answer.body)["message"]


async def test_without_dev_everything_but_health_needs_a_token(start_server: ServerStarter) -> None:
    server = start_server(dev=False)
    closed = [
        request("GET", "/", host=server.address),
        request("GET", "/nowhere", host=server.address),
        request("GET", "/metrics", host=server.address),
        request("GET", "/api/live/list", host=server.address),
        request("POST", "/api/live/push/a", b"m n=1i", host=server.address),
        request("POST", "/api/live/push/a", b"m n=1i", host=server.address, headers={"Authorization": "Bearer x"}),
        upgrade_request("/api/live/push/a", host=server.address),
        upgrade_request("/api/live/ws", host=server.address, headers={"Authorization": "Bearer x"}),
    ]
    with trio.fail_after(PATIENCE_SECONDS):
        for data in closed:
            async with connect(server.address) as connection:
                await connection.send(data)
                answer = await connection.answer()
            assert answer.status == 401, (data, answer)
            assert "www-authenticate" in answer.headers
            assert "Unauthorized" in json.loads(answer.body)["message"]
        async with connect(server.address) as connection:
            await connection.send(request("GET", "/api/health", host=server.address))
            assert (await connection.answer()).status == 200


async def test_a_refused_body_is_not_taken_for_the_next_request(start_server: ServerStarter) -> None:
    server = start_server(dev=False)
    hidden = request("GET", "/hidden", host=server.address)
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(request("POST", "/api/live/push/a", hidden, host=server.address))
            assert (await connection.answer()).status == 401
            try:
                await connection.send(request("GET", "/api/health", host=server.address))
                assert (await connection.answer()).status == 200
            except (ConnectionEnded, trio.BrokenResourceError):
                return  # closing is as good


async def test_a_subscriber_that_says_too_much_is_told_so(server: RunningServer) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request("/api/live/ws", host=server.address))
            await connection.send_message(b'{"id":1,"connect":{"name":"' + b"x" * 1_100_000 + b'"}}', TEXT)
            assert (await connection.message()).close_code == 1009
