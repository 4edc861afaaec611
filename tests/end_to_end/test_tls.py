"""Over TLS, as its users have it: the published SDKs, and a renewal under their hands."""

import contextlib
import os
import signal
import ssl
from pathlib import Path

import httpx
import trio

from certificates import make_certificate
from end_to_end.conftest import ServerStarter
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from patience import PATIENCE_SECONDS


async def test_every_sdk_hears_over_tls_and_stays_through_a_renewal(
    start_server: ServerStarter, sdk_programs: SdkPrograms, tmp_path: Path
) -> None:
    used, renewed = make_certificate(tmp_path / "used"), make_certificate(tmp_path / "renewed")
    server = start_server(*used.overrides, "live.max_connections=-1")
    renewal, heard = trio.Event(), trio.Event()
    waiting = set(EVERY_SDK)

    async def check(sdk: Sdk) -> None:
        async with sdk_programs.connected(sdk, server.address, authority=used.authority) as client:
            await client.do("subscribe", channel="stream/s/m")
            await client.wait_for("subscribed", channel="stream/s/m")
            waiting.remove(sdk)
            if not waiting:
                heard.set()
            await renewal.wait()
            publication = await client.wait_for("publication", channel="stream/s/m")
            assert publication["data"]["data"]["values"][2] == [2]
            assert client.all("connecting")[1:] == client.all("error") == []

    async def push(trusted: ssl.SSLContext, value: int) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, verify=trusted) as http:
            answer = await http.post(f"{server.url}/api/live/push/s", content=b"m n=%di" % value)
            assert answer.status_code == 204

    with trio.fail_after(PATIENCE_SECONDS):
        await push(used.client_context(), 1)
        async with trio.open_nursery() as nursery:
            for sdk in EVERY_SDK:
                nursery.start_soon(check, sdk)
            await heard.wait()
            used.replace(renewed)
            os.kill(server.process.pid, signal.SIGHUP)
            while True:
                with contextlib.suppress(httpx.ConnectError):  # the old one is shown yet
                    await push(renewed.client_context(), 2)
                    break
                await trio.sleep(0.05)
            renewal.set()
        server.check_well()
