"""What a subscriber of a stream begins with, and that nothing is missing or doubled between that and what follows."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import Address
from framecast.errors import Refusal
from framecast.settings import Push, Streams
from live_world import Received, World, live_world, stream_address

M = stream_address("m")


class Frame(msgspec.Struct):
    data: msgspec.Raw
    schema: msgspec.Raw = msgspec.Raw()


def held_by_a_client(received: list[Received]) -> bytes:
    """What a subscriber who was there all the time holds: the last schema it was sent, and the last data."""
    schema = b""
    for item in received:
        frame = msgspec.json.decode(item.data, type=Frame)
        schema = bytes(frame.schema) or schema
    return b'{"schema":%s,"data":%s}' % (schema, bytes(frame.data))


async def test_there_is_no_snapshot_before_the_first_push() -> None:
    async with live_world() as world:
        await world.scope.subscribe(DEVELOPER, M, None)
        assert world.scope.snapshot(M) is None
        await world.push("s", b"bad")
        assert world.scope.snapshot(M) is None


@pytest.mark.parametrize(
    "bodies",
    [
        [b"m n=1i 1"],
        [b"m n=1i 1", b"m n=2i 2000000"],
        [b"m n=1i 1", b"m n=2i,k=3 2000000"],
        [b"m n=1i 1", b"m n=2i,k=3 2000000", b"m,host=a k=4 3000001"],
        [b'm text="\\"data\\":{} \xc3\xbc\\n" 1', b"m n=1i", b'm text="{"'],
        [b"".join(b"m n=%di %d\n" % (number, number) for number in range(200))],
        [b"m n=1i", b"".join(b"m n=%di,k=%d %d\n" % (number, number, number) for number in range(200))],
    ],
    ids=["first", "data only", "grown last", "grown before", "hostile text", "split", "grown and split"],
)
async def test_the_snapshot_is_to_the_byte_what_a_subscriber_who_was_there_has(bodies: list[bytes]) -> None:
    async with live_world(streams=Streams(packet_bytes=500)) as world:
        witness = world.subscriber()
        world.hub.subscribe(witness.connection, M, "m")
        for body in bodies:
            assert await world.push("s", body)
        snapshot = world.scope.snapshot(M)
        assert snapshot == held_by_a_client(witness.received())
        assert len(json.loads(snapshot)["schema"]["fields"]) == len(json.loads(snapshot)["data"]["values"])


async def test_snapshots_of_streams_and_orgs_are_their_own() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        await world.push("other", b"m n=2i")
        await world.push("s", b"m n=3i", org_id=2)
        found = [
            json.loads(world.scope.snapshot(address) or b"")["data"]["values"][2]
            for address in (M, stream_address("m", stream="other"), stream_address("m", org_id=2))
        ]
        assert found == [[1], [2], [3]]


async def test_clients_may_not_publish() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, M, "m")
        with pytest.raises(Refusal) as caught:
            await world.scope.publish(DEVELOPER, M, b"{}")
        assert caught.value.code == 403
        assert subscriber.received() == []


# The model: a channel is the list of its numbers; a subscription is a slice of it that begins with the newest number
# there was (its snapshot) and has everything since.

CHANNELS = [stream_address("m", stream="s"), stream_address("k", stream="s"), stream_address("m", stream="t")]


@dataclass
class Channel:
    """What was pushed to one channel, in order."""

    address: Address
    begun: int = 0
    acknowledged: int = 0


@dataclass
class Subscription:
    """One subscriber's time on one channel."""

    spelling: str
    numbers: list[int] = field(default_factory=list)
    columns: int = 0
    least: int = 0
    most: int = 0
    """How many numbers its snapshot must and can stand behind."""

    def see(self, data: bytes) -> None:
        frame: dict[str, Any] = json.loads(data)
        if "schema" in frame:
            self.columns = len(frame["schema"]["fields"])
        assert len(frame["data"]["values"]) == self.columns, "data that the schema does not describe"
        self.numbers += frame["data"]["values"][2]


