"""With a window, what is published goes out in few system calls, and everything still arrives in order."""

import httpx
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.numbered import numbers_of, push_numbers, wait_for_number
from end_to_end.programs import python_subscriber
from end_to_end.wire import connect
from patience import PATIENCE_SECONDS

PUSHES = 200


async def test_publications_of_one_window_cost_one_system_call(start_server: ServerStarter, stream: str) -> None:
    server = start_server("live.coalesce_ms=500")
    channel = f"stream/{stream}/m"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as pushing, python_subscriber(server.subscribe_url) as program:
            await program.subscribe(channel)
            await push_numbers(pushing, stream, range(1, PUSHES + 1))
            await wait_for_number(program, channel, PUSHES)
            assert numbers_of(program, channel) == list(range(1, PUSHES + 1))
    metrics = (await trio.to_thread.run_sync(httpx.get, f"{server.url}/metrics")).text.splitlines()
    [calls] = [line.split()[-1] for line in metrics if line.startswith("framecast_fanout_send_calls_total")]
    assert float(calls) < PUSHES / 2
