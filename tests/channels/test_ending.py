"""Subscriptions that the server ends: who is told what, when the broker's order breaks or somebody wants it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from framecast.channels.address import Address
from framecast.channels.broker import Position, Publication
from framecast.channels.client_info import ClientInfo
from framecast.channels.subscriptions import Delivery
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import ChannelOverrides
from live_world import Subscriber, Told, World, live_world, stream_address

CPU, MEM = stream_address("cpu"), stream_address("mem")
STATE = UnsubscribeCode.INSUFFICIENT_STATE


class Watched:
    """A subscriber and what it was told of its ends."""

    def __init__(self, world: World, *addresses: Address, **how: Any) -> None:
        self.world = world
        self.subscriber: Subscriber = world.subscriber()
        self.ends: list[tuple[Address, UnsubscribeCode]] = []
        self.connection = self.subscriber.connection
        world.hub.watch(self.connection, lambda address, code: self.ends.append((address, code)))
        for address in addresses:
            world.hub.subscribe(self.connection, address, str(address), **how)

    def data(self) -> list[bytes]:
        return [item.data for item in self.subscriber.received()]


def deliver(world: World, address: Address, epoch: str, offset: int, previous: int) -> None:
    """What a broker may say after a failover."""
    world.hub.deliver(Publication(address.key, b"%d" % offset, None, 1, epoch, offset, previous))


@pytest.mark.parametrize(
    ("epoch", "offset", "previous", "breaks"),
    [
        ("e", 4, 3, False),
        ("e", 9, 3, False),
        ("e", 5, 4, True),
        ("e", 3, 2, True),
        ("f", 4, 3, True),
        ("f", 1, 0, True),
    ],
)
async def test_a_publication_that_does_not_follow_sends_subscribers_back(
    epoch: str, offset: int, previous: int, breaks: bool
) -> None:
    async with live_world() as world:
        for number in (1, 2, 3):
            deliver(world, CPU, "e", number, number - 1)
        here, there = Watched(world, CPU, MEM), Watched(world, MEM)
        deliver(world, CPU, epoch, offset, previous)
        assert here.ends == ([(CPU, STATE)] if breaks else [])
        assert here.data() == ([] if breaks else [b"%d" % offset])
        assert world.hub.subscriber_count(CPU) == (0 if breaks else 1)
        assert (there.ends, world.hub.subscriber_count(MEM)) == ([], 2)
        history = world.hub.history(CPU)
        assert history is not None
        assert history.position == Position(epoch, offset)
        assert history.publication_count == (1 if breaks else 4)


async def test_who_was_sent_back_gets_what_follows_once_it_has_subscribed_again() -> None:
    async with live_world() as world:
        deliver(world, CPU, "e", 1, 0)
        watched = Watched(world, CPU)
        deliver(world, CPU, "f", 1, 0)
        deliver(world, CPU, "f", 2, 1)
        world.hub.subscribe(watched.connection, CPU, "c")
        deliver(world, CPU, "f", 3, 2)
        assert (watched.ends, watched.data()) == ([(CPU, STATE)], [b"3"])


async def test_a_new_epoch_before_the_first_publication_sends_subscribers_back_too() -> None:
    async with live_world() as world:
        position = (await world.hub.open(CPU)).position
        watched = Watched(world, CPU)
        deliver(world, CPU, f"not {position.epoch}", 1, 0)
        assert watched.ends == [(CPU, STATE)]
        history = world.hub.history(CPU)
        assert history is not None
        assert history.publication_count == 1


async def test_where_positions_mean_nothing_a_break_is_nobodys_end() -> None:
    channels: Mapping[str, ChannelOverrides] = {"stream": {"recovery": "off"}}
    async with live_world(channels=channels) as world:
        deliver(world, CPU, "e", 1, 0)
        watched = Watched(world, CPU)
        deliver(world, CPU, "f", 5, 4)
        assert (watched.ends, watched.data()) == ([], [b"5"])


async def test_a_channel_that_is_forgotten_ends_its_subscriptions() -> None:
    async with live_world() as world:
        await world.push("s", b"cpu n=1i")
        watched = Watched(world, CPU, MEM)
        world.hub.forget(CPU)
        assert watched.ends == [(CPU, STATE)]
        assert world.hub.subscriber_count(CPU) == 0
        world.hub.forget(CPU)
        assert len(watched.ends) == 1


async def test_one_connections_subscription_can_be_ended_alone() -> None:
    async with live_world() as world:
        one, other = Watched(world, CPU), Watched(world, CPU)
        world.hub.end(CPU, UnsubscribeCode.EXPIRED, connection=one.connection)
        world.hub.end(CPU, UnsubscribeCode.EXPIRED, connection=one.connection)
        world.hub.end(MEM, UnsubscribeCode.EXPIRED, connection=other.connection)
        deliver(world, CPU, "e", 1, 0)
        assert (one.ends, one.data()) == ([(CPU, UnsubscribeCode.EXPIRED)], [])
        assert (other.ends, other.data()) == ([], [b"1"])


async def test_who_has_left_is_told_nothing_and_not_remembered() -> None:
    async with live_world() as world:
        gone, silent = Watched(world, CPU), world.subscriber()
        world.hub.subscribe(silent.connection, CPU, "c")
        world.hub.leave(gone.connection)
        world.hub.leave(silent.connection)
        world.hub.subscribe(silent.connection, CPU, "c")
        world.hub.end(CPU, UnsubscribeCode.SERVER)
        assert (gone.ends, world.hub._ended, world.hub.channel_count) == ([], {}, 0)


@asynccontextmanager
async def crowd(count: int) -> AsyncIterator[tuple[World, list[Watched]]]:
    channels: Mapping[str, ChannelOverrides] = {"stream": {"presence": True, "join_leave": "pushed"}}
    async with live_world(channels=channels) as world:
        everybody = [
            Watched(world, CPU, info=ClientInfo("u", f"c{number}"), delivery=Delivery(events=True))
            for number in range(count)
        ]
        for one in everybody:
            world.hub.announce_join(one.connection, CPU)
        for one in everybody:
            one.subscriber.pushed()
        yield world, everybody


async def test_those_who_stay_are_told_of_one_that_was_sent_away_and_nobody_of_a_whole_crowd() -> None:
    async with crowd(4) as (world, everybody):
        world.hub.end(CPU, UnsubscribeCode.SERVER, connection=everybody[0].connection)
        told = [one.subscriber.pushed() for one in everybody]
        assert told == [[], *[[Told(str(CPU), "leave", "c0")]] * 3]
        world.hub.end(CPU, UnsubscribeCode.SERVER)
        assert [one.subscriber.pushed() for one in everybody] == [[]] * 4
        assert [one.ends for one in everybody] == [[(CPU, UnsubscribeCode.SERVER)]] * 4
        assert world.hub.presence_counts(CPU) == (0, 0)
