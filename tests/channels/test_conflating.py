"""A slow subscriber of a conflating channel skips rows, and never what the rows that it gets are read with."""

import json

from framecast.channels.address import parse_address
from framecast.channels.subscriptions import Delivery
from live_world import Subscriber, World, live_world

CPU = parse_address("stream/demo/cpu", 1)
CHANNELS = {"stream": {"conflate": True, "recovery": "off"}}
TEXT = "x" * 20_000


def subscribe(world: World) -> Subscriber:
    subscriber = world.subscriber()
    world.hub.subscribe(subscriber.connection, CPU, "cpu", delivery=Delivery(conflate=True))
    return subscriber


async def push_rows(world: World, first: int, count: int, *, more: str = "") -> int:
    """Rows numbered from `first`, each in a push of its own; the number of the next."""
    for number in range(first, first + count):
        await world.push("demo", f'cpu n={number}i,text="{TEXT}"{more} {number}000000'.encode())
    return first + count


async def push_until_skipped(world: World, first: int, *, more: str = "") -> int:
    """Rows until the subscriber has been spared one of them since now."""
    before = world.fanout.statistics().conflated
    while world.fanout.statistics().conflated == before:
        first = await push_rows(world, first, 1, more=more)
    return first


async def test_rows_are_skipped_but_no_schema() -> None:
    async with live_world(channels=CHANNELS) as world:
        slow = subscribe(world)
        after = await push_until_skipped(world, 1)
        after = await push_rows(world, after, 20)
        grew = after
        after = await push_until_skipped(world, grew, more=",second=1i")
        grew_again = after
        last = await push_rows(world, grew_again, 20, more=",second=1i,third=2i") - 1
        frames = [json.loads(received.data) for received in slow.received()]
        rows: list[int] = []
        columns: list[str] = []
        for frame in frames:
            columns = [field["name"] for field in frame["schema"]["fields"]] if "schema" in frame else columns
            assert len(columns) == len(frame["data"]["values"]), "every row can be read"
            rows.append(frame["data"]["values"][columns.index("n")][0])
        assert rows == sorted(set(rows))
        assert rows[-2:] == [grew_again, last], "the last schema and the newest row"
        assert columns[-1] == "third"
        assert len(rows) + world.fanout.statistics().conflated == last
        assert world.fanout.find_cut(slow.connection) is None


async def test_who_subscribed_otherwise_gets_every_row_of_the_same_channel() -> None:
    async with live_world(channels=CHANNELS) as world:
        slow, whole = subscribe(world), world.subscriber()
        world.hub.subscribe(whole.connection, CPU, "cpu")
        last = await push_until_skipped(world, 1) - 1
        assert len(whole.received()) == last
        assert len(slow.received()) < last
