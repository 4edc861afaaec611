"""One publication in two forms: each subscriber gets its own, whether it was there, was away, or reads pages."""

from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import parse_address
from framecast.channels.broker import Draft, Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ALL, ENTRY_BYTES
from framecast.channels.subscriptions import Delivery
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import History
from live_world import Received, Told, World, live_world

ROOM = parse_address("chat/room/1", 1)

Payloads = tuple[bytes, bytes | None]


async def publish(world: World, *drafts: Payloads) -> None:
    await world.hub.publish([Draft(ROOM.key, data, rows=1, detail=detail) for data, detail in drafts])


def form(payloads: Payloads, *, detailed: bool) -> bytes:
    data, detail = payloads
    return detail if detailed and detail is not None else data


@dataclass
class Client:
    """Subscribes, is cut off, comes back in whichever form, and writes down what it was given."""

    world: World
    position: Position | None = None
    detailed: bool = False
    there: bool = False
    got: list[tuple[int, bytes]] = field(default_factory=list)
    """Offsets and payloads, since its last fresh beginning."""
    wanted: list[tuple[int, bool]] = field(default_factory=list)
    """From which offset on in which form."""

    def __post_init__(self) -> None:
        self.connection = self.world.subscriber()

    async def come(self, *, detailed: bool) -> None:
        if self.there:
            return
        begin = await self.world.scopes.find(ROOM).subscribe(DEVELOPER, ROOM, None)
        beginning = begin(self.position)
        self.world.hub.subscribe(self.connection.connection, ROOM, "r", delivery=Delivery(detailed=detailed))
        self.there, self.detailed = True, detailed
        if not beginning.recovered:
            self.got, self.wanted = [], []
            self.position = beginning.position
        assert self.position is not None
        self.wanted.append((self.position.offset, detailed))
        for kept in beginning.missed:
            self._take(kept.offset, kept.payload(detailed=detailed))

    def read(self) -> None:
        for item in self.connection.received():
            self._take(item.offset, item.data)

    def lose(self) -> None:
        """The connection is cut, with what was on its way."""
        self.connection.received()
        self.world.hub.leave(self.connection.connection)
        self.there = False

    def _take(self, offset: int, data: bytes) -> None:
        assert self.position is not None
        assert offset == self.position.offset + 1, "no hole, no double"
        self.position = Position(self.position.epoch, offset)
        self.got.append((offset, data))

    def expected(self, published: list[Payloads]) -> list[tuple[int, bytes]]:
        """By a model that knows nothing but what was published."""
        assert self.position is not None
        last = self.position.offset
        ends = [offset for offset, _ in self.wanted[1:]] + [last]
        return [
            (offset, form(published[offset - 1], detailed=detailed))
            for (behind, detailed), end in zip(self.wanted, ends, strict=True)
            for offset in range(behind + 1, end + 1)
        ]


texts = st.integers(0, 9).map(lambda number: b"%d" % number)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.tuples(texts, st.none() | texts.map(lambda t: b'"%s"' % t)))),
        st.tuples(st.just("come"), st.integers(0, 2), st.booleans()),
        st.tuples(st.sampled_from(["read", "lose"]), st.integers(0, 2)),
    ),
    max_size=40,
)


@given(steps=steps, rows=st.sampled_from([1, 3, 1_000]))
async def test_each_sees_its_form_of_every_publication_once_and_in_order(
    steps: list[tuple[object, ...]], rows: int
) -> None:
    async with live_world(channels={"chat": {"history_rows": rows}}) as world:
        published: list[Payloads] = []
        clients = [Client(world) for _ in range(3)]
        # So that the channel outlasts those who come and go.
        world.hub.subscribe(world.subscriber().connection, ROOM, "r")
        for step in steps:
            match step:
                case ("publish", batch):
                    published += cast("list[Payloads]", batch)
                    await publish(world, *cast("list[Payloads]", batch))
                case ("come", int(who), bool(detailed)):
                    await clients[who].come(detailed=detailed)
                case ("read", int(who)):
                    clients[who].read()
                case ("lose", int(who)):
                    clients[who].lose()
        for client in clients:
            client.lose()
            await client.come(detailed=not client.detailed)
            assert client.got == client.expected(published)
            assert client.position is not None
            assert client.position.offset == len(published)
        _, page = await world.hub.page(ROOM, since=None, limit=ALL, reverse=False)
        for detailed in (False, True):
            told = [form(one, detailed=detailed) for one in published[-len(page) :]] if page else []
            assert [kept.payload(detailed=detailed) for kept in page] == told


async def test_both_forms_count_against_what_is_kept() -> None:
    async with live_world(channels={"chat": {"history_bytes": 4096}}, history=History(total_bytes=6_000)) as world:
        await publish(world, (b"1", b'"%s"' % (b"x" * 998)))
        assert world.hub.histories.bytes == 1 + 1_000 + ENTRY_BYTES
        await publish(world, *[(b"2", b'"%s"' % (b"x" * 998))] * 5)
        history = world.hub.history(ROOM)
        assert history is not None
        assert (history.publication_count, history.bytes) == (3, 3 * (1_001 + ENTRY_BYTES))
        other = parse_address("chat/other/1", 1)
        await world.hub.publish([Draft(other.key, b"1", rows=1, detail=b'"%s"' % (b"x" * 3_000))])
        assert world.hub.histories.evicted == 1
        assert world.hub.histories.bytes < 6_000


async def test_joins_are_told_once_and_a_channel_counts_once_whatever_its_subscribers_read() -> None:
    async with live_world(channels={"chat": {"join_leave": "pushed"}}, max_channels=1) as world:
        plain, full = world.subscriber(), world.subscriber()
        for subscriber, detailed, client in ((plain, False, "c1"), (full, True, "c2")):
            info = ClientInfo("ann", client)
            delivery = Delivery(events=True, detailed=detailed)
            world.hub.subscribe(subscriber.connection, ROOM, "r", info=info, delivery=delivery)
            world.hub.announce_join(subscriber.connection, ROOM)
        assert (world.hub.channel_count, world.hub.subscriber_count(ROOM)) == (1, 2)
        assert world.fanout.statistics().channels == 1
        await publish(world, (b"1", b"[1]"))
        world.hub.unsubscribe(plain.connection, ROOM)
        assert plain.pushed() == [Told("r", "join", "c1"), Told("r", "join", "c2"), Received("r", b"1", 1)]
        assert full.pushed() == [Told("r", "join", "c2"), Received("r", b"[1]", 1), Told("r", "leave", "c1")]
        world.hub.end(ROOM, UnsubscribeCode.INSUFFICIENT_STATE)
        await publish(world, (b"2", b"[2]"))
        assert full.received() == []
        assert world.fanout.statistics().subscriptions == 0


@pytest.mark.parametrize("detailed", [False, True])
async def test_subscribing_again_changes_the_form(detailed: bool) -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, ROOM, "r", delivery=Delivery(detailed=not detailed))
        world.hub.subscribe(subscriber.connection, ROOM, "r", delivery=Delivery(detailed=detailed))
        await publish(world, (b"1", b"[1]"))
        assert [item.data for item in subscriber.received()] == [b"[1]" if detailed else b"1"]
