"""What is remembered of Grafana's answers: asked once for all who wait, kept within bounds, outlived for a while."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
import structlog.testing
import trio
from hypothesis import given
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.accounts.grafana.answers import Answers, Deferred, Denied, Outcome, Told
from framecast.accounts.grafana.questions import Questions, UnreachableError
from framecast.errors import Refusal
from framecast.settings import Grafana

FRESH, REFUSED, STALE, RENEWAL, RETRY = 60.0, 5.0, 300.0, 150.0, 2.0
NO = Denied(401, "no")
DOWN = "down"
Said = Outcome[str] | str


@dataclass
class Oracle:
    """Stands for Grafana: what it would say of each key, and how often it was asked."""

    says: dict[str, Said] = field(default_factory=dict)
    takes: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most: int = 0

    async def ask(self, key: str) -> Outcome[str]:
        self.asked[key] += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await trio.sleep(self.takes)
        finally:
            self.under_way -= 1
        said = self.says.get(key, NO)
        if isinstance(said, str):
            raise UnreachableError(said)
        return said


class Desk:
    """Answers over an oracle."""

    def __init__(self, oracle: Oracle, settings: Grafana, **options: Any) -> None:
        self.oracle = oracle
        self.changed: list[str] = []
        self.answers: Answers[str, str] = Answers(
            Questions(settings),
            settings,
            about="visitors",
            max_kept=settings.max_visitors,
            changed=self.changed.append,
            **options,
        )

    async def find(self, key: str) -> str | int:
        """The answer, or the code of the refusal."""
        try:
            return await self.answers.find(key, lambda: self.oracle.ask(key))
        except Refusal as refusal:
            assert refusal.temporary is (refusal.code == 503)
            return refusal.code

    async def find_many(self, *keys: str) -> list[str | int]:
        found: list[tuple[int, str | int]] = []

        async def find(index: int, key: str) -> None:
            found.append((index, await self.find(key)))

        async with trio.open_nursery() as nursery:
            for index, key in enumerate(keys):
                nursery.start_soon(find, index, key)
        return [answer for _, answer in sorted(found, key=lambda pair: pair[0])]

    async def renew(self, key: str) -> None:
        self.answers.renew(key, lambda: self.oracle.ask(key))
        await wait_all_tasks_blocked()


@asynccontextmanager
async def desk(oracle: Oracle, limits: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Desk]:
    times = {
        "fresh_seconds": FRESH,
        "refused_seconds": REFUSED,
        "stale_seconds": STALE,
        "renewal_seconds": RENEWAL,
        "retry_seconds": RETRY,
    }
    settings = Grafana(**{"url": "http://127.0.0.1:1", **times, **(limits or {})})
    async with trio.open_nursery() as nursery:
        made = Desk(oracle, settings, **options)
        await nursery.start(made.answers.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_a_hundred_who_come_at_once_cost_one_question(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")}, takes=1)) as made:
        assert await made.find_many(*["ann"] * 100, "bob") == ["Ann"] * 100 + [401]
        assert made.oracle.asked == {"ann": 1, "bob": 1}


async def test_an_answer_counts_for_its_time_and_a_refusal_for_less(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")})) as made:
        for _ in range(59):
            assert await made.find_many("ann", "bob") == ["Ann", 401]
            await trio.sleep(1)
        assert made.oracle.asked == {"ann": 1, "bob": 12}
        await trio.sleep(1)
        assert await made.find("ann") == "Ann"
        assert made.oracle.asked["ann"] == 2


async def test_who_stops_waiting_takes_nobody_along(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")}, takes=3)) as made, trio.open_nursery() as nursery:
        found: list[str | int] = []

        async def find() -> None:
            found.append(await made.find("ann"))

        with trio.move_on_after(1) as impatient:
            nursery.start_soon(find)
            await made.find("ann")
        assert impatient.cancelled_caught
        await trio.sleep(3)
        assert found == ["Ann"]
        assert made.oracle.asked == {"ann": 1}


async def test_a_grafana_that_is_down_leaves_those_who_are_known_in_for_a_while(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")})) as made:
        assert await made.find("ann") == "Ann"
        made.oracle.says = {"ann": DOWN, "bob": DOWN}
        began = trio.current_time()
        while trio.current_time() - began < FRESH + STALE - 1:
            assert await made.find_many("ann", "bob") == ["Ann", 503]
            await trio.sleep(0.5)
        assert made.oracle.asked["ann"] <= 2 + STALE / RETRY
        assert made.changed == []
        await trio.sleep(5)
        assert await made.find("ann") == 503
        assert made.changed == ["ann"]
        made.oracle.says = {"ann": Told("Ann"), "bob": Told("Bob")}
        await trio.sleep(RETRY)
        assert await made.find_many("ann", "bob") == ["Ann", "Bob"]


async def test_a_grafana_that_hangs_is_waited_for_no_longer_than_the_deadline(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")})) as made:
        assert await made.find("ann") == "Ann"
        made.oracle.takes = 1e6
        await trio.sleep(FRESH)
        began = trio.current_time()
        assert await made.find_many("ann", "bob", *(f"u{number}" for number in range(50))) == ["Ann", *[503] * 51]
        assert trio.current_time() - began == pytest.approx(5)
        assert made.oracle.most == 8


async def test_no_more_questions_at_a_time_than_may_be(autojump_clock: MockClock) -> None:
    users = [f"u{number}" for number in range(40)]
    async with desk(Oracle({user: Told(user) for user in users}, takes=0.1), {"max_questions": 3}) as made:
        assert await made.find_many(*users) == users
        assert made.oracle.most == 3


async def test_more_than_may_wait_for_their_turn_are_told_to_come_again(autojump_clock: MockClock) -> None:
    users = [f"u{number}" for number in range(8)]
    limits = {"max_questions": 1, "waiting_questions": 4}
    async with desk(Oracle({user: Told(user) for user in users}, takes=0.1), limits) as made:
        assert Counter(code for code in await made.find_many(*users) if isinstance(code, int)) == {503: 4}
        await trio.sleep(RETRY)
        assert [code for code in await made.find_many(*users) if isinstance(code, int)] == []


async def test_a_no_ends_what_was_given_out_and_another_answer_too(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")})) as made:
        await made.find("ann")
        await trio.sleep(FRESH)
        await made.renew("ann")
        assert (made.changed, made.oracle.asked["ann"]) == ([], 2)
        made.oracle.says["ann"] = Told("Ann the Viewer")
        await made.renew("ann")
        assert (made.changed, made.oracle.asked["ann"]) == ([], 2)
        await trio.sleep(FRESH)
        await made.renew("ann")
        assert made.changed == ["ann"]
        made.oracle.says["ann"] = NO
        made.answers.expire("ann")
        assert await made.find("ann") == 401
        assert made.changed == ["ann"] * 2


async def test_a_renewal_that_is_refused_is_told_though_nothing_was_remembered(autojump_clock: MockClock) -> None:
    async with desk(Oracle()) as made:
        assert await made.find("ann") == 401
        assert made.changed == []
        await made.renew("ann")
        assert made.changed == ["ann"]


async def test_renewals_leave_room_for_those_who_wait(autojump_clock: MockClock) -> None:
    users = [f"u{number}" for number in range(9)]
    limits = {"max_questions": 1, "waiting_questions": 4}
    async with desk(Oracle({user: Told(user) for user in users}, takes=0.1), limits) as made:
        for user in users:
            made.answers.renew(user, lambda: made.oracle.ask("any"))
        await trio.sleep(1)
        assert made.oracle.asked == {"any": 2}


async def test_a_cookie_that_is_to_be_renewed_leaves_its_visitor_in_for_a_while(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann"), "bob": Deferred()})) as made:
        assert await made.find_many("ann", "bob") == ["Ann", 401]
        made.oracle.says["ann"] = Deferred()
        began = trio.current_time()
        while trio.current_time() - began < RENEWAL - 1:
            assert await made.find("ann") == "Ann"
            await trio.sleep(1)
        assert made.changed == []
        await trio.sleep(FRESH)
        assert await made.find("ann") == 401
        assert made.changed == ["ann"]


async def test_what_is_remembered_is_bounded_and_what_is_needed_stays(autojump_clock: MockClock) -> None:
    users = [f"u{number}" for number in range(50)]
    needed = {"u0", "u1"}
    oracle = Oracle({user: Told(user) for user in users})
    async with desk(oracle, {"max_visitors": 3}, is_needed=needed.__contains__) as made:
        for user in users:
            assert await made.find(user) == user
            assert await made.find("no such user") == 401
        assert await made.find_many("u0", "u1", "u49") == ["u0", "u1", "u49"]
        assert oracle.asked["u0"] == oracle.asked["u1"] == oracle.asked["u49"] == 1
        assert made.answers.peek("u48") is None
        for number in range(20):
            await made.find(f"stranger {number}")
        assert len(made.answers._denied) == 3
        needed.add("u49")
        assert await made.find("u2") == 503
        assert await made.find_many("u0", "u1", "u49") == ["u0", "u1", "u49"]


async def test_the_one_that_nobody_asked_for_for_longest_is_forgotten_first(autojump_clock: MockClock) -> None:
    users = ["ann", "bob", "cid"]
    async with desk(Oracle({user: Told(user) for user in users}), {"max_visitors": 2}) as made:
        for user in ("ann", "bob", "ann", "cid"):
            await made.find(user)
        assert [made.answers.peek(user) for user in users] == ["ann", None, "cid"]


async def test_a_grafana_that_wanted_a_cookie_renewed_was_there_all_the_same(autojump_clock: MockClock) -> None:
    async with desk(Oracle({"ann": Told("Ann")})) as made:
        assert await made.find("ann") == "Ann"
        await trio.sleep(RENEWAL - 1)
        made.oracle.says["ann"] = Deferred()
        assert await made.find("ann") == "Ann"
        made.oracle.says["ann"] = DOWN
        await trio.sleep(FRESH + STALE - 1)
        assert await made.find("ann") == "Ann"
        await trio.sleep(RETRY)
        assert await made.find("ann") == 503


async def test_a_bug_in_one_question_costs_that_question(autojump_clock: MockClock) -> None:
    async def fail() -> Outcome[str]:
        raise ZeroDivisionError

    async with desk(Oracle({"ann": Told("Ann")})) as made:
        with structlog.testing.capture_logs() as logs, pytest.raises(Refusal) as caught:
            await made.answers.find("bob", fail)
        assert caught.value.code == 503
        assert [entry["event"] for entry in logs] == ["question failed"]
        assert await made.find("ann") == "Ann"


KEYS = ("a", "b")
sayings = st.sampled_from([Told("x"), Told("y"), NO, Deferred(), DOWN])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.sampled_from(KEYS), sayings),
        st.tuples(st.just("asks"), st.sampled_from(KEYS), st.integers(1, 5)),
        st.tuples(st.just("renews"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("waits"), st.none(), st.sampled_from([0.0, 1.0, 3.0, 6.0, 59.0, 61.0, 149.0, 300.0, 361.0])),
    ),
    max_size=40,
)


class Naive:
    """Decides by the whole history of what was asked about one key, and what came of it."""

    def __init__(self) -> None:
        self.history: list[tuple[float, Said, str | int]] = []

    def counts(self, now: float) -> str | int | None:
        """What is answered without a question; None when there must be one."""
        if not self.history:
            return None
        at, said, came_of_it = self.history[-1]
        if isinstance(came_of_it, int):
            lasts = RETRY if said == DOWN else REFUSED
        else:
            lasts = RETRY if said == DOWN else FRESH
        return came_of_it if now < at + lasts else None

    def comes_of(self, now: float, said: Said) -> str | int:
        """What a question comes to that is answered so."""
        if isinstance(said, Told):
            return said.value
        if isinstance(said, Denied):
            return 401
        since_no = []
        for entry in reversed(self.history):
            if isinstance(entry[2], int):
                break
            since_no.append(entry)
        told = [at for at, before, _ in since_no if isinstance(before, Told)]
        heard = [at for at, before, _ in since_no if before != DOWN]
        if isinstance(said, Deferred):
            return str(since_no[0][2]) if told and now < max(told) + RENEWAL else 401
        return str(since_no[0][2]) if heard and now < max(heard) + FRESH + STALE else 503


async def check_against_history(script: list[tuple[str, Any, Any]]) -> None:
    oracle = Oracle(dict.fromkeys(KEYS, NO))
    naive = {key: Naive() for key in KEYS}
    async with desk(oracle) as made:
        for what, key, more in script:
            now = trio.current_time()
            if what == "says":
                oracle.says[key] = more
            elif what == "waits":
                await trio.sleep(more)
            else:
                model, before = naive[key], oracle.asked[key]
                expected = model.counts(now)
                if expected is None or (what == "renews" and isinstance(expected, int)):
                    expected = model.comes_of(now, oracle.says[key])
                    model.history.append((now, oracle.says[key], expected))
                    before += 1
                if what == "renews":
                    await made.renew(key)
                else:
                    assert await made.find_many(*[key] * more) == [expected] * more
                assert oracle.asked[key] == before
                peeked = made.answers.peek(key)
                assert peeked == (expected if isinstance(expected, str) else None)


@given(script=steps)
def test_answers_are_those_of_a_naive_history(script: list[tuple[str, Any, Any]]) -> None:
    trio.run(check_against_history, script, clock=MockClock(autojump_threshold=0))
