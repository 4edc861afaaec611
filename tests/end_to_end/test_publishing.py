"""Messages sent by HTTP and by an SDK: a real client cannot tell one from the other."""

import json
from typing import Any

import pytest
import trio

from end_to_end.programs import javascript_subscriber, python_subscriber
from end_to_end.server import RunningServer
from end_to_end.wire import connect, request
from patience import PATIENCE_SECONDS


async def post(server: RunningServer, message: Any) -> tuple[int, Any]:
    body = json.dumps(message).encode()
    async with connect(server.address) as connection:
        headers = {"Content-Type": "application/json"}
        await connection.send(request("POST", "/api/live/publish", body, host="127.0.0.1", headers=headers))
        answer = await connection.answer()
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("program", [python_subscriber, javascript_subscriber])
async def test_a_client_hears_both_ways_alike(server: RunningServer, stream: str, program: Any) -> None:
    channel = f"grafana/broadcast/{stream}"
    with trio.fail_after(PATIENCE_SECONDS):
        async with program(server.subscribe_url) as client:
            await client.subscribe(channel)
            said = {"n": 1, "text": "é\u2028", "list": [1.5, None, True]}
            assert await post(server, {"channel": channel, "data": said}) == (200, {})
            await client.ask("publish", channel=channel, data=said)
            first, second = await client.wait_for_count("publication", 2)
            assert first["data"] == second["data"] == said
            status, answer = await post(server, {"channel": "stream/s/m", "data": 1})
            assert status == 403
            assert answer["message"].startswith("Forbidden")
        async with program(server.subscribe_url) as later:
            assert (await later.subscribe(channel))["data"] == said
