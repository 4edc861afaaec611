"""Channels of plugins: who is let on, what they begin with and get, and what a bad plugin costs its neighbours."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
import structlog
import trio
from trio.testing import MockClock

from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.errors import Refusal
from framecast.plugins import Column, Context, Frame, FrameError, NotFoundError, Plugin, Sender, StreamOverError
from framecast.plugins.plugin import Sharing
from framecast.plugins.stream import path_of_login
from framecast.settings import Sources
from live_world import Received
from scopes.plugin_place import ANN, BOB, TIME, Echo, channel, frame, place


def payloads(received: list[Received]) -> list[Any]:
    return [json.loads(one.data) for one in received]


async def test_the_plugin_is_asked_about_everybody_and_the_stream_is_nobodys(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        await here.join("p/a", ANN, data=b'{"q":1}')
        await here.join("p/a", BOB, data=b'{"q":2}')
        who = [(context.user.login, context.user.role) for context, _, _ in echo.asked if context.user]
        assert who == [("ann", Role.VIEWER), ("bob@x.org", Role.EDITOR)]
        assert [(path, data) for _, path, data in echo.asked] == [("a", b'{"q":1}'), ("a", b'{"q":2}')]
        assert echo.ran == [(Context(1, "p", "plugin/p/a"), "a", b"")]


@pytest.mark.parametrize(
    ("path", "code", "temporary"),
    [
        ("nobody/a", 404, False),
        ("p/gone", 404, False),
        ("p/secret", 403, False),
        ("p/bug", 500, True),
        ("p/slow", 504, True),
        ("p/deaf", 504, True),
    ],
)
async def test_a_no_is_final_and_a_failure_is_not(
    path: str, code: int, temporary: bool, autojump_clock: MockClock
) -> None:
    async with place(p=Echo()) as here:
        refusal = await here.refusal(path)
        assert (refusal.code, refusal.temporary) == (code, temporary)
        assert path.partition("/")[0] in refusal.message
        assert here.world.hub.history(channel(path)) is None
        assert here.lifetimes.count == 0


async def test_questions_that_are_not_answered_are_bounded(autojump_clock: MockClock) -> None:
    async with place(Sources(max_asked=3), p=Echo()) as here, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(here.refusal, "p/deaf")
        await trio.sleep(1)
        assert (await here.refusal("p/a")).code == 503
        await trio.sleep(10)
        assert (await here.refusal("p/a")).code == 503, "they are still not answered"
        await trio.sleep(100)
        await here.join("p/a")


async def test_a_schema_goes_out_once_however_often_it_is_sent(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        first, beginning = await here.join("p/a")
        assert beginning.data is None
        await echo.hand(frame(1), frame(2).whole, frame(3), frame().schema_only, frame(4).data_only)
        got = payloads(first.received())
        assert ["schema" in one for one in got] == [True, False, False, False]
        assert [one["data"]["values"][1] for one in got] == [[1], [2], [3], [4]]
        second, beginning = await here.join("p/a")
        window = json.loads(beginning.data or b"")
        assert (window["data"]["values"][1], window["schema"]) == ([1, 2, 3, 4], json.loads(frame().schema))
        other = Frame.of({"time": TIME, "y": 1})
        await echo.hand(other, other, frame(5))
        for subscriber in (first, second):
            assert ["schema" in one for one in payloads(subscriber.received())] == [True, False, True]
        _, beginning = await here.join("p/a")
        assert json.loads(beginning.data or b"")["data"]["values"][1] == [5], "older rows do not fit the schema"


async def test_a_schema_that_everybody_began_with_is_not_sent_again(autojump_clock: MockClock) -> None:
    echo = Echo(initial=frame().schema_only)
    async with place(p=echo) as here:
        first, beginning = await here.join("p/a")
        assert beginning.data == frame().schema_only
        await echo.hand(frame(1), frame(2).data_only)
        assert ["schema" in one for one in payloads(first.received())] == [False, False]
        _, beginning = await here.join("p/a")
        assert json.loads(beginning.data or b"")["data"]["values"][1] == [1, 2]
        position = beginning.position
        await echo.hand(frame(3))
        _, beginning = await here.join("p/a", returning=position)
        assert (beginning.recovered, [kept.data for kept in beginning.missed]) == (True, [frame(3).data_only])


async def test_what_a_plugin_says_first_wins_over_the_window(autojump_clock: MockClock) -> None:
    echo = Echo(initial=b'{"hello":"you"}')
    async with place(p=echo) as here:
        await here.join("p/a")
        await echo.hand(frame(1))
        for initial in (b'{"hello":"you"}', frame(7).whole, Frame.of({"other": 1}).schema_only):
            echo.initial = initial
            _, beginning = await here.join("p/a")
            assert beginning.data == initial


async def test_what_no_window_can_hold_is_left_out_of_it(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        await here.join("p/a")
        await echo.hand(frame(1), frame(float("nan")), b'{"any":"JSON"}', frame(2))
        _, beginning = await here.join("p/a")
        assert json.loads(beginning.data or b"")["data"]["values"][1] == [1, None, 2]
        await here.join("p/timeless")
        timeless = Frame([Column("x", [1.0])])
        await echo.hand(timeless)
        await echo.hand(timeless)
        for path in ("p/a", "p/timeless"):
            _, beginning = await here.join(path)
            assert beginning.data is not None


async def test_a_crash_costs_no_subscriber_anything_but_time(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        subscriber, _ = await here.join("p/a")
        await echo.hand(frame(1), ValueError("broken"), frame(2))
        await trio.sleep(10)
        assert len(echo.ran) == 2
        assert [one.offset for one in subscriber.received()] == [1, 2]


async def test_the_last_to_leave_ends_the_stream_and_the_past_goes_in_its_time(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(p=echo) as here:
        subscriber, _ = await here.join("p/a")
        await echo.hand(frame(1))
        here.world.hub.leave(subscriber.connection)
        await trio.sleep(20)
        assert here.lifetimes.count == 0
        _, beginning = await here.join("p/a")
        assert json.loads(beginning.data or b"")["data"]["values"][1] == [1]
        assert len(echo.ran) == 2


class Sharing_(Echo):  # noqa: N801 - made into two below
    sharing: ClassVar[Sharing]


class Own(Sharing_):
    sharing = "user"


class Queries(Sharing_):
    sharing = "data"


async def test_a_users_own_stream_is_told_whose_it_is_and_is_nobody_elses(autojump_clock: MockClock) -> None:
    own = Own()
    async with place(p=own) as here:
        await here.join("p/mail/ann", ANN)
        await here.join(f"p/mail/{path_of_login(BOB.login)}", BOB)
        assert [context.user.login for context, _, _ in own.ran if context.user] == ["ann", "bob@x.org"]
        assert own.ran[1][1] == "mail/bob=40x.org"
        for path, identity in (("p/mail/ann", BOB), ("p/mail", ANN), ("p/mailann", ANN), ("p/mail/ann", DEVELOPER)):
            refusal = await here.refusal(path, identity)
            assert (refusal.code, refusal.temporary) == (403, False)
        assert len(own.asked) == 2


async def test_a_stream_of_data_is_not_shared_with_who_brings_other(autojump_clock: MockClock) -> None:
    queries = Queries()
    async with place(p=queries) as here:
        await here.join("p/q", ANN, data=b'{"q":1}')
        await here.join("p/q", BOB, data=b'{"q":1}')
        assert [(context.user, data) for context, _, data in queries.ran] == [(None, b'{"q":1}')]
        refusal = await here.refusal("p/q", data=b'{"q":2}')
        assert (refusal.code, refusal.temporary) == (409, False)
        assert here.world.hub.subscriber_count(channel("p/q")) == 2


async def test_the_table_of_permissions_comes_before_the_plugin(autojump_clock: MockClock) -> None:
    echo = Echo()
    stranger = Identity(2, "eve", Role.ADMIN)
    async with place(p=echo) as here:
        assert (await here.refusal("p/a", stranger)).code == 403
        with pytest.raises(Refusal):
            await here.scope.publish(stranger, channel("p/a"), b"1")
        assert echo.asked == []


@pytest.mark.parametrize(
    ("path", "published"), [("p/say", [1, 1]), ("p/swallow", []), ("p/other", [{"said": 1}, {"said": 1}])]
)
async def test_a_message_is_what_the_plugin_makes_of_it(
    path: str, published: list[Any], autojump_clock: MockClock
) -> None:
    async with place(p=Echo()) as here:
        subscriber, _ = await here.join(path)
        await here.scope.publish(ANN, channel(path), b"1", subscribed=True)
        await here.scope.publish(ANN, channel(path), b"1")
        assert payloads(subscriber.received()) == published


async def test_publishing_is_refused_where_nobody_says_otherwise(autojump_clock: MockClock) -> None:
    async with place(p=Plugin()) as here:
        for path, code in (("p/a", 403), ("q/a", 404)):
            with pytest.raises(Refusal) as caught:
                await here.scope.publish(ANN, channel(path), b"1")
            assert caught.value.code == code


class Bad(Plugin):
    """Does what its path says."""

    def __init__(self) -> None:
        self.sent = 0
        self.failure: BaseException | None = None

    async def subscribe(self, context: Context, path: str, data: bytes) -> None:
        return None

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        await BAD[path](self, sender)


async def _raise(bad: Bad, sender: Sender) -> None:
    raise RuntimeError("broken")


async def _flood(bad: Bad, sender: Sender) -> None:
    while True:
        await sender.send({"x": bad.sent})
        bad.sent += 1


async def _hang(bad: Bad, sender: Sender) -> None:
    await trio.sleep_forever()


async def _garbage(bad: Bad, sender: Sender) -> None:
    await sender.send(b'{"schema":{"fie')


async def _huge(bad: Bad, sender: Sender) -> None:
    await sender.send({"text": "x" * 2_000_000})


async def _go_on(bad: Bad, sender: Sender) -> None:
    """Goes on when it is cancelled, and sends."""
    until = trio.current_time() + 1_000
    while trio.current_time() < until:
        with suppress(trio.Cancelled):
            await trio.sleep(0.1)
        with trio.CancelScope(shield=True):
            try:
                await sender.send({"x": bad.sent})
            except StreamOverError as error:
                bad.failure = error
            else:
                bad.sent += 1


async def _leave(bad: Bad, sender: Sender) -> None:
    raise SystemExit(3)


BAD: dict[str, Callable[[Bad, Sender], Any]] = {
    "raise": _raise,
    "flood": _flood,
    "hang": _hang,
    "garbage": _garbage,
    "huge": _huge,
    "go_on": _go_on,
    "leave": _leave,
}


@pytest.mark.parametrize("how", BAD)
async def test_a_bad_stream_costs_its_neighbour_nothing(how: str, autojump_clock: MockClock) -> None:
    class Steady(Plugin):
        async def subscribe(self, context: Context, path: str, data: bytes) -> None:
            return None

        async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
            for number in range(1_000):
                await sender.send({"x": number})
                await trio.sleep(0.05)

    bad = Bad()
    async with place(bad=bad, steady=Steady()) as here:
        worse, _ = await here.join(f"bad/{how}")
        bystander, _ = await here.join("steady/a")
        for _ in range(4):
            await trio.sleep(2.5)
            worse.received()
        here.world.hub.leave(worse.connection)
        await trio.sleep(25)
        sent = bad.sent
        await trio.sleep(3)
        assert bad.sent == sent, "what was ended sends no more"
        got = [one["data"]["values"][0][0] for one in payloads(bystander.received())]
        assert got == list(range(len(got)))
        assert abs(len(got) - 38 / 0.05) < 20


async def test_a_flood_waits_for_its_share(autojump_clock: MockClock) -> None:
    bad = Bad()
    async with place(Sources(packets_per_second=10, packets_burst=20), bad=bad) as here:
        await here.join("bad/flood")
        await trio.sleep(10)
        assert 119 <= bad.sent <= 121


async def test_large_packets_wait_for_their_share_of_bytes(autojump_clock: MockClock) -> None:
    class Large(Plugin):
        sent = 0

        async def subscribe(self, context: Context, path: str, data: bytes) -> None:
            return None

        async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
            while True:
                await sender.send(b'"%b"' % (b"x" * 99_998))
                self.sent += 1

    large = Large()
    async with place(Sources(bytes_per_second=1_000_000), p=large) as here:
        await here.join("p/a")
        await trio.sleep(10)
        assert 109 <= large.sent <= 111


async def test_what_cannot_be_sent_is_told_where_it_is_sent(autojump_clock: MockClock) -> None:
    told: list[str] = []

    class Careful(Plugin):
        async def subscribe(self, context: Context, path: str, data: bytes) -> None:
            return None

        async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
            for wrong in (b"{", b"\xff", {"x": object()}, {"text": "x" * 2_000_000}, b"[" * 100_000):
                try:
                    await sender.send(wrong)
                except FrameError as error:
                    told.append(str(error))
            await sender.send(b'{\n"all": "well"}\n')

    async with place(p=Careful()) as here:
        subscriber, _ = await here.join("p/a")
        await trio.sleep(1)
        assert len(told) == 5
        assert [one.data for one in subscriber.received()] == [b'{"all": "well"}']


SLOWLY = {"plugin/p": {"conflate_seconds": 1.0}}


async def test_a_channel_that_is_told_less_often_gets_the_newest_and_every_schema(autojump_clock: MockClock) -> None:
    echo, other = Echo(), Echo()
    async with place(channels=SLOWLY, p=echo, q=other) as here:
        subscriber, _ = await here.join("p/a")
        bystander, _ = await here.join("q/a")
        for number in range(10):
            await echo.hand(frame(number))
            await other.hand(frame(number))
        grown = Frame.of({"time": TIME, "x": 1.0, "y": 10.0})
        await echo.hand(grown, grown.data_only, grown.schema_only)
        assert [one["data"]["values"][1] for one in payloads(bystander.received())] == [[x] for x in range(10)]
        got = payloads(subscriber.received())
        assert [("schema" in one, one["data"]["values"][1:]) for one in got] == [(True, [[0]]), (True, [[1], [10]])]
        await trio.sleep(1.1)
        [last] = payloads(subscriber.received())
        assert last == json.loads(grown.data_only), "a schema that is known lets nothing go"


@pytest.mark.parametrize("failure", [ValueError("broken"), NotFoundError("no more")])
async def test_what_was_kept_when_a_stream_fails_is_still_told(failure: Exception, autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(channels=SLOWLY, p=echo) as here:
        subscriber, _ = await here.join("p/a")
        with structlog.testing.capture_logs() as logs:
            await echo.hand(frame(1), frame(2), frame(3), failure)
            await trio.sleep(0.1)
        assert [one["data"]["values"][1] for one in payloads(subscriber.received())] == [[1], [3]]
        assert len(echo.ran) == (2 if isinstance(failure, ValueError) else 1)
        [told] = [one["error"] for one in logs if one["log_level"] == "warning"]
        assert "Group" not in told, "it is told as itself"


async def test_what_was_kept_when_a_stream_is_ended_is_told_to_nobody(autojump_clock: MockClock) -> None:
    echo = Echo()
    async with place(channels={"ds": {"conflate_seconds": 1.0}}, p=echo) as here:
        here.sources.set("u")
        subscriber, _ = await here.join("ds/u/a")
        await echo.hand(frame(1), frame(2))
        here.sources.set("u", url="http://new")
        await trio.sleep(10)
        assert [one["data"]["values"][1] for one in payloads(subscriber.received())] == [[1]]


async def test_what_was_kept_of_a_stream_that_was_given_up_is_told_to_nobody(autojump_clock: MockClock) -> None:
    class Deaf(Echo):
        async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
            await sender.send(frame(1))
            await sender.send(frame(2))
            with trio.CancelScope(shield=True):
                await trio.sleep(30)

    async with place(channels={"ds": {"conflate_seconds": 1_000.0}}, p=Deaf()) as here:
        here.sources.set("u")
        await here.join("ds/u/a")
        here.sources.set("u", url="http://new")
        await trio.sleep(40)
        history = here.world.hub.history(channel("ds/u/a"))
        assert history is not None
        assert history.position.offset == 1


async def test_a_flood_waits_for_its_share_though_little_of_it_is_told(autojump_clock: MockClock) -> None:
    bad = Bad()
    async with place(Sources(packets_per_second=10, packets_burst=20), SLOWLY, p=bad) as here:
        subscriber, _ = await here.join("p/flood")
        await trio.sleep(10)
        assert 119 <= bad.sent <= 121
        assert 10 <= len(subscriber.received()) <= 12
