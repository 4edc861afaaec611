"""The last messages of broadcasts: they outlive their channels and the server, and which are kept at the bounds."""

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import Address
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.scopes.last_messages import LastMessages, restore_messages
from framecast.settings import Store
from framecast.store.broadcasts import PendingMessages, StoredMessage
from framecast.store.database import open_database
from framecast.store.writer import StoreWriter
from live_world import World, live_world


def channel(path: str, org_id: int = 1) -> Address:
    return Address(org_id, "grafana", "broadcast", path)


NEWS = channel("news")


async def publish(world: World, address: Address, *messages: bytes) -> None:
    for data in messages:
        await world.scopes.find(address).rules.publish(DEVELOPER, address, data)


async def begin(world: World, address: Address, returning: Position | None = None) -> Beginning:
    return (await world.scopes.find(address).rules.subscribe(DEVELOPER, address, None))(returning)


# With their channels


async def test_the_last_message_outlives_the_channel_and_its_past() -> None:
    now = 0.0
    async with live_world(clock=lambda: now) as world:
        await publish(world, NEWS, b"1", b"2")
        before = await begin(world, NEWS)
        now = 10_000.0
        for _ in world.hub.histories.expire():
            pass
        assert (await begin(world, NEWS)).data == b"2"
        world.hub.forget(NEWS)
        anew = await begin(world, NEWS, before.position)
        assert (anew.recovered, anew.data) == (False, b"2")
        assert anew.position.epoch != before.position.epoch


async def test_the_last_message_is_there_where_no_past_is_kept() -> None:
    async with live_world(channels={"grafana/broadcast": {"history_rows": 0}}) as world:
        await publish(world, NEWS, b"1", b"2")
        assert (await begin(world, NEWS)).data == b"2"


async def test_who_recovers_is_not_given_it_besides() -> None:
    async with live_world() as world:
        await publish(world, NEWS, b"1")
        here = (await begin(world, NEWS)).position
        beginning = await begin(world, NEWS, here)
        assert (beginning.recovered, beginning.data) == (True, None)


async def test_orgs_have_messages_of_their_own() -> None:
    async with live_world() as world:
        await publish(world, NEWS, b"1")
        await publish(world, channel("news", 2), b"2")
        assert (await begin(world, NEWS)).data == b"1"
        assert (await begin(world, channel("news", 2))).data == b"2"
        assert (await begin(world, channel("news", 3))).data is None
        assert (await begin(world, channel("other"))).data is None


async def test_scopes_of_ones_own_have_none() -> None:
    async with live_world(channels={"chat": {"publish": "everybody"}}) as world:
        room = Address(1, "chat", "room", "news")
        await publish(world, room, b"1")
        assert (await begin(world, room)).data is None
        assert world.last_messages.count == 0
        assert (await begin(world, NEWS)).data is None


# With the store


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    with trio.fail_after(20):
        for life in range(3):
            async with (
                open_database(tmp_path, Store()) as database,
                live_world() as world,
                trio.open_nursery() as nursery,
            ):
                await restore_messages(database, world.last_messages)
                if life:
                    assert (await begin(world, NEWS)).data == b"[%d]" % (life - 1)
                    assert (await begin(world, channel("news", 2))).data == b"2"
                await nursery.start(
                    StoreWriter(database, world.messages, "last messages", Store(save_seconds=1e-9)).run
                )
                if not life:
                    await publish(world, channel("news", 2), b"2")
                await publish(world, NEWS, b"1", b"[%d]" % life)
                nursery.cancel_scope.cancel()


def restored(limits: Store, *kept: StoredMessage) -> tuple[LastMessages, PendingMessages]:
    pending = PendingMessages()
    messages = LastMessages(limits, pending)
    for one in kept:
        messages.restore(one)
    return messages, pending


def test_a_bound_that_was_lowered_counts_at_the_start() -> None:
    kept = [StoredMessage(1, f"p{number}", b"x" * 10) for number in range(5)]
    large = StoredMessage(1, "large", b"x" * 100)
    messages, pending = restored(Store(last_messages=3, last_messages_bytes=25), *kept, large)
    assert [messages.find(channel(one.path)) for one in [*kept, large]] == [
        None,
        None,
        None,
        b"x" * 10,
        b"x" * 10,
        None,
    ]
    assert pending.take().messages == {(1, path): None for path in ("p0", "p1", "p2", "large")}


