"""The published JavaScript SDK where no WebSocket comes through."""

import httpx
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import Program
from end_to_end.sdk_programs import EMULATION_SDKS, Sdk, SdkPrograms
from patience import PATIENCE_SECONDS

PONG_SECONDS = 3


async def test_the_sdk_hears_speaks_and_comes_back_over_http(
    start_server: ServerStarter, sdk_programs: SdkPrograms
) -> None:
    """In each way to hear and speak, all of them at once as they wait for pings."""
    server = start_server("live.ping_seconds=1", f"live.pong_seconds={PONG_SECONDS}")
    missing = set(EMULATION_SDKS)

    async def push(stream: str, value: int) -> None:
        body = b"m n=%di\nother n=%di" % (value, value)
        assert (await http.post(f"{server.url}/api/live/push/{stream}", content=body)).status_code == 204

    async def talk(client: Program, stream: str) -> None:
        channel, other = f"stream/{stream}/m", f"stream/{stream}/other"
        await client.do("subscribe", channel=channel)
        await client.wait_for("subscribed", channel=channel)
        await push(stream, 1)
        heard = await client.wait_for("publication", channel=channel, offset=1)
        assert heard["data"]["data"]["values"][2] == [1]
        # Some pings, each to be answered beside the stream; who does not is gone by then.
        await trio.sleep(PONG_SECONDS + 2.5)
        await client.do("unsubscribe", channel=channel)
        await client.do("subscribe", channel=other)
        await client.wait_for("subscribed", channel=other)
        await push(stream, 2)
        await client.wait_for("publication", channel=other, offset=2)
        assert client.all("publication", channel=channel, offset=2) == []
        assert client.all("connecting")[1:] == client.all("error") == []

    async def check(sdk: Sdk) -> None:
        async with sdk_programs.begun(sdk, server.address) as client:
            await client.do("connect")
            assert (await client.wait_for("connected"))["transport"] == sdk.transport
            await talk(client, str(sdk))
            missing.remove(sdk)
            if not missing:
                server.begin_stop()
            # With 3001, unless a pong that was on its way found the server gone.
            await client.wait_for_count("connecting", 2)

    with trio.fail_after(PATIENCE_SECONDS):
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http, trio.open_nursery() as nursery:
            for sdk in EMULATION_SDKS:
                nursery.start_soon(check, sdk)
        await server.stopped()
