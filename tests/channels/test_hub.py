"""The hub over the real core: who receives what under which name, within which limits, and what it leaves behind."""

import json
from typing import Any

import pytest

from framecast.channels.address import Address
from framecast.channels.broker import Draft
from framecast.errors import Refusal
from framecast.settings import Streams
from live_world import Received, World, live_world, stream_address

CPU = stream_address("cpu")
MEM = stream_address("mem")


async def publish(world: World, address: Address, data: bytes, schema: bytes | None = None) -> None:
    await world.hub.publish([Draft(address.key, data, schema)])


async def test_every_subscriber_receives_its_own_spelling() -> None:
    async with live_world() as world:
        first, second = world.subscriber(), world.subscriber()
        world.hub.subscribe(first.connection, CPU, "stream/s/cpu")
        world.hub.subscribe(second.connection, CPU, "1/stream/s/cpu")
        await publish(world, CPU, b'{"data":1}')
        assert first.received() == [Received("stream/s/cpu", b'{"data":1}')]
        assert second.received() == [Received("1/stream/s/cpu", b'{"data":1}')]


async def test_a_batch_arrives_in_its_order_and_each_channel_at_its_subscribers_only() -> None:
    async with live_world() as world:
        both, one = world.subscriber(), world.subscriber()
        world.hub.subscribe(both.connection, CPU, "c")
        world.hub.subscribe(both.connection, MEM, "m")
        world.hub.subscribe(one.connection, MEM, "m")
        drafts = [Draft((CPU if number % 3 else MEM).key, b"%d" % number) for number in range(30)]
        await world.hub.publish(drafts)
        assert [json.loads(item.data) for item in both.received()] == list(range(30))
        assert [json.loads(item.data) for item in one.received()] == list(range(0, 30, 3))


async def test_orgs_do_not_share_a_channel() -> None:
    async with live_world() as world:
        other_org = stream_address("cpu", org_id=2)
        ours, theirs = world.subscriber(), world.subscriber()
        world.hub.subscribe(ours.connection, CPU, "stream/s/cpu")
        world.hub.subscribe(theirs.connection, other_org, "stream/s/cpu")
        await publish(world, CPU, b'{"data":1}', schema=b"{}")
        assert len(ours.received()) == 1
        assert theirs.received() == []
        assert world.hub.latest(other_org) is None


async def test_nothing_is_delivered_after_unsubscribing() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await publish(world, CPU, b"1")
        world.hub.unsubscribe(subscriber.connection, CPU)
        world.hub.unsubscribe(subscriber.connection, CPU)
        await publish(world, CPU, b"2")
        assert [item.data for item in subscriber.received()] == [b"1"]
        assert world.hub.subscriber_count(CPU) == 0


def held_by(world: World) -> dict[str, Any]:
    """All that is remembered of subscribers."""
    core = world.fanout.statistics()
    hub = world.hub
    return {
        "subscribers": hub._subscribers,
        "channels of": hub._channels_of,
        "core": core.channels + core.subscriptions,
    }


async def test_a_connection_that_left_leaves_nothing_behind() -> None:
    async with live_world() as world:
        first, second = world.subscriber(), world.subscriber()
        for number in range(20):
            world.hub.subscribe(first.connection, stream_address(f"m{number}"), f"m{number}")
        world.hub.subscribe(second.connection, stream_address("m3"), "m3")
        world.hub.leave(first.connection)
        world.hub.leave(first.connection)
        assert world.hub.channel_count == 1
        assert world.hub.subscriber_count(stream_address("m3")) == 1
        world.hub.leave(second.connection)
        assert held_by(world) == {"subscribers": {}, "channels of": {}, "core": 0}
        assert world.fanout.statistics().subscriptions == 0


async def test_unsubscribing_one_by_one_leaves_nothing_behind() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        for address in (CPU, MEM):
            world.hub.subscribe(subscriber.connection, address, str(address))
        for address in (CPU, MEM):
            world.hub.unsubscribe(subscriber.connection, address)
        assert held_by(world) == {"subscribers": {}, "channels of": {}, "core": 0}


