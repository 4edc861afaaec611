"""Everything that is bad for a plugin costs that plugin alone: a bystander's stream has no hole, and it answers on."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from end_to_end.go_plugins import CONTEXT, FAULTY, House, house_with, install_go_plugin
from framecast.errors import Refusal
from framecast.plugins.host.backend import PacketStream, StreamBrokenError
from plugins.processes import (
    SOURCES,
    TESTS,
    descendants_of,
    host_program,
    is_running,
    processes_in,
    wait_gone,
    wait_until,
)


async def refused_because(house: House) -> str:
    """Why the faulty plugin does not run; it must not pretend to."""
    await wait_until(lambda: house.faulty.down_because is not None)
    with pytest.raises(Refusal) as caught:
        await house.faulty.subscribe(CONTEXT, "context", b"")
    assert (caught.value.code, caught.value.temporary) == (503, True)
    return caught.value.message


async def read_until_broken(packets: PacketStream) -> list[bytes]:
    """The packets of a stream whose plugin goes away."""
    received = []
    try:
        async for packet in packets:
            received.append(packet)  # noqa: PERF401 - what came before the end must not be lost
    except StreamBrokenError as error:
        assert str(error).startswith("UNAVAILABLE: ")
        return received
    raise AssertionError("the stream ended as if all were well")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("garbage", "it said 'Hello, I am a plugin!' where a go-plugin handshake belongs"),
        ("exit", "it exited with status 7; its last words: cannot find my licence"),
        ("hang", "it was not ready within 5 s: its handshake is missing"),
        ("flood", "it was not ready within 5 s: its handshake is missing"),
    ],
)
async def test_a_plugin_that_begins_badly_is_refused_with_its_reason(
    tmp_path: Path, go_plugin: Path, start: str, words: str
) -> None:
    """The bystander has no longer for its start than the faulty one; on a busy machine it is started again."""
    async with house_with(
        tmp_path, go_plugin, start=start, start_seconds=5, terminate_seconds=0.5, restart_seconds=1
    ) as house:
        assert words in await refused_because(house)


async def test_a_plugin_that_floods_stderr_while_it_serves_is_slowed_down_and_serves(
    tmp_path: Path, go_plugin: Path
) -> None:
    async with house_with(tmp_path, go_plugin, start="flood and serve") as house:
        for _ in range(10):
            assert b'"uid":"u1"' in await house.faulty.subscribe(CONTEXT, "context", b"")


async def test_an_oversized_packet_breaks_its_stream_and_no_other_of_the_plugin(
    tmp_path: Path, go_plugin: Path
) -> None:
    async with (
        house_with(tmp_path, go_plugin, message_bytes=1_000_000) as house,
        house.faulty.running_stream(CONTEXT, "count/10", b"") as others,
    ):
        assert await anext(others) == b'{"n":0}'
        async with house.faulty.running_stream(CONTEXT, "large/2000000", b"") as packets:
            with pytest.raises(StreamBrokenError, match=r"RESOURCE_EXHAUSTED: .* and 1,000,000 are allowed"):
                await anext(packets)
        assert [await anext(others) for _ in range(5)] == [b'{"n":%d}' % number for number in range(1, 6)]
        with pytest.raises(Refusal, match="1,000,000 are allowed"):
            await house.faulty.publish(CONTEXT, "echo", b'"' + b"x" * 2_000_000 + b'"')


@pytest.mark.parametrize(
    ("path", "ending"), [("crash/100", "exited with status 3"), ("goroutine-panic", "exited with status 2")]
)
async def test_a_plugin_that_crashes_breaks_its_streams_and_is_back_after_a_while(
    tmp_path: Path, go_plugin: Path, path: str, ending: str
) -> None:
    async with house_with(tmp_path, go_plugin, restart_seconds=1) as house:
        pids = processes_in(house.folder)
        async with house.faulty.running_stream(CONTEXT, path, b"") as packets:
            received = await read_until_broken(packets)
        assert len(received) == (100 if path == "crash/100" else 0)
        await wait_until(lambda: house.faulty.down_because is not None)
        assert ending in (house.faulty.down_because or "")
        if path == "crash/100":
            assert "last words of a crash" in (house.faulty.down_because or "")
        await wait_until(lambda: house.faulty.running)
        async with house.faulty.running_stream(CONTEXT, "fast/10", b"") as packets:
            assert len([packet async for packet in packets]) == 10
        assert not set(pids) & set(processes_in(house.folder))


async def test_a_plugin_that_freezes_is_killed_and_started_again(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(
        tmp_path,
        go_plugin,
        health_seconds=0.5,
        health_failures=2,
        call_seconds=5,
        terminate_seconds=0.5,
        restart_seconds=1,
    ) as house:
        await wait_until(lambda: house.faulty.running)
        async with house.faulty.running_stream(CONTEXT, "freeze", b"") as packets:
            assert await read_until_broken(packets) == [b'"freezing"']
        await wait_until(lambda: house.faulty.running)
        assert await house.faulty.publish(CONTEXT, "echo", b"1") == b"1"


async def test_a_call_that_hangs_ends_at_its_deadline_and_the_plugin_serves_on(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin, call_seconds=8) as house:
        await wait_until(lambda: house.faulty.running)
        with pytest.raises(Refusal, match="did not answer within 8 s") as caught:
            await house.faulty.subscribe(CONTEXT, "hang", b"")
        assert (caught.value.code, caught.value.temporary) == (504, True)
        assert b'"uid":"u1"' in await house.faulty.subscribe(CONTEXT, "context", b"")


async def test_a_plugin_that_is_deaf_to_cancellation_is_left_without_ado(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin) as house:
        for _ in range(20):
            async with house.faulty.running_stream(CONTEXT, "deaf", b"") as packets:
                assert await anext(packets) == b"1"
        assert b'"uid":"u1"' in await house.faulty.subscribe(CONTEXT, "context", b"")
        await house.bystander.check_unmoved()


async def test_children_of_a_plugin_go_with_it_at_a_stop_and_at_a_crash(tmp_path: Path, go_plugin: Path) -> None:
    async with house_with(tmp_path, go_plugin, restart_seconds=1) as house:
        async with house.faulty.running_stream(CONTEXT, "fork", b"") as packets:
            crashed = json.loads(await anext(packets))
        assert all(map(is_running, crashed))
        async with house.faulty.running_stream(CONTEXT, "crash/1", b"") as packets:
            assert len(await read_until_broken(packets)) == 1
        await wait_gone(crashed)
        await wait_until(lambda: house.faulty.running)
        async with house.faulty.running_stream(CONTEXT, "fork", b"") as packets:
            stopped = json.loads(await anext(packets))
    assert not [pid for pid in stopped if is_running(pid)]


SERVER = """
import sys, trio
from end_to_end.go_plugins import CONTEXT, FAULTY
from framecast.plugins.host.host import load_plugins
from framecast.settings import Plugins

