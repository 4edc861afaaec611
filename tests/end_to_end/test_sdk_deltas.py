"""Every SDK with delta compression: what it hands on is what was published, and far fewer bytes came over the wire."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from end_to_end.cutting import cutting_proxy
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer, running_server
from patience import PATIENCE_SECONDS

SETTINGS = (
    "live.max_connections=-1",
    "channels.grafana/broadcast.publish=everybody",
    "channels.grafana/broadcast.recovery=stream",
    "channels.grafana/broadcast.delta=true",
)

SENSORS = 100


@pytest.fixture(scope="module")
def delta_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that grants deltas."""
    with running_server(tmp_path_factory.mktemp("delta-server"), *SETTINGS) as server:
        yield server


def state(number: int) -> dict[str, Any]:
    """Much that stays the same, a little that changes; text that a delta must not cut inside a character."""
    sensors = {
        f"Wärme-{sensor} 漢🙂": "é" * 10 + str(number if sensor == number % SENSORS else 0) for sensor in range(SENSORS)
    }
    return {"number": number, "sensors": sensors}


@pytest.mark.parametrize("sdk", EVERY_SDK, ids=str)
async def test_deltas_are_smaller_and_lose_nothing(
    delta_server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"grafana/broadcast/{stream}"
    # The last ones share nothing with those before: a delta is not smaller, and is not sent.
    states = [*map(state, range(40)), 1, "é", {"other": True}, *map(state, range(3))]
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            cutting_proxy(delta_server.address) as proxy,
            sdk_programs.connected(sdk, proxy.address) as reader,
            sdk_programs.connected(sdk, delta_server.address) as writer,
        ):
            await reader.do("subscribe", channel=channel, delta="fossil", recoverable=True)
            await reader.wait_for("subscribed", channel=channel)
            before = proxy.received_bytes
            await writer.ask("publish_all", channel=channel, data=states)
            publications = await reader.wait_for_count("publication", len(states), channel=channel)
            assert [one["data"] for one in publications] == states
            published = sum(len(json.dumps(one, ensure_ascii=False).encode()) for one in states)
            assert proxy.received_bytes - before < published / 4
            # Who returns begins with a whole publication again, whether recovered or live.
            known = len(reader.all("connecting"))
            target, proxy.target = proxy.target, "127.0.0.1:1"
            proxy.cut()
            await reader.wait_for_count("connecting", known + 1)
            missed = [state(number) for number in range(50, 55)]
            await writer.ask("publish_all", channel=channel, data=missed)
            proxy.target = target
            assert (await reader.wait_for("subscribed", channel=channel))["recovered"]
            await writer.ask("publish_all", channel=channel, data=missed)
            publications = await reader.wait_for_count("publication", len(states) + 10, channel=channel)
            assert [one["data"] for one in publications[len(states) :]] == missed + missed


@pytest.mark.parametrize("sdk", EVERY_SDK, ids=str)
async def test_a_channel_without_deltas_ignores_the_wish(
    server: RunningServer, sdk_programs: SdkPrograms, stream: str, sdk: Sdk
) -> None:
    channel = f"grafana/broadcast/{stream}"
    with trio.fail_after(PATIENCE_SECONDS):
        async with sdk_programs.connected(sdk, server.address) as program:
            await program.do("subscribe", channel=channel, delta="fossil")
            await program.wait_for("subscribed", channel=channel)
            await program.ask("publish_all", channel=channel, data=[state(1), state(2)])
            publications = await program.wait_for_count("publication", 2, channel=channel)
            assert [one["data"] for one in publications] == [state(1), state(2)]
