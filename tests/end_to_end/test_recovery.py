"""Real SDKs behind a network that loses connections: exactly what they missed, nothing twice, in order."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import count

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.cutting import CuttingProxy, cutting_proxy
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import Program, javascript_subscriber, python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import Connection, connect
from patience import PATIENCE_SECONDS

SDK = Callable[[str], AbstractAsyncContextManager[Program]]
SDKS = pytest.mark.parametrize("sdk", [javascript_subscriber, python_subscriber], ids=["javascript", "python"])


@SDKS
async def test_cuts_at_any_byte_lose_nothing(server: RunningServer, stream: str, sdk: SDK) -> None:
    channel = f"stream/{stream}/m"
    chance = random.Random(7)
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            cutting_proxy(server.address) as proxy,
            sdk(f"ws://{proxy.address}/api/live/ws") as program,
        ):
            await push_numbers(pushing, stream, range(1, 3))
            await program.subscribe(channel)
            pushed = count(3)
            while proxy.cuts < 25:
                proxy.cut_after(chance.randrange(1, 2_000))
                for _ in range(chance.randrange(1, 30)):
                    number = next(pushed)
                    await push_numbers(pushing, stream, range(number, number + 1))
                await wait_for_number(program, channel, number)
            replies = program.all("subscribed", channel=channel)
            assert all(reply["recovered"] for reply in replies[1:])
            assert len(replies) > 10
            assert numbers_of(program, channel) == list(range(1, next(pushed)))


@SDKS
async def test_who_missed_too_much_goes_on_with_the_rows_that_are_left(
    start_server: ServerStarter, stream: str, sdk: SDK
) -> None:
    server = start_server("history.rows=5")
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            connect(server.address) as pushing,
            cutting_proxy(server.address) as proxy,
            sdk(f"ws://{proxy.address}/api/live/ws") as program,
        ):
            await push_numbers(pushing, stream, range(1, 4))
            await program.subscribe(channel)
            await lose_a_while(proxy, program, pushing, stream)
            reply = await program.wait_for("subscribed", channel=channel)
            assert (reply["returned"], reply["recovered"]) == (True, False)
            assert set(reply["data"]) == {"data"}, "the client knows the schema"
            await push_numbers(pushing, stream, range(14, 15))
            await wait_for_number(program, channel, 14)
            assert numbers_of(program, channel) == [1, 2, 3, 9, 10, 11, 12, 13, 14]


async def lose_a_while(proxy: CuttingProxy, program: Program, pushing: Connection, stream: str) -> None:
    """The connection is lost, and ten numbers are pushed before a new one can be had."""
    target, proxy.target = proxy.target, "127.0.0.1:1"
    proxy.cut()
    await program.wait_for("connecting", code=1)
    await push_numbers(pushing, stream, range(4, 14))
    proxy.target = target


@SDKS
async def test_a_restarted_server_is_another_life(start_server: ServerStarter, stream: str, sdk: SDK) -> None:
    first = start_server()
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with cutting_proxy(first.address) as proxy, sdk(f"ws://{proxy.address}/api/live/ws") as program:
            async with connect(first.address) as pushing:
                await push_numbers(pushing, stream, range(1, 4))
            await program.subscribe(channel)
            first.begin_stop()
            await first.stopped()
            second = start_server()
            async with connect(second.address) as pushing:
                await push_numbers(pushing, stream, range(4, 6))
                proxy.target = second.address
                reply = await program.wait_for("subscribed", channel=channel, returned=True)
                assert not reply["recovered"]
                await push_numbers(pushing, stream, range(6, 7))
                await wait_for_number(program, channel, 6)
            assert numbers_of(program, channel) == [1, 2, 3, 4, 5, 6]
