"""What every broker promises, run against each of them."""

from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from framecast.brokers.memory import MemoryBroker
from framecast.channels.broker import Broker, Draft, Publication
from framecast.channels.client_info import ClientInfo
from patience import PATIENCE_SECONDS

BROKERS: list[Callable[[], Broker]] = [MemoryBroker]


async def with_running(make: Callable[[], Broker], use: Callable[[Broker, list[Publication]], Awaitable[None]]) -> None:
    delivered: list[Publication] = []
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            broker = make()
            await nursery.start(broker.run, delivered.append)
            await use(broker, delivered)
            nursery.cancel_scope.cancel()


@pytest.fixture(params=BROKERS, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    return request.param  # type: ignore[no-any-return] # pytest types params as Any


async def test_an_acknowledged_publication_is_delivered(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        offsets = await broker.publish([Draft("1/a/b/c", b"{}", schema=b"[]")])
        assert [(item.channel, item.data, item.schema, item.offset) for item in delivered] == [
            ("1/a/b/c", b"{}", b"[]", offsets[0])
        ]

    await with_running(make, use)


async def test_who_published_arrives_with_the_publication(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        info = ClientInfo("42", "c1", b'{"name":"Ann"}')
        await broker.publish([Draft("1/a/b/c", b"1", info=info), Draft("1/a/b/c", b"2")])
        assert [item.info for item in delivered] == [info, None]

    await with_running(make, use)


async def test_a_detail_arrives_with_its_publication(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        await broker.publish([Draft("1/a/b/c", b"1", detail=b'{"n":1}'), Draft("1/a/b/c", b"2")])
        assert [(item.data, item.detail, item.offset) for item in delivered] == [(b"1", b'{"n":1}', 1), (b"2", None, 2)]

    await with_running(make, use)


async def test_concurrent_publishers_see_one_order_per_channel(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        async def publisher(name: str) -> None:
            for number in range(20):
                await broker.publish([Draft("1/a/b/c", f"{name}{number}".encode())])
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            for name in "xyz":
                nursery.start_soon(publisher, name)
        check_chained(delivered, 60)
        for name in "xyz":
            own = [item.data for item in delivered if item.data.startswith(name.encode())]
            assert own == sorted(own, key=lambda data: int(data[1:]))

    await with_running(make, use)


async def test_an_open_channel_stands_where_its_next_publication_follows(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        for count in range(3):
            position = await broker.open("1/a/b/c")
            assert await broker.open("1/a/b/c") == position
            await broker.publish([Draft("1/a/b/c", b"1", rows=count)])
            newest = delivered[-1]
            assert (newest.epoch, newest.previous, newest.rows) == (position.epoch, position.offset, count)
        assert (await broker.open("1/other/b/c")).epoch != position.epoch

    await with_running(make, use)


async def test_a_forgotten_channel_begins_a_new_epoch(make: Callable[[], Broker]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        await broker.publish([Draft("1/a/b/c", b"1")])
        broker.forget("1/a/b/c")
        await broker.publish([Draft("1/a/b/c", b"2")])
        assert delivered[0].epoch != delivered[1].epoch
        assert delivered[1].previous == 0

    await with_running(make, use)


@given(batches=st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=5)), max_size=6), max_size=8))
async def test_batches_keep_their_order_in_every_channel(batches: list[list[tuple[str, bytes]]]) -> None:
    async def use(broker: Broker, delivered: list[Publication]) -> None:
        for batch in batches:
            await broker.publish([Draft(channel, data) for channel, data in batch])
        for channel in "abc":
            own = [item for item in delivered if item.channel == channel]
            assert [item.data for item in own] == [data for batch in batches for name, data in batch if name == channel]
            check_chained(own, len(own))

    for make in BROKERS:
        await with_running(make, use)


def check_chained(delivered: list[Publication], count: int) -> None:
    assert len(delivered) == count
    for before, after in pairwise(delivered):
        assert after.previous == before.offset
        assert after.epoch == before.epoch
        assert after.offset > before.offset
