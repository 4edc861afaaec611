"""Every SDK with tokens: of the connection and of subscriptions, refreshed, expired, wrong; server-side subscriptions.

The protocol counts whole seconds, so these tests wait for some; all SDKs wait at once.
"""

import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from end_to_end.cutting import cutting_proxy
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.sdk_tokens import SECRET, signed
from end_to_end.server import RunningServer, running_server

EXPIRED_SECONDS = 1.2
SETTINGS = (
    f"tokens.hmac_secret={SECRET}",
    "live.max_connections=-1",
    "live.ping_seconds=1",
    "live.pong_seconds=0.9",
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


async def with_every_sdk(check: Callable[[Sdk], Awaitable[None]], *, seconds: float = 90) -> None:
    with trio.fail_after(seconds):
        async with trio.open_nursery() as nursery:
            for sdk in EVERY_SDK:
                nursery.start_soon(check, sdk)


async def test_connections_and_subscriptions_are_refreshed_and_pings_answered(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    async def check(sdk: Sdk) -> None:
        channel = f"grafana/broadcast/refresh-{sdk}"
        now = int(time.time())
        of_connection = [signed(sub="ada", exp=now + ttl, info={"name": "Ada"}) for ttl in (4, HOUR_SECONDS)]
        of_subscription = [
            signed(sub="ada", channel=channel, exp=now + ttl, info={"seat": 7}) for ttl in (4, HOUR_SECONDS)
        ]
        async with sdk_programs.connected(
            sdk, token_server.address, token=of_connection[0], tokens=of_connection[1:]
        ) as program:
            await program.do("subscribe", channel=channel, token=of_subscription[0], tokens=of_subscription[1:])
            await program.wait_for("subscribed", channel=channel)
            await program.wait_for_count("token_wanted", 2)
            # Longer than a server waits for a new token, and than three pings take.
            await trio.sleep(2 * EXPIRED_SECONDS)
            await program.ask("publish", channel=channel, data=1)
            info = (await program.wait_for("publication", channel=channel))["info"]
            assert (info["user"], info["conn_info"], info["chan_info"]) == ("ada", {"name": "Ada"}, {"seat": 7}), sdk
            assert (await program.ask("presence", channel=channel))["clients"] == {info["client"]: info}, sdk
            assert len(program.all("token_wanted")) == 2, sdk
            assert len(program.all("subscribing")) == len(program.all("connecting")) == 1, sdk
            assert not program.all("error"), sdk

    await with_every_sdk(check)


async def test_who_brings_no_new_token_loses_first_the_subscription_then_the_connection(
    token_server: RunningServer, sdk_programs: SdkPrograms
) -> None:
    async def check(sdk: Sdk) -> None:
        channel = f"grafana/broadcast/lapses-{sdk}"
        now = int(time.time())
        of_connection = signed(sub="ada", exp=now + 5)
        of_subscription = signed(sub="ada", channel=channel, exp=now + 3)
        async with sdk_programs.connected(sdk, token_server.address, token=of_connection) as program:
            await program.do("subscribe", channel=channel, token=of_subscription)
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
            async with sdk_programs.connected(PUBLISHER, token_server.address) as publisher:
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

    await with_every_sdk(check)
