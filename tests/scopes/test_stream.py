"""What a subscriber of a stream begins with, and that nothing is missing or doubled between that and what follows."""

import json
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import Address
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.options import override
from framecast.errors import Refusal
from framecast.scopes import window
from framecast.scopes.turns import LONG_PAST_BYTES
from framecast.settings import History, Push, Streams
from live_world import Received, World, live_world, stream_address

M = stream_address("m")


def rows_of(data: bytes | None, *, columns: int = 3) -> list[Any]:
    """The third column's values of a frame."""
    values = json.loads(data or b"{}").get("data", {}).get("values", [[]] * columns)
    return list(values[2])


async def test_before_the_first_push_there_is_a_place_and_nothing_to_show() -> None:
    async with live_world() as world:
        beginning = await world.begin(M)
        assert (beginning.data, beginning.position.offset, beginning.recovered) == (None, 0, False)
        await world.push("s", b"bad")
        assert await world.begin(M) == beginning


async def test_a_new_subscriber_begins_with_the_whole_window_in_time_order() -> None:
    async with live_world() as world:
        for body in (b"m n=1i 1000000", b"m n=2i,k=5 3000000\nm n=3i 4000000", b"m,host=a n=4i 2000000"):
            assert await world.push("s", body)
        beginning = await world.begin(M)
        frame = json.loads(beginning.data or b"")
        assert [field["name"] for field in frame["schema"]["fields"]] == ["labels", "time", "n", "k"]
        assert frame["data"]["values"] == [
            ["", "host=a", "", ""],
            [1, 2, 3, 4],
            [1, 4, 2, 3],
            [None, None, 5, None],
        ]
        assert (beginning.position.offset, beginning.recovered, beginning.missed) == (3, False, ())


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b'{"rows":2}', [4, 5]),
        (b'{"rows":0}', []),
        (b'{"rows":99}', [1, 2, 3, 4, 5]),
        (b'{"seconds":15}', [4, 5]),
        (b'{"seconds":25,"rows":2}', [4, 5]),
        (b'{"seconds":25,"rows":3}', [3, 4, 5]),
        (b'{"seconds":0.5}', [5]),
        (b'{"from":"now","rows":null}', [1, 2, 3, 4, 5]),
        (b'["rows",1]', [1, 2, 3, 4, 5]),
        (b'"x"', [1, 2, 3, 4, 5]),
        (b' {"rows":1}', [5]),
    ],
)
async def test_a_client_may_ask_for_less(data: bytes, rows: list[int]) -> None:
    now = 0.0
    async with live_world(clock=lambda: now) as world:
        for number in range(1, 6):
            now = number * 10.0
            await world.push("s", b"m n=%di %d000000" % (number, number))
        beginning = await world.begin(M, data=data)
        assert rows_of(beginning.data) == rows
        assert b'"schema"' in (beginning.data or b"")
        assert beginning.position.offset == 5


@pytest.mark.parametrize(
    "data", [b'{"rows":-1}', b'{"rows":1.5}', b'{"rows":"2"}', b'{"seconds":-1}', b'{"seconds":[]}']
)
async def test_an_extent_that_is_none_is_refused_for_good(data: bytes) -> None:
    async with live_world() as world:
        with pytest.raises(Refusal) as caught:
            await world.begin(M, data=data)
        assert (caught.value.code, caught.value.temporary) == (400, False)
        assert "rows" in caught.value.message


async def test_the_window_is_no_larger_than_a_packet() -> None:
    async with live_world(streams=Streams(packet_bytes=4_096)) as world:
        for number in range(100):
            await world.push("s", b'm n=%di,text="%s" %d000000' % (number, b"x" * 100, number))
        data = (await world.begin(M)).data or b""
        frame = json.loads(data)
        assert len(json.dumps(frame["data"], separators=(",", ":"))) <= 4_096
        rows = frame["data"]["values"][2]
        assert 20 < len(rows) < 40
        assert rows == list(range(100 - len(rows), 100))


async def test_who_returns_gets_exactly_what_it_missed() -> None:
    async with live_world() as world:
        witness = world.subscriber()
        await world.push("s", b"m n=1i")
        here = (await world.begin(M)).position
        world.hub.subscribe(witness.connection, M, "m")
        for body in (b"m n=2i", b"m n=3i,k=1", b"m n=4i"):
            await world.push("s", body)
        beginning = await world.begin(M, here)
        assert (beginning.recovered, beginning.data) == (True, None)
        assert [(kept.data, kept.offset) for kept in beginning.missed] == [
            (item.data, item.offset) for item in witness.received()
        ]
        assert (await world.begin(M, beginning.position)).missed == []