async def main(folder):
    host = await load_plugins(
        Plugins(path=folder, allow_loading_unsigned_plugins=(FAULTY,), call_seconds=120, start_seconds=120)
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        async with host.plugins[FAULTY].running_stream(CONTEXT, "fork", b"") as packets:
            print("forked", (await anext(packets)).decode(), flush=True)
            await trio.sleep_forever()

trio.run(main, *sys.argv[1:])
"""


async def test_a_server_that_is_killed_takes_its_plugins_and_their_children_along(
    tmp_path: Path, go_plugin: Path
) -> None:
    folder = install_go_plugin(tmp_path, go_plugin, FAULTY)
    with host_program(SERVER, tmp_path, path=[SOURCES, TESTS]) as server:
        children = json.loads(await trio.to_thread.run_sync(read_said, server))
        everyone = descendants_of(server.pid)
        assert set(children) < set(everyone)
        assert set(processes_in(folder)) <= set(everyone)
        os.kill(server.pid, signal.SIGKILL)
        await wait_gone(everyone)
        assert processes_in(folder) == []


def read_said(server: subprocess.Popen[bytes]) -> bytes:
    """What it says of its plugin's children, among its log."""
    assert server.stdout is not None
    for line in server.stdout:
        word, _, rest = line.partition(b" ")
        if word == b"forked":
            return rest
    raise AssertionError("the server ended")
