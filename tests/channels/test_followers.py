"""Who follows the hub learns when a channel begins and ceases to have subscribers, and of nothing in between."""

from framecast.channels.address import Address
from framecast.channels.broker import Draft
from framecast.protocol.codes import UnsubscribeCode
from live_world import live_world, stream_address

CPU = stream_address("cpu")
TICKS = Address(1, "plugin", "clock", "ticks")


async def test_only_the_first_and_the_last_subscriber_are_told_of() -> None:
    told: list[tuple[Address, bool]] = []
    async with live_world() as world:
        world.hub.follow(lambda address, watched: told.append((address, watched)))
        first, second = world.subscriber(), world.subscriber()
        world.hub.subscribe(first.connection, CPU, "c")
        world.hub.subscribe(first.connection, CPU, "again")
        world.hub.subscribe(second.connection, CPU, "c")
        assert told == [(CPU, True)]
        world.hub.unsubscribe(first.connection, CPU)
        world.hub.unsubscribe(first.connection, CPU)
        assert told == [(CPU, True)]
        world.hub.leave(second.connection)
        world.hub.leave(second.connection)
        assert told == [(CPU, True), (CPU, False)]
        world.hub.give_up(CPU)
        assert len(told) == 2


async def test_an_end_by_the_server_is_told_when_nobody_is_left() -> None:
    counts: list[int] = []
    async with live_world() as world:
        world.hub.follow(lambda address, watched: counts.append(world.hub.subscriber_count(address)))
        subscribers = [world.subscriber() for _ in range(3)]
        for subscriber in subscribers:
            world.hub.subscribe(subscriber.connection, CPU, "c")
        world.hub.end(CPU, UnsubscribeCode.SERVER)
        assert counts == [1, 0]


async def test_the_schema_of_a_channel_without_an_owner_goes_with_its_past() -> None:
    now = 0.0
    async with live_world(clock=lambda: now) as world:
        for address in (CPU, TICKS):
            await world.hub.publish([Draft(address.key, b'{"schema":{},"data":{}}', b"{}", rows=1)])
        now = 1e9
        for history in world.hub.histories.expire():
            assert history.spent is (history.channel == TICKS.key)
            assert history.schema == b"{}"


async def test_a_schema_that_was_only_told_does_not_keep_a_channel() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        history = await world.hub.open(TICKS)
        history.introduce(b"{}")
        world.hub.subscribe(subscriber.connection, TICKS, "t")
        assert world.hub.history(TICKS) is history
        world.hub.leave(subscriber.connection)
        assert world.hub.history(TICKS) is None
