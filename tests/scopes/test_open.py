"""Channels on which clients publish: who may, what a subscriber begins with, and who returns to what."""

from typing import Any

import pytest

from framecast.accounts.identity import DEVELOPER
from framecast.channels.address import Address, parse_address
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.options import override
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import ChannelOptions, ChannelOverrides
from live_world import World, live_world

NEWS = parse_address("grafana/broadcast/news", 1)
ROOM = parse_address("chat/room/1", 1)
ANN = ClientInfo("ann", "c1")
CHAT: dict[str, ChannelOverrides] = {"chat": {"publish": "everybody"}}


async def publish(world: World, address: Address, *messages: bytes, subscribed: bool = False) -> None:
    for message in messages:
        await world.scopes.find(address).publish(DEVELOPER, address, message, ANN, subscribed=subscribed)


async def begin(
    world: World, address: Address, returning: Position | None = None, options: ChannelOptions | None = None
) -> Beginning:
    return (await world.scopes.find(address).subscribe(DEVELOPER, address, None, options))(returning)


def messages_of(beginning: Beginning) -> list[bytes]:
    return [kept.data for kept in beginning.missed]


async def test_what_one_client_publishes_everybody_receives_with_its_name() -> None:
    async with live_world() as world:
        subscriber = world.subscriber()
        await begin(world, NEWS)
        world.hub.subscribe(subscriber.connection, NEWS, "n")
        await publish(world, NEWS, b"null", b'"text"')
        received = subscriber.received()
        assert [(item.data, item.offset) for item in received] == [(b"null", 1), (b'"text"', 2)]
        assert [item.info for item in received] == [{"user": "ann", "client": "c1"}] * 2


async def test_a_broadcast_begins_with_its_last_message() -> None:
    async with live_world() as world:
        first = await begin(world, NEWS)
        assert (first.data, first.recoverable, first.position.offset) == (None, True, 0)
        await publish(world, NEWS, b"1", b"2")
        beginning = await begin(world, NEWS)
        assert (beginning.data, beginning.missed, beginning.recovered, beginning.position.offset) == (
            b"2",
            (),
            False,
            2,
        )


async def test_channels_of_the_settings_begin_with_nothing() -> None:
    async with live_world(channels=CHAT) as world:
        await publish(world, ROOM, b"1")
        beginning = await begin(world, ROOM)
        assert (beginning.data, beginning.position.offset) == (None, 1)


async def test_who_returns_gets_what_it_missed_and_never_the_last_message_besides() -> None:
    async with live_world() as world:
        await publish(world, NEWS, b"1")
        here = (await begin(world, NEWS)).position
        await publish(world, NEWS, b"2", b"3")
        beginning = await begin(world, NEWS, here)
        assert (beginning.recovered, beginning.data, messages_of(beginning)) == (True, None, [b"2", b"3"])
        again = await begin(world, NEWS, beginning.position)
        assert (again.recovered, again.data, messages_of(again)) == (True, None, [])


@pytest.mark.parametrize("returning", [Position("another life", 1), Position("", 1)])
async def test_who_missed_more_than_is_kept_begins_with_the_last_message(returning: Position) -> None:
    async with live_world(channels={"grafana/broadcast": {"history_rows": 2}}) as world:
        await publish(world, NEWS, b"1", b"2", b"3", b"4")
        beginning = await begin(world, NEWS, returning)
        assert (beginning.recovered, beginning.recoverable, beginning.data, beginning.missed) == (False, True, b"4", ())


@pytest.mark.parametrize(
    ("offset", "epoch", "missed"), [(1, None, [b"3"]), (3, None, []), (1, "another life", [b"3"]), (0, "", [b"3"])]
)
async def test_a_cache_gives_the_newest_message(offset: int, epoch: str | None, missed: list[bytes]) -> None:
    async with live_world(channels={"grafana/broadcast": {"recovery": "cache"}}) as world:
        assert (await begin(world, NEWS, Position("", 0))).recovered is False
        await publish(world, NEWS, b"1", b"2", b"3")
        own = (await begin(world, NEWS)).position
        beginning = await begin(world, NEWS, Position(own.epoch if epoch is None else epoch, offset))
        assert (beginning.recovered, beginning.data, messages_of(beginning)) == (True, None, missed)


