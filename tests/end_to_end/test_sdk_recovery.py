"""Every SDK, in every form of the protocol, over networks that lose connections and servers that go away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from end_to_end.cutting import CuttingProxy, cutting_proxy
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import Program
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer, serve_command
from end_to_end.wire import Connection, connect
from patience import PATIENCE_SECONDS

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("sdk", EVERY_SDK, ids=str)
async def test_exactly_what_was_missed_comes_after_a_cut(
    server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            cutting_proxy(server.address) as proxy,
            sdk_programs.connected(sdk, proxy.address) as program,
        ):
            await push_numbers(pushing, stream, range(1, 4))
            await program.subscribe(channel)
            for first in range(4, 34, 10):
                await push_numbers(pushing, stream, range(first, first + 3))
                await wait_for_number(program, channel, first + 2)
                await lose_a_while(proxy, program, pushing, stream, range(first + 3, first + 10))
                reply = await program.wait_for("subscribed", channel=channel)
                assert (reply["returned"], reply["recovered"]) == (True, True)
                await wait_for_number(program, channel, first + 9)
            assert numbers_of(program, channel) == list(range(1, 34))
            offsets = [one["offset"] for one in program.all("publication", channel=channel)]
            assert offsets == list(range(4, 34))


async def lose_a_while(proxy: CuttingProxy, program: Program, pushing: Connection, stream: str, numbers: range) -> None:
    """The connection is lost, and numbers are pushed before a new one can be had."""
    target, proxy.target = proxy.target, NOWHERE
    # What the way to the server is made of may ask again at once; an HTTP client has several connections.
    known = len(program.all("connecting"))
    proxy.cut()
    await program.wait_for_count("connecting", known + 1)
    await push_numbers(pushing, stream, numbers)
    proxy.target = target


class Lives:
    """A server, and those that come after it at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[RunningServer] = []

    def start(self, *, listen: str = "127.0.0.1:0") -> RunningServer:
        settings = ("live.max_connections=-1", "channels.grafana/broadcast.publish=everybody")
        log = self._folder / "stderr.log"
        server = RunningServer(serve_command(self._folder / "data", *settings, listen=listen), log)
        self._servers.append(server)
        return server

    def end(self) -> None:
        for server in self._servers:
            server.kill()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    lives = Lives(tmp_path)
    yield lives
    lives.end()


async def test_a_server_that_comes_back_is_another_life(lives: Lives, sdk_programs: SdkPrograms) -> None:
    """The past is in memory: who returns, after a stop or a kill, is told of another epoch and goes on from there."""
    channel = "grafana/broadcast/life"
    server = lives.start()
    address = server.address
    with trio.fail_after(PATIENCE_SECONDS):
        async with sdk_programs.all_connected(address) as programs:
            for program in programs.values():
                await program.subscribe(channel)
            await publish_to_all(programs, channel, 1)
            server.begin_stop()
            await server.stopped()
            server = lives.start(listen=address)
            await check_returned(programs, channel)
            await publish_to_all(programs, channel, 2)
            server.kill()
            server = lives.start(listen=address)
            await check_returned(programs, channel)
            await publish_to_all(programs, channel, 3)
            for sdk, program in programs.items():
                assert [one["data"] for one in program.all("publication", channel=channel)] == [1, 2, 3], sdk
                assert not program.all("disconnected"), sdk
        server.stop()


async def publish_to_all(programs: dict[Sdk, Program], channel: str, data: int) -> None:
    """The first publication of a life, which everybody gets."""
    await programs[EVERY_SDK[data]].ask("publish", channel=channel, data=data)
    for sdk, program in programs.items():
        assert (await program.wait_for("publication", channel=channel, data=data))["offset"] == 1, sdk


async def check_returned(programs: dict[Sdk, Program], channel: str) -> None:
    for sdk, program in programs.items():
        reply = await program.wait_for("subscribed", channel=channel, returned=True)
        assert not reply["recovered"], sdk
        epochs = [one["position"]["epoch"] for one in program.all("subscribed", channel=channel)]
        assert epochs[-1] != epochs[-2], sdk