# At the bounds


def test_at_the_bound_of_their_count_the_oldest_is_forgotten() -> None:
    messages, pending = restored(Store(last_messages=2))
    for path in ("a", "b", "a", "c"):
        messages.keep(channel(path), b"1")
    assert [messages.find(channel(path)) for path in "abc"] == [b"1", None, b"1"]
    assert pending.take().messages == {(1, "a"): b"1", (1, "c"): b"1"}


def test_at_the_bound_of_their_bytes_the_oldest_are_forgotten() -> None:
    messages, _ = restored(Store(last_messages_bytes=10))
    for path, size in (("a", 4), ("b", 4), ("c", 9)):
        messages.keep(channel(path), b"x" * size)
    assert [messages.find(channel(path)) is not None for path in "abc"] == [False, False, True]
    assert (messages.count, messages.bytes) == (1, 9)


def test_a_message_that_alone_is_too_large_is_not_kept_nor_the_one_before_and_costs_nobody_else() -> None:
    messages, pending = restored(Store(last_messages_bytes=10), StoredMessage(1, "a", b"1"))
    messages.keep(channel("b"), b"2")
    messages.keep(channel("a"), b"x" * 11)
    assert [messages.find(channel(path)) for path in "ab"] == [None, b"2"]
    assert pending.take().messages == {(1, "b"): b"2", (1, "a"): None}


@pytest.mark.parametrize(
    ("limits", "size"),
    [(Store(last_messages=100), 1), (Store(last_messages_bytes=100), 1), (Store(last_messages_bytes=1_000), 10)],
)
def test_an_org_that_floods_pushes_out_its_own_down_to_what_others_are_sure_of(limits: Store, size: int) -> None:
    messages, _ = restored(limits)
    for number in range(30):
        messages.keep(channel(f"p{number}", 2), b"x" * size)
    for number in range(1_000):
        messages.keep(channel(f"p{number}"), b"x" * size)
    assert all(messages.find(channel(f"p{number}", 2)) for number in range(30))
    assert [messages.find(channel(f"p{number}")) is not None for number in (0, 929, 930, 999)] == [
        False,
        False,
        True,
        True,
    ]


def test_many_small_ones_do_not_push_out_few_large_ones_of_others() -> None:
    messages, _ = restored(Store(last_messages=100, last_messages_bytes=1_000_000))
    messages.keep(channel("large", 2), b"x" * 500_000)
    for number in range(1_000):
        messages.keep(channel(f"p{number}"), b"x")
    assert messages.find(channel("large", 2)) is not None


said = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from("abcdef"), st.integers(0, 12).map(lambda size: b"x" * size)),
    max_size=60,
)


@given(said=said, last_messages=st.integers(1, 8), last_messages_bytes=st.integers(1, 40))
def test_the_bounds_hold_and_what_is_kept_is_what_was_said_last(
    said: list[tuple[int, str, bytes]], last_messages: int, last_messages_bytes: int
) -> None:
    messages, pending = restored(Store(last_messages=last_messages, last_messages_bytes=last_messages_bytes))
    newest: dict[tuple[int, str], bytes] = {}
    for org_id, path, data in said:
        messages.keep(channel(path, org_id), data)
        newest.pop((org_id, path), None)
        newest[org_id, path] = data
        kept = {(org, name): messages.find(channel(name, org)) for org, name in newest}
        there = {key: data for key, data in kept.items() if data is not None}
        assert len(there) == messages.count <= last_messages
        assert sum(map(len, there.values())) == messages.bytes <= last_messages_bytes
        assert there.items() <= newest.items()
        for org in (1, 2, 3):
            # Of one org those that fit are forgotten in the order in which they were said.
            own = [key in there for key, data in newest.items() if key[0] == org and len(data) <= last_messages_bytes]
            assert own == sorted(own)
    waiting = {key: data for key, data in pending.take().messages.items() if data is not None}
    assert waiting == there if said else not waiting
