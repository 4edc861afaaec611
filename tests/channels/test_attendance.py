"""Who is present and who is told of it, over the real core: random comings and goings against two dictionaries."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo
from framecast.channels.options import override
from framecast.channels.subscriptions import Delivery
from framecast.errors import Refusal
from framecast.settings import ChannelOverrides
from live_world import Subscriber, Told, World, live_world

OPTIONS: dict[str, ChannelOverrides] = {
    "open": {"presence": True, "join_leave": "pushed"},
    "silent": {"presence": True},
    "unseen": {"join_leave": "asked"},
}
CHANNELS = [Address(1, scope, "a", "b") for scope in OPTIONS]
OPEN, SILENT, UNSEEN = CHANNELS


def info_of(who: int) -> ClientInfo:
    return ClientInfo(f"user{who // 2}", f"client{who}")


def join(world: World, who: int, subscriber: Subscriber, address: Address, *, events: bool = True) -> None:
    world.hub.subscribe(
        subscriber.connection, address, str(address), info=info_of(who), delivery=Delivery(events=events)
    )
    world.hub.announce_join(subscriber.connection, address)


def joined(who: int, address: Address = OPEN) -> Told:
    return Told(str(address), "join", f"client{who}")


def left(who: int, address: Address = OPEN) -> Told:
    return Told(str(address), "leave", f"client{who}")


class Model:
    """Who is where, with `events` or without, and what everybody was told."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.subscribers = [world.subscriber() for _ in range(count)]
        self.there: dict[Address, dict[int, bool]] = {address: {} for address in CHANNELS}
        self.told: dict[int, list[Told]] = {who: [] for who in range(count)}

    def join(self, who: int, address: Address, events: bool) -> None:
        if who in self.there[address]:
            return
        join(self.world, who, self.subscribers[who], address, events=events)
        self.there[address][who] = events
        self._tell(address, joined(who, address))

    def leave(self, who: int, address: Address) -> None:
        self.world.hub.unsubscribe(self.subscribers[who].connection, address)
        self._left(who, address)

    def lose(self, who: int) -> None:
        connection = self.subscribers[who].connection
        order = [one.address for one in self.world.hub._subscriptions.of(connection)]
        self.world.hub.leave(connection)
        for address in order:
            self._left(who, address)

    def _left(self, who: int, address: Address) -> None:
        if self.there[address].pop(who, None) is not None:
            self._tell(address, left(who, address))

    def _tell(self, address: Address, told: Told) -> None:
        if address != SILENT:
            for other, events in self.there[address].items():
                if events:
                    self.told[other].append(told)

    def check(self) -> None:
        hub = self.world.hub
        for who, subscriber in enumerate(self.subscribers):
            told, self.told[who] = self.told[who], []
            assert subscriber.pushed() == told
        for address in (OPEN, SILENT):
            infos = [info_of(who) for who in self.there[address]]
            assert hub.presence(address) == {info.client: info for info in infos}
            assert hub.presence_counts(address) == (len(infos), len({info.user for info in infos}))
        assert hub.channel_count == sum(bool(one) for one in self.there.values())


WHO, WHERE = st.integers(0, 3), st.sampled_from(CHANNELS)
STEPS = st.lists(
    st.tuples(st.just("join"), WHO, WHERE, st.booleans())
    | st.tuples(st.just("leave"), WHO, WHERE)
    | st.tuples(st.just("lose"), WHO),
    max_size=40,
)


@given(steps=STEPS)
@run_settings(deadline=None)
async def test_everybody_who_wants_it_is_told_of_everybody_else(steps: Sequence[tuple[object, ...]]) -> None:
    async with live_world(channels=OPTIONS) as world:
        model = Model(world, 4)
        for name, *arguments in steps:
            getattr(model, str(name))(*arguments)
        model.check()
        for who in range(4):
            model.lose(who)
        model.check()
        assert world.hub._presence._by_channel == {}


