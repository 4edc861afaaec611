"""Every SDK with tokens: of the connection and of subscriptions, refreshed, expired, wrong; server-side subscriptions.

The protocol counts whole seconds, so these tests wait for some; all SDKs wait at once, and only when all are ready: how
long a busy machine takes to start them is not in the time for which a token is good.
"""

import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.cutting import cutting_proxy
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.sdk_tokens import SECRET, signed
from end_to_end.server import RunningServer, running_server
from patience import PATIENCE_SECONDS

EXPIRED_SECONDS = 5
SETTINGS = (
    f"tokens.hmac_secret={SECRET}",
    "live.max_connections=-1",
    "live.ping_seconds=1",
    "live.pong_seconds=3",
    f"live.expired_seconds={EXPIRED_SECONDS}",
    "channels.grafana/broadcast.publish=everybody",
    "channels.grafana/broadcast.ask_presence=true",
    "channels.grafana/broadcast.recovery=stream",
)
PUBLISHER = Sdk("python", "json")
HOUR_SECONDS = 3600


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that knows the secret, and pings every second."""
    with running_server(tmp_path_factory.mktemp("token-server"), *SETTINGS) as server:
        yield server


async def with_every_sdk(check: Callable[[Sdk], Awaitable[None]]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            for sdk in EVERY_SDK:
                nursery.start_soon(check, sdk)


class Gathering:
    """Where all SDKs wait until all are there."""

    def __init__(self) -> None:
        self._missing = len(EVERY_SDK)
        self._complete = trio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()
        await self._complete.wait()


async def test_connections_and_subscriptions_are_refreshed_and_pings_answered(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    all_ready = Gathering()

    async def check(sdk: Sdk) -> None:
        channel = f"grafana/broadcast/refresh-{sdk}"

        def of_connection(until: int) -> str:
            return signed(sub="ada", exp=until, info={"name": "Ada"})

        def of_subscription(until: int) -> str:
            return signed(sub="ada", channel=channel, exp=until, info={"seat": 7})

        later = int(time.time()) + HOUR_SECONDS
        async with sdk_programs.begun(sdk, token_server.address, tokens=[of_connection(later)]) as program:
            await all_ready.wait()
            soon = int(time.time()) + 5
            await program.do("connect", token=of_connection(soon))
            await program.wait_for("connected")
            await program.do("subscribe", channel=channel, token=of_subscription(soon), tokens=[of_subscription(later)])
            await program.wait_for("subscribed", channel=channel)
            await program.wait_for_count("token_wanted", 2)
            # Longer than the server waits for a new token, and than it waits for a pong.
            await trio.sleep(soon + EXPIRED_SECONDS + 1 - time.time())
            await program.ask("publish", channel=channel, data=1)
            info = (await program.wait_for("publication", channel=channel))["info"]
            assert (info["user"], info["conn_info"], info["chan_info"]) == ("ada", {"name": "Ada"}, {"seat": 7}), sdk
            assert (await program.ask("presence", channel=channel))["clients"] == {info["client"]: info}, sdk
            assert len(program.all("token_wanted")) == 2, sdk
            assert len(program.all("subscribing")) == len(program.all("connecting")) == 1, sdk
            assert not program.all("error"), sdk

    await with_every_sdk(check)


async def test_who_brings_no_new_token_loses_first_the_subscription_then_the_connection(
    start_server: ServerStarter, sdk_programs: SdkPrograms
) -> None:
    server = start_server(*SETTINGS, "live.expired_seconds=1")
    all_ready = Gathering()

    async def check(sdk: Sdk) -> None:
        channel = f"grafana/broadcast/lapses-{sdk}"
        async with sdk_programs.begun(sdk, server.address) as program:
            await all_ready.wait()
            now = int(time.time())
            await program.do("connect", token=signed(sub="ada", exp=now + 11))
            await program.wait_for("connected")
            await program.do("subscribe", channel=channel, token=signed(sub="ada", channel=channel, exp=now + 5))
            await program.wait_for("subscribed", channel=channel)
            if sdk.language == "javascript":
                # It knows how long its token is good for, and gives up before the server does.
                await program.wait_for("unsubscribed", channel=channel, code=1)
            else:
                await program.wait_for("subscribing", channel=channel, code=2501, reason="subscription expired")
            assert len(program.all("connecting")) == 1, sdk
            if sdk.language == "python":
                # The others know that of the connection's token as well.
                await program.wait_for("connecting", code=3005)
            await program.wait_for("disconnected", code=1)
            assert len(program.all("connected")) == 1, sdk

    await with_every_sdk(check)


async def test_an_expired_token_makes_a_client_ask_for_another(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    async def check(sdk: Sdk) -> None:
        tokens = [signed(sub="ada", exp=int(time.time()) + HOUR_SECONDS)]
        expired = signed(sub="ada", exp=int(time.time()) - HOUR_SECONDS)
        async with sdk_programs.connected(sdk, token_server.address, token=expired, tokens=tokens) as program:
            assert len(program.all("token_wanted")) == 1, sdk
            assert not program.all("disconnected"), sdk

    await with_every_sdk(check)


async def test_a_token_of_somebody_else_is_final(token_server: RunningServer, sdk_programs: SdkPrograms) -> None:
    async def check(sdk: Sdk) -> None:
        forged = signed("another secret that is long enough for HS256", sub="ada")
        async with sdk_programs.begun(sdk, token_server.address, token=forged) as program:
            await program.do("connect")
            end = await program.wait_for("disconnected")
            assert (end["code"], end["reason"]) == (3500, "invalid token"), sdk
            assert not program.all("connected"), sdk

    await with_every_sdk(check)


async def test_a_subscription_token_is_good_for_one_channel_and_user(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    async def check(sdk: Sdk) -> None:
        wanted, expired = f"grafana/broadcast/forged-{sdk}", f"grafana/broadcast/expired-{sdk}"
        now = int(time.time())
        user = signed(sub="ada", exp=now + HOUR_SECONDS)
        async with sdk_programs.connected(sdk, token_server.address, token=user) as program:
            forged = signed("another secret that is long enough for HS256", sub="ada", channel=wanted)
            await program.do("subscribe", channel=wanted, token=forged)
            assert (await program.wait_for("unsubscribed", channel=wanted))["code"] == 103, sdk
            # Expired, and nobody gives another: the SDK's own "unauthorized".
            old = signed(sub="ada", channel=expired, exp=now - HOUR_SECONDS)
            await program.do("subscribe", channel=expired, token=old, tokens=[])
            assert (await program.wait_for("unsubscribed", channel=expired))["code"] == 1, sdk
            assert len(program.all("connecting")) == 1, sdk
            # Of somebody else, but signed: a program that does this is wrong, and is told so for good.
            another = signed(sub="bob", channel=f"{wanted}-other", exp=now + HOUR_SECONDS)
            await program.do("subscribe", channel=f"{wanted}-other", token=another)
            assert (await program.wait_for("disconnected"))["code"] == 3500, sdk

    await with_every_sdk(check)


async def test_subscriptions_of_a_token_are_made_by_the_server_and_recover(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    async def check(sdk: Sdk) -> None:
        channel = f"grafana/broadcast/server-side-{sdk}"
        token = signed(sub="ada", exp=int(time.time()) + HOUR_SECONDS, channels=[channel])
        async with (
            cutting_proxy(token_server.address) as proxy,
            sdk_programs.connected(sdk, proxy.address, token=token) as program,
        ):
            await program.wait_for("server_subscribed", channel=channel)
            await publisher.ask("publish_all", channel=channel, data=[1, 2])
            await program.wait_for_count("server_publication", 2, channel=channel)
            target, proxy.target = proxy.target, "127.0.0.1:1"
            proxy.cut()
            await program.wait_for_count("connecting", 2)
            await publisher.ask("publish_all", channel=channel, data=[3, 4])
            proxy.target = target
            reply = await program.wait_for("server_subscribed", channel=channel)
            assert (reply["returned"], reply["recovered"]) == (True, True), sdk
            await publisher.ask("publish", channel=channel, data=5)
            publications = await program.wait_for_count("server_publication", 5, channel=channel)
            assert [(one["data"], one["offset"]) for one in publications] == [(n, n) for n in range(1, 6)], sdk
            assert publications[0]["info"]["client"], sdk

    with trio.fail_after(PATIENCE_SECONDS):
        async with sdk_programs.connected(PUBLISHER, token_server.address) as publisher:
            await with_every_sdk(check)
