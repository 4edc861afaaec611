"""Every SDK behind a network that takes nothing: cut off, while nobody waits for it, and brought up to date again."""

from contextlib import AsyncExitStack

import httpx
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.cutting import CuttingProxy, cutting_proxy
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import Program
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer
from end_to_end.wire import connect

TEXT_BYTES = 50_000
MIB = 2**20


def closes(server: RunningServer, code: int) -> int:
    """How many subscribers the server has cut off with this code."""
    for line in httpx.get(f"{server.url}/metrics").text.splitlines():
        if line.startswith(f'framecast_client_closes_total{{code="{code}"}}'):
            return int(float(line.split()[-1]))
    return 0


async def wait_for_closes(server: RunningServer, code: int, count: int) -> None:
    while await trio.to_thread.run_sync(closes, server, code) < count:  # noqa: ASYNC110 - another process
        await trio.sleep(0.05)


class Readers:
    """A program of every SDK, all subscribed to one channel, through one proxy."""

    def __init__(self, proxy: CuttingProxy, channel: str) -> None:
        self.proxy = proxy
        self.channel = channel
        self.programs: dict[Sdk, Program] = {}

    async def begin(self, stack: AsyncExitStack, sdk_programs: SdkPrograms) -> None:
        for sdk in EVERY_SDK:
            program = await stack.enter_async_context(sdk_programs.connected(sdk, self.proxy.address))
            self.programs[sdk] = program
            await program.subscribe(self.channel)

    async def wait_for_number(self, number: int) -> None:
        for program in self.programs.values():
            await wait_for_number(program, self.channel, number)


async def test_who_takes_nothing_for_too_long_gets_all_that_it_missed(
    start_server: ServerStarter, sdk_programs: SdkPrograms, stream: str
) -> None:
    """What waits is less than the queue holds, but not one byte of it is taken: 3009."""
    server = start_server(
        "live.max_connections=-1",
        "live.write_seconds=1",
        f"live.queue_bytes={64 * MIB}",
        f"history.bytes={16 * MIB}",
    )
    pushes = 7 * MIB // TEXT_BYTES
    await check_they_return(server, sdk_programs, stream, pushes, code=3009, complete=True)


async def test_whose_queue_overflows_gets_all_that_is_left(
    start_server: ServerStarter, sdk_programs: SdkPrograms, stream: str
) -> None:
    """What waits is more than the queue holds: 3008. So is what was missed more than the history holds."""
    server = start_server(
        "live.max_connections=-1",
        f"live.queue_bytes={2 * MIB}",
        f"history.bytes={MIB // 2}",
        f"streams.packet_bytes={MIB // 2}",
    )
    pushes = 8 * MIB // TEXT_BYTES
    await check_they_return(server, sdk_programs, stream, pushes, code=3008, complete=False)


async def check_they_return(
    server: RunningServer, sdk_programs: SdkPrograms, stream: str, pushes: int, *, code: int, complete: bool
) -> None:
    with trio.fail_after(60):
        async with AsyncExitStack() as stack:
            pushing = await stack.enter_async_context(connect(server.address))
            proxy = await stack.enter_async_context(cutting_proxy(server.address))
            readers = Readers(proxy, f"stream/{stream}/m")
            await readers.begin(stack, sdk_programs)
            await push_numbers(pushing, stream, range(1, 3))
            await readers.wait_for_number(2)
            proxy.stall()
            await push_numbers(pushing, stream, range(3, pushes), text_bytes=TEXT_BYTES)
            await wait_for_closes(server, code, len(EVERY_SDK))
            proxy.resume()
            await readers.wait_for_number(pushes - 1)
            await push_numbers(pushing, stream, range(pushes, pushes + 1))
            await readers.wait_for_number(pushes)
            for sdk, program in readers.programs.items():
                check_what_came(program, readers.channel, pushes, sdk=sdk, complete=complete)


def check_what_came(program: Program, channel: str, last: int, *, sdk: Sdk, complete: bool) -> None:
    """In order and without doubles; with at most one hole, where the history no longer reached."""
    numbers = numbers_of(program, channel)
    replies = program.all("subscribed", channel=channel)
    assert [reply["recovered"] for reply in replies] == [False, complete], sdk
    if complete:
        assert numbers == list(range(1, last + 1)), sdk
        return
    holes = [at for at, number in enumerate(numbers[1:], 1) if number != numbers[at - 1] + 1]
    assert len(holes) == 1, sdk
    assert numbers == sorted(set(numbers)), sdk
    assert numbers[-1] == last, sdk