async def test_who_missed_too_much_gets_the_rows_that_are_left_and_the_schema_only_if_it_grew() -> None:
    async with live_world(history=History(rows=2)) as world:
        await world.push("s", b"m n=1i 1000000")
        before_growth = (await world.begin(M)).position
        await world.push("s", b"m n=2i,k=1 2000000")
        after_growth = (await world.begin(M)).position
        for number in (3, 4, 5):
            await world.push("s", b"m n=%di %d000000" % (number, number))
        ungrown = await world.begin(M, after_growth)
        assert (ungrown.recovered, json.loads(ungrown.data or b"")) == (
            False,
            {"data": {"values": [["", ""], [4, 5], [4, 5], [None, None]]}},
        )
        grown = await world.begin(M, before_growth)
        assert rows_of(grown.data) == [4, 5]
        assert len(json.loads(grown.data or b"")["schema"]["fields"]) == 4


async def test_who_missed_all_that_is_kept_and_knows_the_schema_is_told_nothing() -> None:
    now = 0.0
    async with live_world(clock=lambda: now, history=History(seconds=10)) as world:
        await world.push("s", b"m n=1i")
        here = (await world.begin(M)).position
        await world.push("s", b"m n=2i")
        now = 100.0
        for _ in world.hub.histories.expire():
            pass
        beginning = await world.begin(M, here)
        assert (beginning.data, beginning.recovered, beginning.position.offset) == (None, False, 2)
        assert (await world.begin(M, beginning.position)).recovered


async def test_who_missed_too_much_and_wants_no_rows_is_told_nothing() -> None:
    async with live_world(history=History(rows=2)) as world:
        position = (await world.begin(M)).position
        for number in range(4):
            await world.push("s", b"m n=%di" % number)
        schema_known = Position((await world.begin(M)).position.epoch, 1)
        beginning = await world.begin(M, schema_known, b'{"rows":0}')
        assert (beginning.data, beginning.recovered, beginning.position.offset) == (None, False, 4)
        assert b'"schema"' in ((await world.begin(M, position, b'{"rows":0}')).data or b"")


async def test_a_foreign_epoch_gets_everything() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        await world.push("s", b"m n=2i")
        beginning = await world.begin(M, Position("another life", 1))
        assert (beginning.recovered, rows_of(beginning.data)) == (False, [1, 2])
        assert beginning.data == (await world.begin(M)).data


async def test_who_names_no_epoch_gets_a_schema_that_was_there_before_the_first_publication() -> None:
    nowhere = Position("", 0)
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        missed = (await world.begin(M, nowhere)).missed
        assert len(missed) == 1
        assert b'"schema"' in missed[0].data
        restored = stream_address("restored")
        world.hub.restore(restored, b'{"fields":[]}')
        assert (await world.begin(restored, nowhere)).data == b'{"schema":{"fields":[]}}'
        here = (await world.begin(restored)).position
        assert (await world.begin(restored, here)).recovered


async def test_without_recovery_everybody_begins_with_the_window_and_is_told_no_place() -> None:
    async with live_world(channels={"stream": {"recovery": "off"}}) as world:
        await world.push("s", b"m n=1i")
        here = (await world.begin(M)).position
        await world.push("s", b"m n=2i")
        for returning in (None, here, Position("", 0)):
            beginning = await world.begin(M, returning)
            assert (beginning.recoverable, beginning.recovered, beginning.missed) == (False, False, ())
            assert rows_of(beginning.data) == [1, 2]
        mine = override(world.hub.options.find(M), recovery=True)
        recovered = await world.begin(M, here, options=mine)
        assert (recovered.recoverable, len(recovered.missed)) == (True, 1)


