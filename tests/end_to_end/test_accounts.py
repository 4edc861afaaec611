"""Accounts as their users have them: the first token of a real server, commands that use it, and what they end."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from end_to_end.server import (
    FRAMECAST,
    RunningServer,
    clean_environment,
    running_server,
    serve_command,
)
from end_to_end.wire import CLOSE, TEXT, connect, encode_frame, request, upgrade_request
from patience import PATIENCE_SECONDS

CHEAP = ("accounts.password_kib=8", "accounts.password_passes=1")

Run = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: str, stdin: str = "", token: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FRAMECAST, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**clean_environment(), "FRAMECAST_TOKEN": token},
        check=False,
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, *CHEAP, dev=False) as server:
        yield server


@pytest.fixture
def run(server: RunningServer) -> Run:
    """Run a command as whoever started the server."""
    root = server.read_first_token()

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return command(*arguments, "--url", server.url, stdin=stdin, token=root)

    return run


async def status(server: RunningServer, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    async with connect(server.address) as connection:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        await connection.send(request(method, path, body, host=server.address, headers=fields))
        return (await connection.answer()).status


async def test_a_token_that_is_revoked_ends_what_it_let_in_at_once(server: RunningServer, run: Run) -> None:
    lists = ("--push", "telegraf", "--read", "stream/telegraf/*")
    made = await trio.to_thread.run_sync(run, "token", "create", "agent", *lists)
    key = made.stdout.strip()
    bearer = {"Authorization": f"Bearer {key}"}
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as sender, connect(server.address) as reader:
            await sender.upgrade(upgrade_request("/api/live/push/telegraf", host=server.address, headers=bearer))
            await reader.upgrade(upgrade_request("/api/live/ws", host=server.address))
            commands = (
                f'{{"id":1,"connect":{{"token":"{key}"}}}}\n{{"id":2,"subscribe":{{"channel":"stream/telegraf/m"}}}}\n'
                '{"id":3,"subscribe":{"channel":"stream/other/m"}}'
            )
            await reader.send(encode_frame(TEXT, commands.encode()))
            said = b""
            while b'"id":3' not in said:
                said += (await reader.message()).payload
            assert b'"code":403' in said
            await sender.send_message(b"m n=1i")
            assert b'"values"' in (await reader.message()).payload
            assert (await trio.to_thread.run_sync(run, "token", "revoke", "agent")).returncode == 0
            ends = [await sender.message(), await reader.message()]
            assert [(frame.opcode, frame.close_code) for frame in ends] == [(CLOSE, 1008), (CLOSE, 3503)]
    assert await status(server, "POST", "/api/live/push/telegraf", b"m n=1i", **bearer) == 401
    assert key not in server.log.read_text()


async def test_users_log_in_and_what_they_are_changes_while_they_are_there(server: RunningServer, run: Run) -> None:
    made = await trio.to_thread.run_sync(lambda: run("user", "create", "ann", stdin="correct horse\n"))
    assert made.returncode == 0, made.stderr
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as browser:
            body = b'{"user":"ann","password":"correct horse"}'
            json_body = {"Content-Type": "application/json"}
            await browser.send(request("POST", "/login", body, host=server.address, headers=json_body))
            answer = await browser.answer()
            assert answer.status == 200
            cookie = answer.headers["set-cookie"].partition(";")[0]
        assert await status(server, "POST", "/api/live/push/s", b"m n=1i", Cookie=cookie) == 403
        async with connect(server.address) as reader:
            await reader.upgrade(upgrade_request("/api/live/ws", host=server.address, headers={"Cookie": cookie}))
            await reader.send(encode_frame(TEXT, b'{"id":1,"connect":{}}'))
            assert b'"client"' in (await reader.message()).payload
            changed = await trio.to_thread.run_sync(lambda: run("user", "passwd", "ann", stdin="another horse\n"))
            assert changed.returncode == 0, changed.stderr
            end = await reader.message()
            assert (end.opcode, end.close_code) == (CLOSE, 3503)
    assert await status(server, "GET", "/api/user", Cookie=cookie) == 401


def test_what_was_made_is_there_after_a_kill_and_in_no_file_readable(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = RunningServer(serve_command(data, *CHEAP, dev=False), tmp_path / "log")
    try:
        root = server.read_first_token()
        made = command("token", "create", "agent", "--url", server.url, token=root)
        assert made.returncode == 0, made.stderr
    finally:
        server.kill()
    listed = command("token", "list", "--data", str(data))
    assert "agent" in listed.stdout
    again = RunningServer(serve_command(data, *CHEAP, dev=False), tmp_path / "log")
    try:
        assert "agent" in command("token", "list", "--url", again.url, token=root).stdout
        assert command("token", "list", "--url", again.url, token=made.stdout.strip()).returncode == 1
    finally:
        again.kill()
    for file in [*data.iterdir(), tmp_path / "log"]:
        for secret in (root, made.stdout.strip()):
            assert secret.encode() not in file.read_bytes()
