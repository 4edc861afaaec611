"""The published JavaScript SDK where no WebSocket comes through."""

import httpx
import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.sdk_programs import EMULATION_SDKS, Sdk, SdkPrograms

PATIENCE_SECONDS = 60


@pytest.mark.parametrize("sdk", EMULATION_SDKS, ids=str)
async def test_the_sdk_hears_speaks_and_comes_back_over_http(
    start_server: ServerStarter, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    server = start_server("live.ping_seconds=1", "live.pong_seconds=1")
    channel, other = f"stream/{stream}/m", f"stream/{stream}/other"

    async def push(value: int) -> None:
        body = b"m n=%di\nother n=%di" % (value, value)
        assert (await http.post(f"{server.url}/api/live/push/{stream}", content=body)).status_code == 204

    with trio.fail_after(PATIENCE_SECONDS):
        async with httpx.AsyncClient() as http, sdk_programs.begun(sdk, server.address) as client:
            await client.do("connect")
            assert (await client.wait_for("connected"))["transport"] == sdk.transport
            await client.do("subscribe", channel=channel)
            await client.wait_for("subscribed", channel=channel)
            await push(1)
            heard = await client.wait_for("publication", channel=channel, offset=1)
            assert heard["data"]["data"]["values"][2] == [1]
            await trio.sleep(3.5)  # some pings, each to be answered beside the stream
            await client.do("unsubscribe", channel=channel)
            await client.do("subscribe", channel=other)
            await client.wait_for("subscribed", channel=other)
            await push(2)
            await client.wait_for("publication", channel=other, offset=2)
            assert client.all("publication", channel=channel, offset=2) == []
            assert client.all("connecting")[1:] == client.all("error") == []
            server.begin_stop()
            # With 3001, unless a pong that was on its way found the server gone.
            await client.wait_for_count("connecting", 2)
            await server.stopped()