async def test_a_cache_of_frames_gives_who_returns_the_newest_alone() -> None:
    async with live_world(channels={"stream": {"recovery": "cache"}}) as world:
        await world.push("s", b"m n=1i 1000000")
        here = (await world.begin(M)).position
        for number in (2, 3):
            await world.push("s", b"m n=%di %d000000" % (number, number))
        beginning = await world.begin(M, here)
        assert (beginning.recovered, beginning.recoverable, beginning.data) == (True, True, None)
        assert [rows_of(kept.data) for kept in beginning.missed] == [[3]]
        there = await world.begin(M, beginning.position)
        assert (there.recovered, there.missed) == (True, ())
        new = await world.begin(M)
        assert (new.recovered, rows_of(new.data)) == (False, [1, 2, 3])


@pytest.mark.parametrize("grows_last", [True, False])
async def test_a_cache_of_frames_never_withholds_a_schema_that_its_newest_needs(grows_last: bool) -> None:
    async with live_world(channels={"stream": {"recovery": "cache"}}) as world:
        await world.push("s", b"m n=1i 1000000")
        here = (await world.begin(M)).position
        await world.push("s", b"m n=2i 2000000" if grows_last else b"m n=2i,k=1 2000000")
        await world.push("s", b"m n=3i,k=1 3000000")
        beginning = await world.begin(M, here)
        missed = [json.loads(kept.data) for kept in beginning.missed]
        assert (beginning.recovered, beginning.data) == (True, None)
        assert [frame["data"]["values"][2] for frame in missed] == ([[3]] if grows_last else [[2], [3]])
        assert len(missed[0]["schema"]["fields"]) == 4
        foreign = await world.begin(M, Position("another life", 2))
        assert (foreign.recovered, rows_of(foreign.data, columns=4)) == (False, [1, 2, 3])


async def test_a_cache_of_frames_whose_newest_is_gone_gives_what_a_stream_would() -> None:
    now = 0.0
    async with live_world(
        clock=lambda: now, channels={"stream": {"recovery": "cache", "history_seconds": 10.0}}
    ) as world:
        await world.push("s", b"m n=1i")
        here = (await world.begin(M)).position
        await world.push("s", b"m n=2i")
        now = 100.0
        list(world.hub.histories.expire())
        beginning = await world.begin(M, here)
        assert (beginning.data, beginning.recovered, beginning.position.offset) == (None, False, 2)


async def test_windows_of_several_extents_do_not_get_into_each_others_way() -> None:
    now = 0.0
    async with live_world(clock=lambda: now) as world:
        for number in range(1, 6):
            now = number * 10.0
            await world.push("s", b"m n=%di %d000000" % (number, number))
        here = Position((await world.begin(M)).position.epoch, 99)
        extents = [b'{"seconds":15}', b'{"seconds":25}', b'{"rows":1}', b"{}"]
        for _ in range(2):
            rows = [rows_of((await world.begin(M, data=data)).data) for data in extents]
            assert rows == [[4, 5], [3, 4, 5], [5], [1, 2, 3, 4, 5]]
            assert b'"schema"' not in ((await world.begin(M, here)).data or b"")


async def test_the_windows_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "CACHED_BYTES", 2_000)
    async with live_world() as world:
        first = [stream_address(f"m{number}") for number in range(20)]
        for number, address in enumerate(first):
            await world.push("s", b"m%d n=1i" % number)
            assert rows_of((await world.begin(address)).data) == [1]
        frames = world.scope._beginnings._frames
        assert 0 < frames._frames.bytes <= 2_000
        assert rows_of((await world.begin(first[0])).data) == [1]


async def test_windows_that_are_asked_for_again_are_not_made_again_and_never_stale() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        first = (await world.begin(M)).data
        assert (await world.begin(M)).data is first
        assert rows_of((await world.begin(M, data=b'{"rows":1}')).data) == [1]
        await world.push("s", b"m n=2i")
        assert rows_of((await world.begin(M)).data) == [1, 2]
        assert rows_of((await world.begin(M, data=b'{"rows":1}')).data) == [2]


async def test_streams_and_orgs_have_pasts_of_their_own() -> None:
    async with live_world() as world:
        await world.push("s", b"m n=1i")
        await world.push("other", b"m n=2i")
        await world.push("s", b"m n=3i", org_id=2)
        addresses = (M, stream_address("m", stream="other"), stream_address("m", org_id=2))
        assert [rows_of((await world.begin(address)).data) for address in addresses] == [[1], [2], [3]]


async def test_clients_may_not_publish() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        world.hub.subscribe(subscriber.connection, M, "m")
        with pytest.raises(Refusal) as caught:
            await world.scope.publish(DEVELOPER, M, b"{}")
        assert caught.value.code == 403
        assert subscriber.received() == []


