"""What time does to a connection: tokens that run out, commands that come too fast, pings and silence."""

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import trio
import trio.testing

from client.talk import A_B, ALICE, Scripted
from client.wired import World, open_world
from client.world import UNIX_SECONDS, MemoryOptions, Subscriber, Wishes
from framecast.accounts.admission import Admission, Admissions, Grant
from framecast.accounts.identity import Identity
from framecast.channels.broker import Position, Publication
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.channels.subscriptions import Delivery
from framecast.client.pace import Pace
from framecast.settings import ChannelOptions, Live

TOKEN_SETTINGS = Live(expired_seconds=25, ping_seconds=3600)


def wishes(settings: Live = TOKEN_SETTINGS) -> Wishes:
    tokens = Scripted()
    tokens.people |= {
        "short": Admission(ALICE, lasts_until=UNIX_SECONDS + 10),
        "long": Admission(ALICE, lasts_until=UNIX_SECONDS + 100),
    }
    tokens.grants |= {"short": Grant(lasts_until=UNIX_SECONDS + 20)}
    return Wishes(settings, admissions=tokens)


async def test_a_client_whose_token_ran_out_has_time_to_bring_a_new_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(wishes=wishes()) as world:
        reply = await world.ask('{"id":1,"connect":{"token":"short"}}')
        assert (reply["connect"]["expires"], reply["connect"]["ttl"]) == (True, 10)
        assert await world.wait_closed() == (3005, "connection expired")
        assert trio.current_time() == pytest.approx(35)


