"""Commands, publications, slow scopes and all kinds of ends at random moments: nothing is lost, doubled or left."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed

from client.talk import Scripted
from client.wired import CLOSE_FRAME, World, counted, open_world
from client.world import Wishes
from framecast.channels.address import parse_key
from framecast.client import metrics
from framecast.protocol.codes import CloseCode, UnsubscribeCode
from framecast.settings import Live

SETTINGS = Live(ping_seconds=5, pong_seconds=2.0, command_seconds=4.0, close_seconds=3.0, channels_per_client=2)
CHANNELS = {"1/stream/a/x": "stream/a/x", "1/grafana/a/y": "default/grafana/a/y", "1/grafana/a/z": "grafana/a/z"}
LATEST = 40.0
"""By then everything has happened and every wait is over."""

Moment = tuple[float, str, str]
"""When, what, and on which channel."""

TIMES = st.one_of(st.integers(0, 10).map(lambda number: number / 200), st.floats(0, 20))
KEYS = st.sampled_from(sorted(CHANNELS))
DELAYS = st.sampled_from([0.0, 0.01, 1.0, 3.999, 4.0, 6.0])
DOINGS = st.sampled_from(["subscribe", "subscribe", "unsubscribe", "publish", "rpc", "history"])
HAPPENINGS = st.sampled_from(["publish", "publish", "publish", *(code.name for code in UnsubscribeCode)])
LEAVINGS = {
    "close": {"peer"},
    "drop": {"peer"},
    "break": {"3501", "peer"},
    "cut": {"3008"},
    "cancel": {"cancelled"},
    "stop": {"3001"},
    "disconnect": {"3503", "peer"},
    "say no pong": {"3012"},
}
"""How a client may be lost, and as what that may be counted: who is not heard, or not known yet, leaves in the end."""


@dataclass
class Plan:
    """What is to happen."""

    doings: list[Moment]
    happenings: list[Moment]
    delays: dict[str, float]
    leaves: tuple[float, str]
    together: bool
    """Whether the client says everything in one message."""


@dataclass
class Diary:
    """What has happened."""

    asked: dict[int, tuple[str, str]] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    code: int | None = None
    turned_out: bool = False
    published: Counter[str] = field(default_factory=Counter)


PLANS = st.builds(
    Plan,
    doings=st.lists(st.tuples(TIMES, DOINGS, KEYS), min_size=3, max_size=12).map(sorted),
    happenings=st.lists(st.tuples(TIMES, HAPPENINGS, KEYS), max_size=12).map(sorted),
    delays=st.just({}) | st.fixed_dictionaries(dict.fromkeys("xyz", DELAYS)),
    leaves=st.tuples(TIMES, st.sampled_from(sorted(LEAVINGS))),
    together=st.booleans(),
)


LEFT_BEHIND = Plan(
    doings=[
        *[(0.0, "subscribe", "1/grafana/a/y")] * 6,
        (0.0, "subscribe", "1/grafana/a/z"),
        (0.0, "subscribe", "1/stream/a/x"),
    ],
    happenings=[],
    delays={"x": 3.999, "y": 4.0, "z": 0.0},
    leaves=(0.0, "break"),
    together=True,
)
"""A client that has left while what it asked for is still being done, and published to."""


@given(PLANS)
@example(LEFT_BEHIND)
def test_nothing_is_lost_doubled_or_left(plan: Plan) -> None:
    before = closes()
    open_before = counted("connections")
    diary = trio.run(live, plan, clock=trio.testing.MockClock(autojump_threshold=0))
    assert counted("connections") == open_before
    ended = closes() - before
    assert sum(ended.values()) == 1
    assert set(ended) <= LEAVINGS[plan.leaves[1]]
    if diary.code is not None and diary.code >= 3000:
        assert ended == Counter({str(diary.code): 1})
    if diary.turned_out:
        assert set(ended) == {"3503"}
    check_replies(diary, everything=plan.leaves[1] == "close" and not plan.delays)
    check_pushes(diary)


def closes() -> Counter[str]:
    """Ended connections by label."""
    samples = [sample for family in metrics.CLOSES.collect() for sample in family.samples]
    return Counter({sample.labels["code"]: int(sample.value) for sample in samples if sample.name.endswith("_total")})


async def live(plan: Plan) -> Diary:
    """Let everything happen, and see that nothing is left of it."""
    diary = Diary()
    async with open_world(wishes=Wishes(SETTINGS, admissions=Scripted())) as world, trio.open_nursery() as nursery:
        for path, seconds in plan.delays.items():
            for scope in (world.scopes.stream, world.scopes.grafana):
                scope.hooks[path] = partial(trio.sleep, seconds)
        nursery.start_soon(listen, world, diary, plan.leaves[1] != "say no pong")
        nursery.start_soon(speak, world, diary, plan)
        for at, what, key in plan.happenings:
            nursery.start_soon(happen, world, diary, at, what, key)
        for key in CHANNELS:
            nursery.start_soon(publish_for_ever, world, diary, key)
        nursery.start_soon(leave, world, diary, *plan.leaves)
        with trio.fail_after(LATEST):
            await world.ended.wait()
        assert world.hub.left == [1]
        assert not world.hub.subscribers
        assert not world.hub.ended
        assert len(world.roster) == 0
        assert world.roster.disconnect(1, "alice", CloseCode.FORCE_DISCONNECT) == 0
        nursery.cancel_scope.deadline = trio.current_time() + LATEST
        said = world.outbox.sent
        if CLOSE_FRAME in said:
            assert said[-1] == CLOSE_FRAME, "something was said after the goodbye"
    return diary


async def listen(world: World, diary: Diary, answers: bool) -> None:
    try:
        while True:
            line = json.loads(await world.client.get_message())
            if line:
                diary.heard.append(line)
            elif answers:
                await world.client.send_message("{}")
    except ConnectionClosed as closed:
        diary.code = None if closed.reason is None else closed.reason.code


async def speak(world: World, diary: Diary, plan: Plan) -> None:
    """Connect, and carry out the plan's doings."""
    lines = [(0.0, '{"id":1,"connect":{}}')]
    diary.asked[1] = ("connect", "")
    for number, (at, what, key) in enumerate(plan.doings, 2):
        diary.asked[number] = (what, key)
        lines.append((at, json.dumps({"id": number, what: {"channel": CHANNELS[key], "data": 0}})))
    try:
        if plan.together:
            await world.say(*[line for _, line in lines])
            return
        for at, line in lines:
            await trio.sleep_until(at)
            await world.say(line)
    except ConnectionClosed:
        return