# The model: a channel is the list of its numbers, in order. Each follower of it holds a slice of that list, whatever it
# does: it comes and goes, is cut off without notice, and returns with the position it stood at, as the SDKs do.

CHANNELS = [stream_address("m", stream="s"), stream_address("k", stream="s"), stream_address("m", stream="t")]


@dataclass
class Channel:
    """What was pushed to one channel, in order."""

    address: Address
    begun: int = 0
    acknowledged: int = 0


@dataclass
class Follower:
    """One client's view of one channel, over all its connections."""

    channel: Channel
    numbers: list[int] = field(default_factory=list)
    """Rows as they came, without those that were lost for good."""
    columns: int = 0
    position: Position | None = None
    spelling: str = ""
    """Of the present subscription; empty while there is none."""
    gaps: int = 0
    """How often it was told that not all it missed is there."""

    def see(self, data: bytes) -> None:
        frame: dict[str, Any] = json.loads(data)
        if "schema" in frame:
            self.columns = len(frame["schema"]["fields"])
        if "data" in frame:
            assert len(frame["data"]["values"]) == self.columns, "data that the schema does not describe"
            self.numbers += frame["data"]["values"][2]

    def begin(self, beginning: Beginning) -> None:
        """Take a subscribe reply as the SDKs do: the data, then the publications that were missed."""
        returning, self.position = self.position, beginning.position
        if beginning.data is not None:
            self.see(beginning.data)
        for kept in beginning.missed:
            self.see(kept.data)
        assert not (beginning.recovered and returning is None)
        self.gaps += returning is not None and not beginning.recovered

    def deliver(self, item: Received) -> None:
        assert self.position is not None
        assert item.offset == self.position.offset + 1
        self.position = Position(self.position.epoch, item.offset)
        self.see(item.data)

    def check(self) -> None:
        """In order, nothing twice; a hole only where it was told of one."""
        assert self.numbers == sorted(set(self.numbers)), "a double or another order"
        holes = sum(after != before + 1 for before, after in pairwise(self.numbers))
        assert holes <= self.gaps, "a hole that nobody told of"
        if self.spelling:
            assert self.channel.acknowledged - (self.numbers[-1] if self.numbers else 0) == 0


class Model:
    """Carries out steps on a world and knows what each follower must have received."""

    def __init__(self, world: World, clients: int) -> None:
        self.world = world
        self.channels = [Channel(address) for address in CHANNELS]
        self.clients = [world.subscriber() for _ in range(clients)]
        self.followers = {
            (who, which): Follower(channel) for who in range(clients) for which, channel in enumerate(self.channels)
        }
        self.spellings: dict[str, Follower] = {}
        self.recovered = 0

    async def push(self, which: int, kind: str, *, task_status: trio.TaskStatus[None]) -> None:
        """Push the channel's next number; `task_status` says when the push has its place in the order."""
        channel = self.channels[which]
        channel.begun += 1
        number = channel.begun
        grown = f",k{number % 4}=1" if kind == "grow" else ""
        stamp = f" {number * 1_000_000}"
        body = f"{channel.address.path} a={number}i{grown}{stamp}\n" + "\n" * (2_000 if kind == "large" else 0)
        task_status.started()
        assert await self.world.push(channel.address.namespace, body.encode()) == 1
        channel.acknowledged += 1

    async def subscribe(self, who: int, which: int) -> None:
        """As a connection does: beginning and subscription without a checkpoint in between."""
        follower = self.followers[who, which]
        if follower.spelling:
            return
        address = follower.channel.address
        least = follower.channel.acknowledged
        beginning = await self.world.begin(address, follower.position)
        follower.spelling = f"{who}/{which}/{len(self.spellings)}"
        self.spellings[follower.spelling] = follower
        self.world.hub.subscribe(self.clients[who].connection, address, follower.spelling)
        follower.begin(beginning)
        self.recovered += beginning.recovered
        newest = follower.numbers[-1] if follower.numbers else 0
        assert least <= newest <= follower.channel.begun, "not all that was acknowledged"

    def cut(self, who: int, which: int) -> None:
        """The subscription ends and the client knows how far it came: what was queued for it arrives or is lost."""
        follower = self.followers[who, which]
        if follower.spelling:
            self.drain(who)
            self.world.hub.unsubscribe(self.clients[who].connection, follower.channel.address)
            follower.spelling = ""

    def lose(self, who: int) -> None:
        """The connection is lost with whatever was under way to it."""
        self.clients[who].received()
        self.world.hub.leave(self.clients[who].connection)
        for which in range(len(CHANNELS)):
            self.followers[who, which].spelling = ""

    def drain(self, who: int) -> None:
        """The client reads what has come."""
        for item in self.clients[who].received():
            self.spellings[item.channel].deliver(item)

    def reload(self, who: int, which: int) -> None:
        """A panel that is opened anew remembers nothing."""
        self.cut(who, which)
        self.followers[who, which] = Follower(self.channels[which])

    def check(self) -> None:
        for who in range(len(self.clients)):
            self.drain(who)
        for follower in self.followers.values():
            follower.check()


