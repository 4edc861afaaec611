"""The hub over the real core: who receives what under which name, within which limits, and what it leaves behind."""

import json
from typing import Any, cast

import pytest
import trio
import trio.testing

from framecast._core import Fanout
from framecast.brokers.memory import MemoryBroker
from framecast.channels.address import Address
from framecast.channels.broker import Draft, Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.hub import LOOK_SECONDS, Hub
from framecast.errors import Refusal
from framecast.settings import History
from live_world import Received, World, live_world, stream_address
from patience import PATIENCE_SECONDS

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
        assert first.received() == [Received("stream/s/cpu", b'{"data":1}', 1)]
        assert second.received() == [Received("1/stream/s/cpu", b'{"data":1}', 1)]


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


async def test_subscribers_see_who_published() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await world.hub.publish([Draft(CPU.key, b"1", info=ClientInfo("u", "c7", b'{"a":1}', b"[2]"))])
        await world.hub.publish([Draft(CPU.key, b"2")])
        info = {"user": "u", "client": "c7", "conn_info": {"a": 1}, "chan_info": [2]}
        assert [item.info for item in subscriber.received()] == [info, None]


async def test_orgs_do_not_share_a_channel() -> None:
    async with live_world() as world:
        other_org = stream_address("cpu", org_id=2)
        ours, theirs = world.subscriber(), world.subscriber()
        world.hub.subscribe(ours.connection, CPU, "stream/s/cpu")
        world.hub.subscribe(theirs.connection, other_org, "stream/s/cpu")
        await publish(world, CPU, b'{"data":1}', schema=b"{}")
        assert len(ours.received()) == 1
        assert theirs.received() == []
        assert world.hub.history(other_org) is None


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
    subscriptions = world.hub._subscriptions
    return {
        "subscribers": subscriptions._by_channel,
        "channels of": subscriptions._by_connection,
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


async def test_a_client_cannot_begin_one_channel_too_many() -> None:
    async with live_world(max_channels=1) as world:
        subscriber = world.subscriber()
        await world.hub.open(CPU)
        world.hub.subscribe(subscriber.connection, CPU, "c")
        with pytest.raises(Refusal) as caught:
            await world.hub.open(MEM)
        assert caught.value.code == 106
        assert world.hub.history(MEM) is None
        assert await world.hub.open(CPU) is world.hub.history(CPU)


async def test_a_channel_nobody_published_to_ends_with_its_last_subscriber() -> None:
    async with live_world() as world:
        first, second = world.subscriber(), world.subscriber()
        for subscriber in (first, second):
            await world.hub.open(CPU)
            world.hub.subscribe(subscriber.connection, CPU, "c")
        epoch = (await world.hub.open(CPU)).position
        world.hub.leave(first.connection)
        assert (await world.hub.open(CPU)).position == epoch
        world.hub.unsubscribe(second.connection, CPU)
        assert world.hub.history(CPU) is None
        assert world.broker._positions == {}


async def test_a_channel_that_was_opened_and_not_subscribed_leaves_nothing_behind() -> None:
    async with live_world() as world:
        first, second = world.subscriber(), world.subscriber()
        await world.hub.open(CPU)
        world.hub.unsubscribe(first.connection, CPU)
        assert world.hub.history(CPU) is None
        assert world.broker._positions == {}
        opened = await world.hub.open(CPU)
        world.hub.subscribe(first.connection, CPU, "c")
        world.hub.unsubscribe(second.connection, CPU)
        assert world.hub.history(CPU) is opened, "it has another subscriber"


async def test_a_channel_that_was_published_to_outlives_its_subscribers() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        opened = await world.hub.open(CPU)
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await publish(world, CPU, b"1")
        world.hub.leave(subscriber.connection)
        assert world.hub.history(CPU) is opened
        assert opened.position.offset == 1


async def test_publications_carry_their_offsets() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        opened = await world.hub.open(CPU)
        assert opened.position.offset == 0
        world.hub.subscribe(subscriber.connection, CPU, "c")
        for number in range(3):
            await publish(world, CPU, b"%d" % number)
        assert [item.offset for item in subscriber.received()] == [1, 2, 3]
        assert opened.position.offset == 3


async def test_a_forgotten_channel_begins_anew() -> None:
    async with live_world() as world:
        await publish(world, CPU, b'{"schema":{},"data":1}', schema=b"{}")
        before = (await world.hub.open(CPU)).position
        world.hub.forget(CPU)
        world.hub.forget(CPU)
        assert world.hub.history(CPU) is None
        assert world.broker._positions == {}
        await publish(world, CPU, b'{"schema":{},"data":2}', schema=b"{}")
        after = (await world.hub.open(CPU)).position
        assert (after.offset, after.epoch != before.epoch) == (1, True)


async def test_what_is_too_old_goes_without_another_publication(autojump_clock: trio.testing.MockClock) -> None:
    async with live_world(history=History(seconds=10)) as world, trio.open_nursery() as nursery:
        await nursery.start(world.hub.run)
        unused = stream_address("unused")
        await world.hub.open(unused)
        await publish(world, CPU, b'{"data":1}', schema=b"{}")
        await trio.sleep(9)
        history = world.hub.history(CPU)
        assert history is not None
        assert history.publication_count == 1
        assert world.hub.history(unused) is None
        await trio.sleep(2.1)
        assert (history.publication_count, history.schema, history.position.offset) == (0, b"{}", 1)
        assert world.hub.histories.bytes == 0
        nursery.cancel_scope.cancel()


async def test_a_page_of_the_past_comes_with_the_place_where_the_channel_stands() -> None:
    async with live_world() as world:
        for number in range(1, 6):
            await publish(world, CPU, b"%d" % number)
        position, page = await world.hub.page(CPU, since=None, limit=2, reverse=True)
        assert (position.offset, [kept.data for kept in page]) == (5, [b"5", b"4"])
        assert await world.hub.page(CPU, since=position, limit=-1, reverse=False) == (position, [])
        with pytest.raises(Refusal) as caught:
            await world.hub.page(CPU, since=Position("another", 1), limit=1, reverse=False)
        assert caught.value.code == 112


async def test_reading_the_past_of_a_channel_that_is_not_there_leaves_nothing_behind() -> None:
    async with live_world() as world:
        position, page = await world.hub.page(CPU, since=None, limit=-1, reverse=False)
        assert (position.offset, position.epoch != "", page) == (0, True, [])
        with pytest.raises(Refusal):
            await world.hub.page(CPU, since=position, limit=-1, reverse=False)
        assert world.hub.history(CPU) is None
        assert world.broker._positions == {}
        subscriber = world.subscriber()
        opened = await world.hub.open(CPU)
        world.hub.subscribe(subscriber.connection, CPU, "c")
        assert (await world.hub.page(CPU, since=None, limit=0, reverse=False))[0] == opened.position
        assert world.hub.history(CPU) is opened


async def test_of_the_channels_that_clients_begin_the_quietest_makes_room() -> None:
    async with live_world(max_channels=2) as world:
        info = ClientInfo("u", "c")
        third, fourth = stream_address("disk"), stream_address("net")
        await publish(world, stream_address("pushed"), b"1")
        for address in (CPU, MEM, CPU):
            await world.hub.publish_message(address, b"1", info)
        await world.hub.publish_message(third, b"2", None)
        assert world.hub.history(MEM) is None, "it was quiet for longer"
        kept = world.hub.history(third)
        assert kept is not None
        assert [(one.data, one.rows, one.info) for one in kept.after(0)] == [(b"2", 1, None)]
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await world.hub.publish_message(fourth, b"1", None)
        assert (world.hub.history(CPU) is None, world.hub.history(third)) == (False, None), "who is watched stays"


async def test_channels_that_are_watched_make_no_room() -> None:
    async with live_world(max_channels=2) as world:
        subscriber = world.subscriber()
        for address in (CPU, MEM):
            await world.hub.publish_message(address, b"1", None)
            world.hub.subscribe(subscriber.connection, address, str(address))
        third = stream_address("disk")
        with pytest.raises(Refusal, match="2 channels that are watched") as caught:
            await world.hub.publish_message(third, b"1", None)
        assert (caught.value.code, world.hub.history(third)) == (106, None)
        world.hub.unsubscribe(subscriber.connection, CPU)
        await world.hub.publish_message(third, b"1", None)
        assert world.hub.history(MEM) is not None


async def test_a_message_that_the_broker_refuses_begins_no_channel() -> None:
    async with live_world(max_channels=1) as world:
        world.broker.publish = refuse  # type: ignore[method-assign] # a broker that cannot take anything now
        for address in (CPU, MEM):
            with pytest.raises(Refusal, match="not now"):
                await world.hub.publish_message(address, b"1", None)
        assert not world.hub._begun_by_clients


async def refuse(drafts: object) -> list[int]:
    raise Refusal(503, "not now", temporary=True)


async def test_a_channel_whose_past_is_gone_is_forgotten_once_nobody_watches(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with live_world(history=History(seconds=10)) as world, trio.open_nursery() as nursery:
        await nursery.start(world.hub.run)
        subscriber = world.subscriber()
        framed = stream_address("framed")
        await publish(world, framed, b"1", schema=b"{}")
        for address in (CPU, MEM):
            await world.hub.publish_message(address, b"1", None)
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await trio.sleep(9)
        assert world.hub.history(MEM) is not None
        await trio.sleep(2.1)
        assert (world.hub.history(MEM), set(world.hub._begun_by_clients)) == (None, {CPU.key})
        watched = world.hub.history(CPU)
        assert watched is not None
        assert (watched.position.offset, watched.publication_count) == (1, 0)
        world.hub.leave(subscriber.connection)
        assert world.hub.history(CPU) is watched, "who returns soon finds its position"
        await trio.sleep(1.1)
        assert (world.hub.history(CPU), set(world.hub._begun_by_clients)) == (None, set())
        assert world.hub.history(framed) is not None
        assert list(world.broker._positions) == [framed.key]
        nursery.cancel_scope.cancel()


async def test_a_restored_channel_begins_with_its_schema_and_no_past() -> None:
    async with live_world() as world:
        world.hub.restore(CPU, b'{"name":"cpu"}')
        assert world.hub.history(CPU) is None
        opened = await world.hub.open(CPU)
        assert (opened.schema, opened.schema_offset, opened.position.offset) == (b'{"name":"cpu"}', 0, 0)
        assert not opened.untouched
        await publish(world, CPU, b'{"data":1}')
        assert await world.hub.open(CPU) is opened
        assert (opened.schema, opened.publication_count) == (b'{"name":"cpu"}', 1)


async def test_a_restored_channel_that_is_published_to_first_has_its_schema_too() -> None:
    async with live_world() as world:
        world.hub.restore(CPU, b'{"name":"cpu"}')
        await publish(world, CPU, b'{"data":1}')
        history = world.hub.history(CPU)
        assert history is not None
        assert history.schema == b'{"name":"cpu"}'
        await publish(world, CPU, b'{"schema":{},"data":1}', schema=b"{}")
        assert (history.schema, history.schema_offset) == (b"{}", 2)


async def test_a_restored_channel_keeps_its_schema_when_its_first_subscriber_leaves() -> None:
    async with live_world() as world:
        world.hub.restore(CPU, b"{}")
        subscriber = world.subscriber()
        await world.hub.open(CPU)
        world.hub.subscribe(subscriber.connection, CPU, "c")
        world.hub.leave(subscriber.connection)
        assert (await world.hub.open(CPU)).schema == b"{}"


async def test_a_restored_channel_can_be_forgotten() -> None:
    async with live_world() as world:
        world.hub.restore(CPU, b"{}")
        world.hub.forget(CPU)
        assert (await world.hub.open(CPU)).schema is None


class BusyWriter:
    """A core whose writer has something to do for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    @property
    def at_rest(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize(("looks", "seconds"), [(0, 0.0), (3, 3 * LOOK_SECONDS), (1_000_000, 0.05)])
async def test_catching_up_takes_as_long_as_the_writer_and_no_longer_than_is_granted(
    looks: int, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    hub = Hub(cast("Fanout", BusyWriter(looks)), MemoryBroker(), max_channels=1, retention=History())
    begun = trio.current_time()
    await hub.catch_up(0.05)
    assert trio.current_time() - begun == pytest.approx(seconds, abs=LOOK_SECONDS / 2)


async def test_the_core_is_at_rest_when_all_was_offered() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, CPU, "c")
        await publish(world, CPU, b'"' + b"x" * 100_000 + b'"')
        with trio.fail_after(PATIENCE_SECONDS):
            await world.hub.catch_up(PATIENCE_SECONDS)
        assert world.fanout.at_rest
        assert len(subscriber.received()) == 1
