"""Every SDK on a conflating channel, behind a network that takes nothing for a while: not cut, and up to date after."""

import httpx
import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.cutting import cutting_proxy
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import Program
from end_to_end.sdk_programs import EVERY_SDK, SdkPrograms
from end_to_end.server import RunningServer
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

TEXT_BYTES = 50_000
MIB = 2**20
QUEUE_BYTES = 2 * MIB
PUSHES = 4 * QUEUE_BYTES // TEXT_BYTES


def figure(server: RunningServer, name: str) -> int:
    for line in httpx.get(f"{server.url}/metrics", timeout=PATIENCE_SECONDS).text.splitlines():
        if line.startswith(f"framecast_fanout_{name} "):
            return int(float(line.split()[-1]))
    pytest.fail(f"no figure {name}")


def columns_of(program: Program, channel: str) -> list[str]:
    """The columns of the last schema that came."""
    told = [event for event in program.events if event.get("channel") == channel and event.get("data")]
    schemas = [event["data"]["schema"] for event in told if "schema" in event["data"]]
    return [field["name"] for field in schemas[-1]["fields"]]


async def test_slow_readers_skip_to_the_newest_while_the_others_get_every_row(
    start_server: ServerStarter, sdk_programs: SdkPrograms, stream: str
) -> None:
    server = start_server(
        "live.max_connections=-1",
        f"live.queue_bytes={QUEUE_BYTES}",
        f"live.write_seconds={PATIENCE_SECONDS}",
        f"history.bytes={MIB // 2}",
        f"streams.packet_bytes={MIB // 2}",
        "channels.stream.recovery=off",
        "channels.stream.conflate=true",
    )
    channel, last = f"stream/{stream}/m", PUSHES + 1
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            cutting_proxy(server.address) as proxy,
            sdk_programs.all_connected(proxy.address) as programs,
            sdk_programs.connected(EVERY_SDK[0], server.address) as neighbour,
        ):
            slow = list(programs.values())
            for program in (neighbour, *slow):
                await program.subscribe(channel)
            await push_numbers(pushing, stream, range(1, 3))
            for program in (neighbour, *slow):
                await wait_for_number(program, channel, 2)
            proxy.stall()
            for number in range(3, PUSHES):
                await push_numbers(pushing, stream, range(number, number + 1), text_bytes=TEXT_BYTES)
                await wait_for_number(neighbour, channel, number)
            await pushing.push(stream, f"m n={PUSHES}i,grown=1i {PUSHES}000000".encode())
            await push_numbers(pushing, stream, range(last, last + 1), text_bytes=TEXT_BYTES)
            await wait_for_number(neighbour, channel, last)
            proxy.resume()
            for program in slow:
                await wait_for_number(program, channel, last)
            assert numbers_of(neighbour, channel) == list(range(1, last + 1))
            for sdk, program in programs.items():
                numbers = numbers_of(program, channel)
                assert numbers == sorted(set(numbers)), sdk
                assert len(numbers) < last, f"{sdk} was slow"
                assert numbers[-2:] == [PUSHES, last], f"{sdk}: what brought the new column, and the newest"
                assert "grown" in columns_of(program, channel), sdk
                assert len(program.all("subscribed", channel=channel)) == 1, f"{sdk} was never away"
            skipped = len(slow) * last - sum(len(numbers_of(program, channel)) for program in slow)
            assert await trio.to_thread.run_sync(figure, server, "conflated_total") == skipped
            assert await trio.to_thread.run_sync(figure, server, "overflows_total") == 0
            assert await trio.to_thread.run_sync(figure, server, "stalls_total") == 0