class Model:
    """Carries out steps on a world and knows what each subscriber must have received."""

    def __init__(self, world: World, subscribers: int) -> None:
        self.world = world
        self.channels = [Channel(address) for address in CHANNELS]
        self.subscribers = [world.subscriber() for _ in range(subscribers)]
        self.present: dict[tuple[int, int], Subscription] = {}
        self.past: list[tuple[int, Subscription, int, int]] = []

    async def push(self, which: int, kind: str, *, task_status: trio.TaskStatus[None]) -> None:
        """Push the channel's next number; `task_status` says when the push has its place in the order."""
        channel = self.channels[which]
        channel.begun += 1
        number = channel.begun
        grown = f",k{number % 4}=1" if kind == "grow" else ""
        body = f"{channel.address.path} a={number}i{grown}\n" + "\n" * (2_000 if kind == "large" else 0)
        task_status.started()
        assert await self.world.push(channel.address.namespace, body.encode()) == 1
        channel.acknowledged += 1

    def subscribe(self, who: int, which: int) -> None:
        """As a connection does: snapshot and subscription without a checkpoint in between."""
        if (who, which) in self.present:
            return
        channel = self.channels[which]
        subscription = Subscription(f"{who}/{which}/{len(self.past)}", least=channel.acknowledged, most=channel.begun)
        self.present[who, which] = subscription
        snapshot = self.world.scope.snapshot(channel.address)
        self.world.hub.subscribe(self.subscribers[who].connection, channel.address, subscription.spelling)
        if snapshot is not None:
            subscription.see(snapshot)

    def unsubscribe(self, who: int, which: int) -> None:
        subscription = self.present.pop((who, which), None)
        self.world.hub.unsubscribe(self.subscribers[who].connection, self.channels[which].address)
        self.settle(who, which, subscription)

    def leave(self, who: int) -> None:
        self.world.hub.leave(self.subscribers[who].connection)
        for place in [place for place in self.present if place[0] == who]:
            self.settle(*place, self.present.pop(place))

    def settle(self, who: int, which: int, subscription: Subscription | None) -> None:
        channel = self.channels[which]
        if subscription is not None:
            self.past.append((who, subscription, channel.acknowledged, channel.begun))

    def check(self) -> None:
        """Take what every subscriber received apart by its subscriptions, which have spellings of their own."""
        by_spelling = {subscription.spelling: subscription for _, subscription, _, _ in self.past}
        for subscriber in self.subscribers:
            for item in subscriber.received():
                by_spelling[item.channel].see(item.data)
        for _, subscription, least_end, most_end in self.past:
            numbers = subscription.numbers
            first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
            assert numbers == list(range(first, first + len(numbers))), "a hole, a double or another order"
            # Without a snapshot, it begins with the first number there ever was.
            assert max(subscription.least, 1 if numbers else 0) <= first <= max(subscription.most, 1)
            assert least_end <= last <= most_end


who = st.integers(0, 2)
which = st.integers(0, len(CHANNELS) - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), which, st.sampled_from(["small", "grow", "large"])),
        st.tuples(st.just("subscribe"), who, which),
        st.tuples(st.just("unsubscribe"), who, which),
        st.tuples(st.just("leave"), who),
        st.tuples(st.just("turn")),
    ),
    max_size=40,
)


async def carry_out(model: Model, nursery: trio.Nursery, step: tuple[Any, ...]) -> None:
    match step:
        case ("push", channel, kind):
            await nursery.start(model.push, channel, kind)
        case ("subscribe", subscriber, channel):
            model.subscribe(subscriber, channel)
        case ("unsubscribe", subscriber, channel):
            model.unsubscribe(subscriber, channel)
        case ("leave", subscriber):
            model.leave(subscriber)
        case _:
            await trio.sleep(0)  # noqa: ASYNC115 - a turn for the pushes under way, no time


@given(steps=steps)
async def test_no_hole_and_no_double_whenever_somebody_comes_or_goes(steps: list[tuple[Any, ...]]) -> None:
    async with live_world(push=Push(thread_body_bytes=1_000)) as world:
        model = Model(world, subscribers=3)
        async with trio.open_nursery() as nursery:
            for step in steps:
                await carry_out(model, nursery, step)
        for subscriber in range(3):
            model.leave(subscriber)
        model.check()
        assert world.hub.channel_count == 0
        assert world.hub._channels_of == {}


@given(steps=steps)
async def test_with_nothing_under_way_every_snapshot_is_the_newest(steps: list[tuple[Any, ...]]) -> None:
    async with live_world(push=Push(thread_body_bytes=1_000)) as world:
        model = Model(world, subscribers=3)
        for step in steps:
            async with trio.open_nursery() as nursery:
                await carry_out(model, nursery, step)
        for subscriber in range(3):
            model.leave(subscriber)
        assert all(subscription.least == subscription.most for _, subscription, _, _ in model.past)
        model.check()
