"""Commands of clients whose user has a limit: error 111, which passes, and the connection stays."""

from typing import Any

from client.talk import Talk
from framecast.accounts.admission import Admission
from framecast.accounts.identity import DEVELOPER
from framecast.accounts.rates import Rates
from framecast.settings import Rates as Limits

A = "stream/a/b"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def talk_at(rate: float, burst_seconds: float, **options: Any) -> tuple[Talk, Clock]:
    clock = Clock()
    rates = Rates(Limits(user_requests_per_second=rate, burst_seconds=burst_seconds), clock)
    return Talk(rates=rates, **options), clock


def test_commands_past_the_rate_are_refused_for_now_and_granted_later() -> None:
    talk, clock = talk_at(1, 3, ask_presence=True)
    talk.connect()
    talk.subscribe()
    assert "presence" in talk.say(presence={"channel": A})[0]
    for command in ({"presence": {"channel": A}}, {"history": {"channel": A}}, {"rpc": {"method": "any", "data": {}}}):
        assert talk.refused(**command) == (111, True)
    assert talk.refused(publish={"channel": A, "data": {}}) == (111, True)
    assert talk.refused(subscribe={"channel": "stream/a/c"}) == (111, True)
    clock.now += 1
    assert "presence" in talk.say(presence={"channel": A})[0]


def test_a_refusal_says_what_the_limit_is_and_when_to_come_again() -> None:
    talk, _ = talk_at(0.5, 1)
    talk.connect()
    [reply] = talk.say(subscribe={"channel": A})
    assert reply["error"]["message"] == (
        "Too Many Requests: this user may send 0.5 requests a second on the average (rates.user_requests_per_second): "
        "try again in 2 s"
    )


def test_what_ends_something_is_never_refused() -> None:
    talk, _ = talk_at(0.5, 4)
    talk.connect()
    talk.subscribe()
    assert talk.refused(subscribe={"channel": "stream/a/c"}) == (111, True)
    [reply] = talk.say(unsubscribe={"channel": A})
    assert reply == {"id": 2, "unsubscribe": {}}


def test_who_is_known_by_its_token_only_is_counted_when_it_connects() -> None:
    clock = Clock()
    rates = Rates(Limits(user_requests_per_second=0.5, burst_seconds=1), clock)
    Talk(rates=rates).connect()
    late = Talk(rates=rates)
    assert late.refused(connect={}) == (111, True)
    clock.now += 2
    assert Talk(rates=rates).connect()["client"] == "CLIENT"


def test_whom_the_door_knew_was_counted_there() -> None:
    rates = Rates(Limits(address_requests_per_second=1, burst_seconds=1), lambda: 0.0)
    talk = Talk(rates=rates)
    talk.tokens.nobody = Admission(DEVELOPER)
    talk.connect()
    assert "subscribe" in talk.say(subscribe={"channel": A})[0]
    assert talk.refused(subscribe={"channel": "stream/a/c"}) == (111, True)
