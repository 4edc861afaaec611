"""Every SDK behind a network that takes nothing: cut off, while nobody waits for it, and brought up to date again."""

import httpx
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.cutting import cutting_proxy
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import Program
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

TEXT_BYTES = 50_000
MIB = 2**20
WRITE_SECONDS = 5
"""How long a network may take nothing. It must be more than a program that reads again may wait for its turn."""


def closes(server: RunningServer, code: int) -> int:
    """How many subscribers the server has cut off with this code."""
    for line in httpx.get(f"{server.url}/metrics", timeout=PATIENCE_SECONDS).text.splitlines():
        if line.startswith(f'framecast_client_closes_total{{code="{code}"}}'):
            return int(float(line.split()[-1]))
    return 0


async def wait_for_closes(server: RunningServer, code: int, count: int) -> None:
    while await trio.to_thread.run_sync(closes, server, code) < count:  # noqa: ASYNC110 - another process
        await trio.sleep(0.05)


async def test_who_takes_nothing_for_too_long_gets_all_that_it_missed(
    start_server: ServerStarter, sdk_programs: SdkPrograms, stream: str
) -> None:
    """What waits is less than the queue holds, but not one byte of it is taken: 3009."""
    server = start_server(
        "live.max_connections=-1",
        f"live.write_seconds={WRITE_SECONDS}",
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
    channel = f"stream/{stream}/m"

    async def all_have(number: int) -> None:
        for program in programs.values():
            await wait_for_number(program, channel, number)

    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            cutting_proxy(server.address) as proxy,
            sdk_programs.all_connected(proxy.address) as programs,
        ):
            for program in programs.values():
                await program.subscribe(channel)
            await push_numbers(pushing, stream, range(1, 3))
            await all_have(2)
            proxy.stall()
            await push_numbers(pushing, stream, range(3, pushes), text_bytes=TEXT_BYTES)
            await wait_for_closes(server, code, len(EVERY_SDK))
            proxy.resume()
            await all_have(pushes - 1)
            await push_numbers(pushing, stream, range(pushes, pushes + 1))
            await all_have(pushes)
            for sdk, program in programs.items():
                check_what_came(program, channel, pushes, sdk=sdk, complete=complete)


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