who = st.integers(0, 2)
which = st.integers(0, len(CHANNELS) - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), which, st.sampled_from(["small", "grow", "large"])),
        st.tuples(st.just("push"), which, st.sampled_from(["small", "grow", "large"])),
        st.tuples(st.just("subscribe"), who, which),
        st.tuples(st.just("subscribe"), who, which),
        st.tuples(st.sampled_from(["cut", "reload"]), who, which),
        st.tuples(st.sampled_from(["drain", "lose"]), who),
        st.tuples(st.just("turn")),
    ),
    max_size=60,
)


async def carry_out(model: Model, nursery: trio.Nursery, step: tuple[Any, ...]) -> None:
    match step:
        case ("push", channel, kind):
            await nursery.start(model.push, channel, kind)
        case ("subscribe", client, channel):
            await model.subscribe(client, channel)
        case ("turn",):
            await trio.lowlevel.checkpoint()  # a turn for the pushes under way, no time
        case (name, *place):
            getattr(model, name)(*place)


@given(steps=steps, window=st.sampled_from([1, 3, 1_000]))
async def test_nothing_is_missing_or_doubled_however_often_somebody_is_cut(
    steps: list[tuple[Any, ...]], window: int
) -> None:
    async with live_world(push=Push(thread_body_bytes=1_000), history=History(rows=window)) as world:
        model = Model(world, clients=3)
        async with trio.open_nursery() as nursery:
            for step in steps:
                await carry_out(model, nursery, step)
        model.check()
        for client in range(3):
            model.lose(client)
        assert world.hub.channel_count == 0
        assert world.hub._subscriptions._by_connection == {}


async def test_thousands_of_cuts_lose_nothing_while_all_that_is_missed_is_there() -> None:
    chance = random.Random(20)
    async with live_world(push=Push(thread_body_bytes=1_000)) as world:
        model = Model(world, clients=3)
        for _ in range(12_000):
            step = chance.choice(
                [
                    ("push", chance.randrange(3), chance.choice(["small", "small", "small", "grow"])),
                    ("subscribe", chance.randrange(3), chance.randrange(3)),
                    ("lose", chance.randrange(3)),
                    ("drain", chance.randrange(3)),
                ]
            )
            async with trio.open_nursery() as nursery:
                await carry_out(model, nursery, step)
        for place in model.followers:
            await model.subscribe(*place)
        model.check()
        assert all(follower.gaps == 0 for follower in model.followers.values())
        assert model.recovered > 2_000


class Turns(trio.abc.Instrument):
    """Counts the turns of the event loop."""

    count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


@pytest.mark.parametrize(("size", "turns"), [(LONG_PAST_BYTES, 5), (LONG_PAST_BYTES - 2_000, 1)])
async def test_long_pasts_are_handed_out_one_per_turn_of_the_loop(size: int, turns: int) -> None:
    loop = Turns()
    begun_at: list[int] = []

    async def begin(world: World, rows: int) -> None:
        await world.begin(M, data=b'{"rows":%d}' % rows)
        begun_at.append(loop.count)

    async with live_world() as world:
        await world.push("s", b'm s="%b"' % (b"x" * size))
        trio.lowlevel.add_instrument(loop)  # nothing else tells the turns
        async with trio.open_nursery() as nursery:
            for rows in range(1, 6):
                nursery.start_soon(begin, world, rows)
        trio.lowlevel.remove_instrument(loop)
    assert (len(begun_at), len(set(begun_at))) == (5, turns)