async def test_one_channel_too_many_is_refused_and_changes_nothing() -> None:
    async with live_world(max_channels=2) as world:
        first, second = world.subscriber(), world.subscriber()
        for address in (CPU, MEM):
            world.hub.subscribe(first.connection, address, str(address))
        third = stream_address("disk")
        with pytest.raises(Refusal) as caught:
            world.hub.subscribe(second.connection, third, "disk")
        assert caught.value.code == 106
        assert (world.hub.channel_count, world.hub.subscriber_count(third)) == (2, 0)
        await publish(world, third, b"1")
        assert second.received() == []
        # A channel that has subscribers takes more of them, and one that ends makes room.
        world.hub.subscribe(second.connection, CPU, "cpu")
        world.hub.unsubscribe(first.connection, MEM)
        world.hub.subscribe(second.connection, third, "disk")
        assert world.hub.channel_count == 2


async def test_subscribing_to_what_does_not_exist_yet_begins_with_nothing() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        assert world.hub.latest(CPU) is None
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await publish(world, CPU, b'{"schema":{},"data":1}', schema=b"{}")
        assert [item.data for item in subscriber.received()] == [b'{"schema":{},"data":1}']


async def test_the_latest_frame_remembers_the_newest_schema_and_data() -> None:
    async with live_world() as world:
        await publish(world, CPU, b'{"schema":{"a":1},"data":1}', schema=b'{"a":1}')
        await publish(world, CPU, b'{"schema":{"a":2},"data":2}', schema=b'{"a":2}')
        latest = world.hub.latest(CPU)
        assert latest is not None
        assert (latest.schema, latest.data, latest.carries_schema) == (b'{"a":2}', b'{"schema":{"a":2},"data":2}', True)
        await publish(world, CPU, b'{"data":3}')
        latest = world.hub.latest(CPU)
        assert latest is not None
        assert (latest.schema, latest.data, latest.carries_schema) == (b'{"a":2}', b'{"data":3}', False)


async def test_a_message_that_is_no_frame_is_not_kept() -> None:
    async with live_world() as world:
        await publish(world, CPU, b'{"any":"thing"}')
        assert world.hub.latest(CPU) is None


async def test_a_forgotten_channel_keeps_its_subscribers_and_begins_anew() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await publish(world, CPU, b'{"schema":{},"data":1}', schema=b"{}")
        world.hub.forget(CPU)
        world.hub.forget(CPU)
        assert world.hub.latest(CPU) is None
        assert world.broker._positions == {}
        await publish(world, CPU, b'{"schema":{},"data":2}', schema=b"{}")
        assert len(subscriber.received()) == 2


async def test_past_the_budget_the_longest_unchanged_frames_are_let_go_but_for_their_schema() -> None:
    async with live_world(streams=Streams(held_bytes=1_000)) as world:
        addresses = [stream_address(f"m{number}") for number in range(5)]
        for address in addresses:
            await publish(world, address, b'{"data":"' + b"x" * 200 + b'"}', schema=b'{"fields":[]}')
        await publish(world, addresses[0], b'{"data":"' + b"y" * 200 + b'"}')
        assert world.hub.held_bytes <= 1_000
        kept = [world.hub.latest(address) for address in addresses]
        assert all(latest is not None and latest.schema == b'{"fields":[]}' for latest in kept)
        assert [latest is not None and latest.data is not None for latest in kept] == [True, False, True, True, True]
        assert world.scope.snapshot(addresses[1]) == b'{"schema":{"fields":[]}}'
        for address in addresses:
            world.hub.forget(address)
        assert world.hub.held_bytes == 0


async def test_a_budget_that_schemas_alone_fill_ends_no_publication() -> None:
    async with live_world(streams=Streams(held_bytes=10)) as world:
        for number in range(4):
            await publish(world, stream_address(f"m{number}"), b'{"data":1}', schema=b'{"fields":[]}')
        assert all(world.hub.latest(stream_address(f"m{number}")) is not None for number in range(4))