async def test_nobody_is_told_before_the_reply_is_queued() -> None:
    async with live_world(channels=OPTIONS) as world:
        one = world.subscriber()
        world.hub.subscribe(one.connection, OPEN, "c", info=info_of(1), delivery=Delivery(events=True))
        assert list(world.hub.presence(OPEN)) == ["client1"]
        assert one.pushed() == []
        world.hub.announce_join(one.connection, OPEN)
        assert one.pushed() == [Told("c", "join", "client1")]
        world.hub.announce_join(world.subscriber().connection, OPEN)
        assert one.pushed() == []


async def test_nobody_is_told_of_the_end_of_what_nobody_was_told_of() -> None:
    async with live_world(channels=OPTIONS) as world:
        witness, given_up = world.subscriber(), world.subscriber()
        join(world, 1, witness, OPEN)
        world.hub.subscribe(given_up.connection, OPEN, "c", info=info_of(2))
        world.hub.unsubscribe(given_up.connection, OPEN)
        join(world, 2, given_up, OPEN)
        world.hub.unsubscribe(given_up.connection, OPEN)
        assert witness.pushed() == [joined(1), joined(2), left(2)]


async def test_a_subscriber_without_info_is_neither_present_nor_told_of() -> None:
    async with live_world(channels=OPTIONS) as world:
        witness, nobody = world.subscriber(), world.subscriber()
        join(world, 1, witness, OPEN)
        world.hub.subscribe(nobody.connection, OPEN, "c", delivery=Delivery(events=True))
        world.hub.announce_join(nobody.connection, OPEN)
        assert world.hub.presence_counts(OPEN) == (1, 1)
        world.hub.leave(nobody.connection)
        assert witness.pushed() == [joined(1)]


async def test_a_token_may_keep_one_subscriber_out_of_sight_or_bring_it_there() -> None:
    async with live_world(channels=OPTIONS) as world:
        witness, other = world.subscriber(), world.subscriber()
        for address, shown in ((OPEN, False), (SILENT, True)):
            join(world, 1, witness, address)
            options = override(world.hub.options.find(address), presence=shown, join_leave=shown)
            world.hub.subscribe(other.connection, address, "c", info=info_of(2), options=options)
            world.hub.announce_join(other.connection, address)
        assert list(world.hub.presence(OPEN)) == ["client1"]
        assert list(world.hub.presence(SILENT)) == ["client1", "client2"]
        assert witness.pushed() == [joined(1), joined(2, SILENT)]


async def test_who_subscribes_again_without_a_name_is_not_present_any_more() -> None:
    async with live_world(channels=OPTIONS) as world:
        subscriber = world.subscriber()
        join(world, 1, subscriber, OPEN)
        world.hub.subscribe(subscriber.connection, OPEN, "c")
        assert world.hub.presence(OPEN) == {}
        world.hub.leave(subscriber.connection)
        assert world.hub.presence_counts(OPEN) == (0, 0)


async def test_presence_is_not_available_where_it_is_not_kept() -> None:
    async with live_world(channels=OPTIONS) as world:
        join(world, 1, world.subscriber(), UNSEEN)
        for ask in (world.hub.presence, world.hub.presence_counts):
            with pytest.raises(Refusal, match="unseen/a/b does not keep who is present") as caught:
                ask(UNSEEN)
            assert (caught.value.code, caught.value.temporary) == (108, False)


async def test_a_crowd_that_fits_no_queue_is_counted_but_not_named() -> None:
    async with live_world(channels=OPTIONS, presence_bytes=1_000) as world:
        for who in range(2):
            world.hub.subscribe(world.subscriber().connection, OPEN, "c", info=info_of(who))
        assert len(world.hub.presence(OPEN)) == 2
        large = ClientInfo("u", "c", b'"' + b"x" * 900 + b'"')
        world.hub.subscribe(world.subscriber().connection, OPEN, "c", info=large)
        with pytest.raises(Refusal, match="ask for presence_stats") as caught:
            world.hub.presence(OPEN)
        assert caught.value.code == 106
        assert world.hub.presence_counts(OPEN) == (3, 2)