async def publish_for_ever(world: World, diary: Diary, key: str) -> None:
    while True:
        await trio.sleep(0.7)
        await happen(world, diary, 0.0, "publish", key)


async def happen(world: World, diary: Diary, at: float, what: str, key: str) -> None:
    await trio.sleep_until(at)
    if what == "publish":
        diary.published[key] += 1
        world.hub.publish(key, str(diary.published[key]).encode())
    elif 1 in world.hub.ended:
        world.hub.end(1, parse_key(key), UnsubscribeCode[what])


async def leave(world: World, diary: Diary, at: float, how: str) -> None:
    """End the connection in some way; at the latest when all is said."""
    await trio.sleep_until(at)
    ways: dict[str, Callable[[], object]] = {
        "cancel": world.scope.cancel,
        "stop": world.stopping.set,
    }
    if how in ways:
        ways[how]()
    elif how == "disconnect":
        diary.turned_out = world.roster.disconnect(1, "alice", CloseCode.FORCE_DISCONNECT) == 1
        assert diary.turned_out or not diary.heard
    elif how == "drop":
        await world.client._stream.aclose()
    elif how == "break":
        try:
            await world.client.send_message("no command")
        except ConnectionClosed:
            return
    elif how == "cut":
        world.outbox.alive, world.outbox.overflowed = False, True
        await world.client._stream.aclose()
    if how != "say no pong":
        await trio.sleep_until(25)
        await world.client.aclose()


def check_replies(diary: Diary, *, everything: bool) -> None:
    """Each command was answered once and in order; all were when the client stayed long enough."""
    answered = [line["id"] for line in diary.heard if "id" in line]
    assert answered == sorted(diary.asked)[: len(answered)]
    if everything and diary.code == 1000:
        assert len(answered) == len(diary.asked)
    for line in diary.heard:
        if "id" in line and "error" not in line:
            assert set(line) == {"id", diary.asked[line["id"]][0]}


def check_pushes(diary: Diary) -> None:
    """Publications come between the subscribe reply and the end of the subscription, without hole or double."""
    newest: dict[str, int | None] = {}
    spelled = {spelling: key for key, spelling in CHANNELS.items()}
    for line in diary.heard:
        if "push" in line:
            key = spelled[line["push"]["channel"]]
            assert key in newest, "a push outside of its subscription"
            if "unsubscribe" in line["push"]:
                del newest[key]
                continue
            number = line["push"]["pub"]["data"]
            if number:
                last = newest[key]
                assert last is None or number == last + 1
                newest[key] = number
        elif "error" not in line:
            what, key = diary.asked[line["id"]]
            if what == "subscribe":
                newest[key] = None
            elif what == "unsubscribe":
                newest.pop(key, None)
