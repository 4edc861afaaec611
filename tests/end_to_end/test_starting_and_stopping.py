"""How a server begins, refuses to begin, and ends without losing what was under way."""

import json
import subprocess
from pathlib import Path

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import python_subscriber
from end_to_end.server import FRAMECAST, RunningServer, clean_environment, serve_command
from end_to_end.wire import (
    CLOSE,
    TEXT,
    Connection,
    ConnectionEnded,
    connect,
    encode_frame,
    request,
    upgrade_request,
)
from patience import PATIENCE_SECONDS


def refused_start(command: list[str]) -> str:
    """Run a server that must not start; what it says on stderr."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, env=clean_environment()
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


async def open_subscriber(connection: Connection, address: str, channel: str) -> list[bytes]:
    """A subscriber by hand, for what no SDK would do; the lines that came until it was subscribed."""
    await connection.upgrade(upgrade_request("/api/live/ws", host=address))
    commands = f'{{"id":1,"connect":{{}}}}\n{{"id":2,"subscribe":{{"channel":"{channel}"}}}}'
    await connection.send(encode_frame(TEXT, commands.encode()))
    lines: list[bytes] = []
    while not any(b'"subscribe"' in line for line in lines):
        lines += (await connection.message()).payload.splitlines()
    return lines


async def until_refusing(server: RunningServer) -> None:
    """Wait until the server takes no new connections."""
    while True:
        try:
            async with connect(server.address):
                await trio.sleep(0.02)
        except OSError:
            return


def test_a_second_server_on_the_same_data_refuses_to_start(start_server: ServerStarter, tmp_path: Path) -> None:
    server = start_server()
    message = refused_start(serve_command(tmp_path / "server-1" / "data"))
    assert "in use by another server" in message
    assert str(server.process.pid) in message


def test_a_second_server_on_the_same_port_refuses_to_start(start_server: ServerStarter, tmp_path: Path) -> None:
    server = start_server()
    assert server.address in refused_start(serve_command(tmp_path / "other", listen=server.address))


@pytest.mark.parametrize("place", ["0.0.0.0:0", "[::]:0"])
def test_dev_mode_listens_on_loopback_only(tmp_path: Path, place: str) -> None:
    message = refused_start(serve_command(tmp_path / "data", listen=place))
    assert "reachable from other machines" in message


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("live.no_such_key=1", "live.no_such_key"), ("live.ping_seconds=never", "live.ping_seconds"), ("x", "--set")],
)
def test_a_setting_that_does_not_fit_refuses_the_start(tmp_path: Path, setting: str, expected: str) -> None:
    assert expected in refused_start(serve_command(tmp_path / "data", setting))


def test_a_grafana_ini_will_do_and_what_it_means_no_more_is_logged(tmp_path: Path) -> None:
    ini = tmp_path / "grafana.ini"
    ini.write_text("; of Grafana\n[server]\nhttp_addr = 127.0.0.1\nhttp_port = 0\ncerts_watch_interval = 1m\n")
    command = [*FRAMECAST, "serve", "--config", str(ini), "--data", str(tmp_path / "data")]
    server = RunningServer(command, tmp_path / "log")
    try:
        assert server.address.startswith("127.0.0.1:")
        server.stop()
    finally:
        server.kill()
    [line] = [line for line in server.log.read_text().splitlines() if "is not used" in line]
    assert json.loads(line)["level"] == "warning"
    assert f"{ini}:5, [server] certs_watch_interval is left out" in json.loads(line)["reason"]


def test_an_idle_server_ends_at_once(start_server: ServerStarter) -> None:
    # Nothing may wait for the end of the grace time, so it is longer than the test's patience.
    server = start_server("server.shutdown_grace_seconds=1000")
    server.begin_stop()
    assert server.process.wait(PATIENCE_SECONDS) == 0


async def test_a_push_under_way_at_the_end_is_finished(start_server: ServerStarter, stream: str) -> None:
    server = start_server()
    whole = request("POST", f"/api/live/push/{stream}", b"m n=1i\n" * 10, host=server.address)
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(whole[:-30])
            async with connect(server.address) as other:  # by its answer, the first push was read as well
                await other.send(request("GET", "/api/health", host=server.address))
                assert (await other.answer()).status == 200
            server.begin_stop()
            await until_refusing(server)
            await connection.send(whole[-30:])
            answer = await connection.answer()
        assert (answer.status, answer.headers["framecast-accepted"]) == (204, "10")
        await server.stopped()


async def test_subscribers_are_told_to_come_back(start_server: ServerStarter, stream: str) -> None:
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await open_subscriber(connection, server.address, f"stream/{stream}/m")
            server.begin_stop()
            frame = await connection.message()
            assert frame.close_code == 3001
            assert frame.payload[2:] == b"shutdown"
            await connection.send(encode_frame(CLOSE, frame.payload[:2]))
            assert await connection.until_closed() == b""
        await server.stopped()


async def test_a_push_socket_is_read_until_its_close_arrives(start_server: ServerStarter, stream: str) -> None:
    server = start_server("log.format=json")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            await connection.send_message(b"m n=1i\n")
            server.begin_stop()
            frame = await connection.message()
            assert frame.close_code == 1001
            # Nobody can subscribe any more; but a refused line is logged, and shows that the message was read.
            await connection.send_message(b"m n=2i\nthis is refused\n")
            await connection.send(encode_frame(CLOSE, frame.payload[:2]))
            assert await connection.until_closed() == b""
        await server.stopped()
    assert stream in server.log.read_text()


async def test_peers_that_never_read_do_not_keep_the_server(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.queue_bytes=268435456", "server.shutdown_grace_seconds=1")
    body = b'm text="%s"\n' % (b"x" * 50_000)
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address, receive_buffer_bytes=4096) as subscriber,
            connect(server.address, receive_buffer_bytes=4096) as push_socket,
            connect(server.address) as pushing,
            connect(server.address) as half_a_head,
            connect(server.address) as half_a_body,
            connect(server.address),
        ):
            await open_subscriber(subscriber, server.address, f"stream/{stream}/m")
            await push_socket.upgrade(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            await half_a_head.send(b"GET / HTTP/1.1\r\n")
            await half_a_body.send(request("POST", f"/api/live/push/{stream}", b"m n=1i", host=server.address)[:-2])
            for _ in range(200):
                await pushing.push(stream, body)
            server.begin_stop()
            await server.stopped()


async def test_a_reader_that_stops_is_cut_off_and_others_go_on(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.queue_bytes=1048576", "streams.packet_bytes=262144", "history.bytes=262144")
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            python_subscriber(server.subscribe_url) as program,
            connect(server.address, receive_buffer_bytes=4096) as slow,
            connect(server.address) as pushing,
        ):
            await program.subscribe(channel)
            await open_subscriber(slow, server.address, channel)
            for number in range(200):
                body = b'm n=%di,text="%s"\n' % (number, b"x" * 50_000)
                await pushing.push(stream, body)
                publication = await program.wait_for("publication", channel=channel)
                assert publication["data"]["data"]["values"][2] == [number]
            received = await slow.until_closed()
            assert len(received) < 200 * 50_000
            assert not program.all("disconnected")
            assert len(program.all("connecting")) == 1


async def test_a_silent_subscriber_is_closed_and_told_why(start_server: ServerStarter) -> None:
    server = start_server("live.connect_seconds=0.2")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request("/api/live/ws", host=server.address))
            assert (await connection.message()).close_code == 3502


async def test_a_subscriber_that_answers_no_ping_is_closed(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.ping_seconds=1", "live.pong_seconds=0.3")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            lines = await open_subscriber(connection, server.address, f"stream/{stream}/m")
            while (frame := await connection.message()).opcode == TEXT:
                lines += frame.payload.splitlines()
            assert frame.close_code == 3012
            assert lines.count(b"{}") == 1


async def test_more_subscribers_than_allowed_are_refused_for_good(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.max_connections=1")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as first, connect(server.address) as second:
            await open_subscriber(first, server.address, f"stream/{stream}/m")
            await second.upgrade(upgrade_request("/api/live/ws", host=server.address))
            await second.send(encode_frame(TEXT, b'{"id":1,"connect":{}}'))
            assert (await second.message()).close_code == 3504


async def test_a_push_socket_is_pinged_before_telegraf_gives_up(start_server: ServerStarter, stream: str) -> None:
    server = start_server("push.ping_seconds=0.5", "push.silence_seconds=3")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            for _ in range(8):
                assert (await connection.frame()).opcode == 9
                await connection.send(encode_frame(10, b""))  # Telegraf's pongs are empty whatever the ping carried
            frame = await connection.frame()
            while frame.opcode == 9:
                frame = await connection.frame()
            assert frame.opcode == CLOSE
            with pytest.raises(ConnectionEnded):
                await connection.frame()