async def test_a_client_ends_with_what_the_door_let_it_in_by_and_is_asked_for_nothing_new(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tokens = Scripted()
    tokens.people["by the door"] = Admission(replace(ALICE, lasts_until=UNIX_SECONDS + 10))
    async with open_world(wishes=Wishes(TOKEN_SETTINGS, admissions=tokens)) as world:
        reply = await world.ask('{"id":1,"connect":{"token":"by the door"}}')
        assert "expires" not in reply["connect"]
        assert await world.wait_closed() == (3005, "connection expired")
        assert trio.current_time() == pytest.approx(10)


async def test_a_client_that_connects_in_time_may_be_answered_later(autojump_clock: trio.testing.MockClock) -> None:
    class Slow(Admissions):
        async def connect(self, visitor: Identity | None, token: str) -> Admission:
            await trio.sleep(9)
            return await super().connect(visitor, token)

    slow = Wishes(Live(connect_seconds=15.0), admissions=Slow(None, lambda: UNIX_SECONDS))
    async with open_world(wishes=slow) as world:
        await trio.sleep(14)
        await world.connect()
        assert trio.current_time() == pytest.approx(23)


async def test_a_refreshed_client_stays(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(wishes=wishes()) as world:
        await world.ask('{"id":1,"connect":{"token":"short"}}')
        await trio.sleep(30)
        reply = await world.ask('{"id":2,"refresh":{"token":"long"}}')
        assert reply == {"id": 2, "refresh": {"expires": True, "ttl": 70}}
        assert await world.wait_closed() == (3005, "connection expired")
        assert trio.current_time() == pytest.approx(125)


async def test_a_subscription_that_runs_out_is_ended_alone(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(wishes=wishes()) as world:
        await world.connect()
        await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b","token":"short"}}')
        ended = {"code": 2501, "reason": "subscription expired"}
        assert await world.next_line() == {"push": {"channel": "stream/a/b", "unsubscribe": ended}}
        assert trio.current_time() == pytest.approx(45)
        assert not world.hub.subscribers
        assert "rpc" not in await world.ask('{"id":3,"rpc":{"method":"any"}}')


def test_a_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    pace = Pace(10.0, 3, now=0.0)
    assert [pace.take_command(0.0) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert pace.take_command(0.2) == pytest.approx(0.1)
    assert [pace.take_command(100.0) for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_entries_of_an_answer_count_as_commands() -> None:
    pace = Pace(10.0, 3, now=0.0)
    assert pace.take_command(0.0) == 0
    pace.charge_entries(50)
    assert [pace.take_command(0.0) for _ in range(2)] == pytest.approx([0.15, 0.25])


def populate(world: World) -> None:
    """A channel with 400 publications and as many clients."""
    past = world.hub.pasts[A_B.key] = ChannelHistory(A_B.key, Position("E", 0), options=ChannelOptions())
    for offset in range(1, 401):
        past.append(Publication(A_B.key, b"1", None, 0, "E", offset, offset - 1), 0.0)
    for other in range(400):
        info = ClientInfo("", f"c{other}", b"", b"")
        world.hub.subscribers[A_B.key, 100 + other] = Subscriber("stream/a/b", info, Delivery(), ChannelOptions())


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ('{"id":3,"history":{"channel":"stream/a/b","limit":-1}}', 2.0),
        ('{"id":3,"history":{"channel":"stream/a/b","limit":100}}', 0.5),
        ('{"id":3,"presence":{"channel":"stream/a/b"}}', 2.0),
        ('{"id":3,"presence_stats":{"channel":"stream/a/b"}}', 0.0),
    ],
)
async def test_a_large_answer_is_paid_for_by_who_asked(
    asked: str, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    settings = Live(commands_per_second=10.0, commands_burst=4)
    options = MemoryOptions({"a": ChannelOptions(presence=True, ask_presence=True)})
    async with open_world(settings, wishes=Wishes(settings, options=options)) as world:
        await world.connect()
        await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        populate(world)
        before = trio.current_time()
        await world.ask(asked)
        assert trio.current_time() == before
        await world.ask('{"id":4,"rpc":{}}')
        assert trio.current_time() - before == pytest.approx(seconds, abs=0.01)


async def test_what_a_returning_client_missed_counts_too(autojump_clock: trio.testing.MockClock) -> None:
    settings = Live(commands_per_second=0.1, commands_burst=4)
    async with open_world(settings) as world:
        await world.connect()
        await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b","recover":true,"epoch":"EPOCH","offset":7}}')
        await world.ask('{"id":3,"rpc":{}}')
        before = trio.current_time()
        await world.ask('{"id":4,"rpc":{}}')
        assert trio.current_time() - before == pytest.approx(1.0, abs=0.01)


async def test_commands_that_come_too_fast_wait_and_none_is_lost(autojump_clock: trio.testing.MockClock) -> None:
    settings = Live(commands_per_second=10.0, commands_burst=5, ping_seconds=25, pong_seconds=1.0)
    async with open_world(settings) as world:
        await world.connect()
        await world.say(*[f'{{"id":{number},"rpc":{{}}}}' for number in range(2, 302)])
        answered = [(await world.next_line())["id"] for _ in range(300)]
        assert answered == list(range(2, 302))
        assert trio.current_time() == pytest.approx(29.6, abs=0.2)


async def test_pings_come_after_a_random_delay_and_then_on_time(autojump_clock: trio.testing.MockClock) -> None:
    firsts = set()
    for _ in range(5):
        async with open_world() as world:
            await world.connect()
            start = trio.current_time()
            times = []
            for _ in range(4):
                assert await world.client.get_message() == "{}"
                times.append(trio.current_time() - start)
                await trio.sleep(9.9)
                await world.say("{}")
            assert 12.5 <= times[0] < 25
            assert [later - sooner for sooner, later in pairwise(times)] == pytest.approx([25] * 3)
            firsts.add(times[0])
    assert len(firsts) > 1


async def test_pings_come_although_data_flows(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        pings = 0
        for _ in range(100):
            await trio.sleep(1)
            world.hub.publish("1/stream/a/b", b"1")
            while (message := await world.client.get_message()) == "{}":
                pings += 1
                await world.say("{}")
            assert "push" in message
        assert pings in {3, 4}


async def test_a_silent_client_is_closed_with_3012_exactly_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        assert await world.client.get_message() == "{}"
        pinged = trio.current_time()
        assert await world.wait_closed() == (3012, "no pong")
        assert trio.current_time() - pinged == pytest.approx(10)


async def test_talking_is_no_pong(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        assert await world.client.get_message() == "{}"
        await world.ask('{"id":3,"rpc":{}}')
        assert await world.wait_closed() == (3012, "no pong")


@pytest.mark.parametrize("pong", ["{}", '{}\n{"id":9,"rpc":{}}'])
async def test_a_pong_behind_a_slow_command_counts(pong: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(Live(ping_seconds=4, pong_seconds=10.0)) as world:
        world.scopes.stream.hooks["slow"] = partial(trio.sleep, 9)
        await world.connect()
        await world.say(*[f'{{"id":{n},"subscribe":{{"channel":"stream/{n}/slow"}}}}' for n in range(2, 6)])
        subscribed = 0
        while subscribed < 4:
            message = await world.client.get_message()
            if message == "{}":
                await world.say(pong)
            elif "subscribe" in json.loads(message):
                subscribed += 1
        await trio.sleep(1)
        assert not world.ended.is_set()


async def test_without_connect_it_is_closed_with_3502(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        assert await world.wait_closed() == (3502, "stale")
        assert trio.current_time() == pytest.approx(15)


async def test_pings_come_while_the_rest_of_the_beginnings_waits_for_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    settings = Live(ping_seconds=1, room_seconds=5, queue_bytes=4 * 150, pong_seconds=60)
    tokens = Scripted()
    channels = {"stream/tg/cpu": Grant(), "stream/tg/mem": Grant()}
    tokens.people["t"] = Admission(ALICE, channels=channels)
    async with open_world(settings, wishes=Wishes(settings, admissions=tokens)) as world:
        for name in ("cpu", "mem"):
            world.scopes.stream.snapshots[f"1/stream/tg/{name}"] = b'"' + b"x" * 100 + b'"'
        world.outbox.queued_bytes = 151
        assert "connect" in await world.ask('{"id":1,"connect":{"token":"t"}}')
        assert await world.client.get_message() == "{}"
        assert trio.current_time() <= 1


def tasks() -> int:
    """How many there are."""
    return trio.lowlevel.current_statistics().tasks_living  # nothing else counts them


async def test_an_idle_client_costs_no_task_of_its_own_but_one(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        await trio.testing.wait_all_tasks_blocked()
        before = tasks()
        world.scopes.stream.hooks["slow"] = partial(trio.sleep, 1)
        await world.say('{"id":2,"subscribe":{"channel":"stream/a/slow"}}')
        await trio.testing.wait_all_tasks_blocked()
        assert tasks() == before + 1, "somebody reads on"
        assert "subscribe" in await world.next_line()
        await trio.testing.wait_all_tasks_blocked()
        assert tasks() == before
