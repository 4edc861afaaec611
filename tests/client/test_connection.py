"""One subscriber's connection: what it promises whatever happens around it."""

import json
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from client.wired import CONNECT, SETTINGS, FifoStream, counted, open_world
from client.world import SUBSCRIBED, Wishes
from framecast.accounts import admission as accounts
from framecast.accounts.identity import Identity
from framecast.client.connection import refuse
from framecast.errors import PeerError, Refusal
from framecast.settings import Live


async def test_json_in_binary_messages_is_welcome(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.client.send_message(CONNECT.encode())
        assert "connect" in await world.next_line()


async def test_nothing_is_lost_or_doubled_between_beginning_and_subscription(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A publisher that runs all the time, counting; its newest number is what a subscriber begins with."""
    async with open_world(Live(channels_per_client=128)) as world, trio.open_nursery() as nursery:
        newest = 0

        async def publish() -> None:
            nonlocal newest
            while True:
                newest += 1
                world.scopes.stream.snapshots["1/stream/tg/n"] = str(newest).encode()
                world.hub.publish("1/stream/tg/n", str(newest).encode())
                await trio.sleep(0.001)

        async def hesitate() -> None:
            await trio.sleep(0.0035)

        world.scopes.stream.hooks["n"] = hesitate
        await world.connect()
        nursery.start_soon(publish)
        for _ in range(20):
            reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/tg/n"}}')
            last = reply["subscribe"]["data"]
            for _ in range(5):
                line = await world.next_line()
                assert line["push"]["pub"]["data"] == last + 1
                last += 1
            await world.say('{"id":3,"unsubscribe":{"channel":"stream/tg/n"}}')
            while "unsubscribe" not in await world.next_line():
                pass
        nursery.cancel_scope.cancel()


async def test_a_past_waits_for_room_in_the_queue(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(Live(queue_bytes=1_000, room_seconds=2)) as world, trio.open_nursery() as nursery:
        await world.connect()
        world.outbox.queued_bytes = 251

        async def drain() -> None:
            await trio.sleep(1.5)
            world.outbox.queued_bytes = 250

        nursery.start_soon(drain)
        start = trio.current_time()
        reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        assert reply == {"id": 2, "subscribe": SUBSCRIBED}
        assert 1.5 <= trio.current_time() - start < 1.6


async def test_who_makes_no_room_may_try_again(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(Live(queue_bytes=1_000, room_seconds=2)) as world:
        await world.connect()
        world.outbox.queued_bytes = 251
        start = trio.current_time()
        reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        assert (reply["error"]["code"], reply["error"]["temporary"]) == (111, True)
        assert 2 <= trio.current_time() - start < 2.1
        assert world.hub.subscribers == {}


async def test_who_comes_in_a_crowd_waits_for_it_to_pass(autojump_clock: trio.testing.MockClock) -> None:
    settings = Live(total_queue_bytes=1_000, room_seconds=3)
    async with open_world(settings) as world, trio.open_nursery() as nursery:
        await world.connect()
        world.outbox.waiting_bytes = 501

        async def drain() -> None:
            await trio.sleep(1)
            world.outbox.waiting_bytes = 500

        nursery.start_soon(drain)
        reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        assert reply == {"id": 2, "subscribe": SUBSCRIBED}
        assert 1 <= trio.current_time() < 1.3
        world.outbox.waiting_bytes = 501
        assert "subscribe" in await world.ask('{"id":3,"subscribe":{"channel":"stream/a/c"}}')
        assert trio.current_time() > 4, "and is served all the same when it does not"


async def test_waiting_for_room_costs_few_looks(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def look(_: FifoStream) -> int:
        looks.append(trio.current_time())
        return 251

    async with open_world(Live(queue_bytes=1_000, room_seconds=3)) as world:
        await world.connect()
        monkeypatch.setattr(FifoStream, "queued_bytes", property(look), raising=False)
        assert "error" in await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
    pauses = [second - first for first, second in pairwise(looks)]
    assert pauses[0] == pytest.approx(0.02), "a client that reads well waits no longer than it must"
    assert max(pauses) <= 0.251
    assert len(looks) < 20


async def test_a_refused_client_is_heard_no_more_and_closed(autojump_clock: trio.testing.MockClock) -> None:
    class NobodyToday(accounts.Admissions):
        async def connect(self, visitor: Identity | None, token: str) -> accounts.Admission:
            raise Refusal(110, "expired")

    wishes = Wishes(SETTINGS, admissions=NobodyToday(None, lambda: 0.0))
    async with open_world(wishes=wishes) as world:
        await world.say(CONNECT, '{"id":2,"subscribe":{"channel":"stream/a/b"}}', "broken")
        assert await world.next_line() == {"id": 1, "error": {"code": 110, "message": "expired"}}
        await world.say("broken too")
        assert await world.wait_closed() == (1000, "connect refused")
        assert trio.current_time() == pytest.approx(5)
        assert not world.scopes.stream.seen


async def test_shutdown_says_3001_even_to_those_who_wait_for_a_command(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        world.scopes.stream.hooks["hang"] = trio.sleep_forever
        await world.connect()
        await world.say('{"id":2,"subscribe":{"channel":"stream/a/hang"}}')
        await trio.testing.wait_all_tasks_blocked()
        world.stopping.set()
        assert await world.wait_closed() == (3001, "shutdown")
        await world.ended.wait()
        assert trio.current_time() == 0
        assert world.hub.left == [1]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_client_that_never_answers_a_close_has_close_seconds_for_it(
    cancelled: bool, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear_nothing(max_bytes: int | None = None) -> None:
        del max_bytes
        await trio.sleep_forever()

    async with open_world() as world:
        await world.connect()
        await trio.testing.wait_all_tasks_blocked()
        monkeypatch.setattr(world.client._stream, "receive_some", hear_nothing)
        await world.ask('{"id":2,"rpc":{}}')
        world.stopping.set()
        await trio.testing.wait_all_tasks_blocked()
        if cancelled:
            world.scope.cancel()
        await world.ended.wait()
        assert trio.current_time() == pytest.approx(5)


async def test_a_cancelled_connection_leaves_the_hub(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        world.scope.cancel()
        await world.ended.wait()
        assert world.hub.left == [1]
        assert not world.hub.subscribers


async def fail() -> None:
    raise RuntimeError("a bug")


async def fail_in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)


@pytest.mark.parametrize("bug", [fail, fail_in_a_nursery])
async def test_a_failing_handler_costs_one_command(bug: Any, autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        world.scopes.stream.hooks["bug"] = bug
        world.scopes.grafana.hooks["bug"] = bug
        await world.connect()
        error = {"code": 100, "message": "internal server error", "temporary": True}
        with structlog.testing.capture_logs() as logs:
            assert await world.ask('{"id":2,"subscribe":{"channel":"stream/a/bug"}}') == {"id": 2, "error": error}
            frame = '{"id":3,"publish":{"channel":"grafana/a/bug","data":"secret"}}'
            assert await world.ask(frame) == {"id": 3, "error": error}
        assert [entry["event"] for entry in logs] == ["command_failed"] * 2
        assert "secret" not in str(logs)
        assert not world.hub.subscribers
        assert await world.ask('{"id":4,"subscribe":{"channel":"stream/a/b"}}') == {"id": 4, "subscribe": SUBSCRIBED}


async def test_a_handler_that_takes_too_long_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        world.scopes.stream.hooks["hang"] = trio.sleep_forever
        await world.connect()
        reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/a/hang"}}')
        assert reply["error"]["code"] == 100
        assert trio.current_time() == pytest.approx(10)


@pytest.mark.parametrize(("flag", "full", "code"), [(2, False, 112), (0, True, 106)])
async def test_a_channel_opened_in_vain_is_given_up(
    flag: int, full: bool, code: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_world() as world:
        await world.connect()
        world.hub.full = full
        command = {"channel": "stream/tg/cpu", "recover": True, "epoch": "x", "flag": flag}
        reply = await world.ask(json.dumps({"id": 2, "subscribe": command}))
        assert reply["error"]["code"] == code
        assert world.scopes.stream.seen == [("1/stream/tg/cpu", None)]
        assert (world.hub.opened, world.hub.subscribers) == (set(), {})


async def test_a_full_hub_refuses_and_nothing_is_subscribed(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        world.hub.full = True
        reply = await world.ask('{"id":2,"subscribe":{"channel":"stream/a/b"}}')
        assert reply == {"id": 2, "error": {"code": 106, "message": "limit exceeded"}}
        world.hub.full = False
        assert await world.ask('{"id":3,"subscribe":{"channel":"stream/a/b"}}') == {"id": 3, "subscribe": SUBSCRIBED}


async def test_a_scope_may_end_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    async def end() -> None:
        raise PeerError(3507, "permission denied")

    async with open_world() as world:
        world.scopes.stream.hooks["end"] = end
        await world.connect()
        await world.say('{"id":2,"subscribe":{"channel":"stream/a/end"}}')
        assert await world.wait_closed() == (3507, "permission denied")


async def test_our_own_bug_ends_one_connection_with_3004(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world:
        await world.connect()
        monkeypatch.setattr(world.outbox, "send_message", None)
        with structlog.testing.capture_logs() as logs:
            await world.say('{"id":2,"rpc":{}}')
            assert await world.wait_closed() == (3004, "internal server error")
        assert "subscriber_failed" in [entry["event"] for entry in logs]


async def test_commands_said_before_leaving_are_carried_out(autojump_clock: trio.testing.MockClock) -> None:
    done: list[float] = []

    async def note() -> None:
        await trio.sleep(1)
        done.append(trio.current_time())

    async with open_world() as world:
        world.scopes.grafana.hooks["b"] = note
        await world.connect()
        for number in range(2, 12):
            await world.say(f'{{"id":{number},"publish":{{"channel":"grafana/a/b","data":1}}}}')
        await world.client.aclose()
        await world.ended.wait()
    # Ten seconds' worth of commands, five seconds' patience with a client that is gone.
    assert done == pytest.approx([1, 2, 3, 4])


async def test_a_lost_connection_ends_quietly(autojump_clock: trio.testing.MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_world() as world:
            await world.connect()
            before = counted("closes_total", code="peer")
            await world.client._stream.aclose()
            await world.ended.wait()
            assert trio.current_time() == 0
            assert counted("closes_total", code="peer") == before + 1
            assert world.hub.left == [1]
    assert {entry["log_level"] for entry in logs} <= {"debug", "info"}


@pytest.mark.parametrize(("cut", "code"), [("overflowed", "3008"), ("stalled", "3009"), ("", "peer")])
async def test_a_cut_connection_ends_by_itself(cut: str, code: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        before = counted("closes_total", code=code)
        world.outbox.alive = False
        if cut:
            setattr(world.outbox, cut, True)
        await world.say('{"id":2,"rpc":{}}')
        await world.ended.wait()
        assert trio.current_time() == 0
        assert counted("closes_total", code=code) == before + 1
        assert world.hub.left == [1]


async def test_a_message_too_big_is_closed_with_1009(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        await world.connect()
        before = counted("closes_total", code="1009")
        await world.say('{"id":2,"publish":{"channel":"grafana/a/b","data":"' + "x" * 10_000 + '"}}')
        code, _ = await world.wait_closed()
        await world.ended.wait()
        assert code == 1009
        assert counted("closes_total", code="1009") == before + 1


async def test_a_flood_waits_outside_and_all_of_it_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world, trio.open_nursery() as nursery:
        world.scopes.grafana.hooks["b"] = partial(trio.sleep, 0.01)
        await world.connect()

        async def flood() -> None:
            for number in range(2, 502):
                await world.say(f'{{"id":{number},"publish":{{"channel":"grafana/a/b","data":"{"x" * 100}"}}}}')

        nursery.start_soon(flood)
        assert [(await world.next_line())["id"] for _ in range(500)] == list(range(2, 502))


async def test_commands_and_errors_are_counted(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world() as world:
        commands = counted("commands_total", method="rpc")
        errors = counted("error_replies_total", code="104")
        await world.connect()
        open_now = counted("connections")
        await world.ask('{"id":2,"rpc":{"method":"any"}}')
        assert counted("commands_total", method="rpc") == commands + 1
        assert counted("error_replies_total", code="104") == errors + 1
        await world.client.aclose()
        await world.ended.wait()
        assert counted("connections") == open_now - 1


async def test_one_client_too_many_is_turned_away(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(serving=False) as world, trio.open_nursery() as nursery:
        await world.say(CONNECT, "and more")

        async def turn_away() -> None:
            await refuse(world.server, 3504, "connection limit", seconds=5)

        nursery.start_soon(turn_away)
        assert await world.wait_closed() == (3504, "connection limit")


async def test_text_comes_as_its_bytes() -> None:
    async with open_world(serving=False) as world:
        await world.client.send_message("{}é")
        await world.client.send_message(b"{}")
        assert await world.server.receive() == "{}é".encode()
        assert await world.server.receive() == b"{}"