async def test_without_recovery_everybody_begins_anew() -> None:
    async with live_world(channels={"grafana/broadcast": {"recovery": "off"}}) as world:
        await publish(world, NEWS, b"1")
        here = (await begin(world, NEWS)).position
        await publish(world, NEWS, b"2")
        beginning = await begin(world, NEWS, here)
        assert (beginning.recoverable, beginning.recovered, beginning.data, beginning.missed) == (
            False,
            False,
            b"2",
            (),
        )
        mine = override(world.hub.options.find(NEWS), recovery=True)
        assert messages_of(await begin(world, NEWS, here, mine)) == [b"2"]


@pytest.mark.parametrize(
    ("allowed", "subscribed", "refused"),
    [
        ("nobody", False, True),
        ("nobody", True, True),
        ("subscribers", False, True),
        ("subscribers", True, False),
        ("everybody", False, False),
        ("everybody", True, False),
    ],
)
async def test_who_may_publish_is_an_option(allowed: str, subscribed: bool, refused: bool) -> None:
    async with live_world(channels={"chat": {"publish": allowed}}) as world:
        if not refused:
            await publish(world, ROOM, b"1", subscribed=subscribed)
            assert (await begin(world, ROOM)).position.offset == 1
            return
        with pytest.raises(Refusal, match="chat/room/1") as caught:
            await publish(world, ROOM, b"1", subscribed=subscribed)
        assert (caught.value.code, caught.value.temporary) == (403, False)
        assert world.hub.history(ROOM) is None


async def test_a_message_too_large_for_subscribers_is_refused() -> None:
    async with live_world() as world:
        await publish(world, NEWS, b'"' + b"x" * ((1 << 20) - 2) + b'"')
        with pytest.raises(Refusal, match="a message of 1048577 bytes; 1048576 fit") as caught:
            await publish(world, NEWS, b'"' + b"x" * ((1 << 20) - 1) + b'"')
        assert caught.value.code == 106
        assert (await begin(world, NEWS)).position.offset == 1


async def test_one_channel_too_many_is_refused_to_who_publishes_and_to_who_subscribes() -> None:
    async with live_world(max_channels=1) as world:
        subscriber = world.subscriber()
        await publish(world, NEWS, b"1")
        await begin(world, NEWS)
        world.hub.subscribe(subscriber.connection, NEWS, "n")
        other = parse_address("grafana/broadcast/other", 1)
        for attempt in (publish(world, other, b"1"), begin(world, other)):
            with pytest.raises(Refusal) as caught:
                await attempt
            assert caught.value.code == 106


@pytest.mark.parametrize(
    ("channels", "there", "missing"),
    [
        ({}, ["stream/a/b", "grafana/broadcast/b"], ["grafana/dashboard/b", "plugin/a/b", "ds/a/b", "chat/a/b"]),
        ({"chat": {}}, ["chat/a/b"], ["chats/a/b"]),
        ({"chat/room": {}}, ["chat/room/b"], ["chat/a/b"]),
        ({"grafana/chat": {}, "plugin": {}, "ds/a": {}}, [], ["grafana/chat/b", "plugin/a/b", "ds/a/b"]),
    ],
)
async def test_naming_a_scope_makes_it_exist_unless_it_means_something_else(
    channels: dict[str, Any], there: list[str], missing: list[str]
) -> None:
    async with live_world(channels=channels) as world:
        for text in there:
            assert (await begin(world, parse_address(text, 1))).position.offset == 0
        for text in missing:
            with pytest.raises(Refusal, match=r"known: .*grafana/broadcast, stream") as caught:
                world.scopes.find(parse_address(text, 1))
            assert caught.value.code == 404


@pytest.mark.parametrize("name", ["stream", "stream/telegraf"])
async def test_streams_cannot_be_opened_for_publishing(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"channels.{name}.publish = 'everybody' cannot be used: streams take"):
        async with live_world(channels={name: {"publish": "everybody"}}):
            pass


@pytest.mark.parametrize("address", [NEWS, parse_address("stream/s/m", 1)])
async def test_a_beginning_is_void_once_its_channel_has_ended(address: Address) -> None:
    async with live_world() as world:
        begin = await world.scopes.find(address).subscribe(DEVELOPER, address, None)
        assert begin(None).position.offset == 0
        world.hub.forget(address)
        with pytest.raises(Refusal) as caught:
            begin(None)
        assert (caught.value.code, caught.value.temporary) == (111, True)
        await world.scopes.find(address).subscribe(DEVELOPER, address, None)
        with pytest.raises(Refusal):
            begin(None)
