"""Wrong credentials: counted, told now and then, and limited by address and login."""

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.attempts import Allowance, Attempts, Kind, network_of
from framecast.errors import Refusal
from framecast.settings import Accounts

LIMITS = Accounts(attempts_per_address=3, attempts_per_login=2, attempts_seconds=30, complaint_seconds=60)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(LIMITS, clock)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


def codes(attempts: Attempts, count: int, address: str = "192.0.2.1") -> list[int]:
    return [attempts.wrong(Kind.TOKEN, address, "unknown").code for _ in range(count)]


def expect_too_many(attempts: Attempts, login: str, address: str) -> float:
    with pytest.raises(Refusal) as caught:
        attempts.check_password_may_be_tried(login, address)
    assert (caught.value.code, caught.value.temporary) == (429, True)
    assert caught.value.retry_seconds is not None
    return caught.value.retry_seconds


def test_past_the_limit_of_an_address_wrong_ones_are_429_until_attempts_come_back(
    attempts: Attempts, clock: Clock
) -> None:
    assert codes(attempts, 5) == [401, 401, 401, 429, 429]
    assert codes(attempts, 1, "192.0.2.2") == [401]
    refusal = attempts.wrong(Kind.TOKEN, "192.0.2.1", "unknown")
    assert refusal.retry_seconds == pytest.approx(10)
    assert "try again in 10 s" in refusal.message
    clock.now += 9.9
    assert codes(attempts, 1) == [429]
    clock.now += 0.2
    assert codes(attempts, 2) == [401, 429]
    clock.now += 1_000
    assert codes(attempts, 4) == [401, 401, 401, 429]


def test_an_ipv6_network_is_one_address_and_a_mapped_one_is_its_ipv4(attempts: Attempts) -> None:
    assert codes(attempts, 2, "2001:db8::1") == [401, 401]
    assert codes(attempts, 2, "2001:db8::ffff:2") == [401, 429]
    assert codes(attempts, 1, "2001:db8:0:1::1") == [401]
    assert codes(attempts, 3, "::ffff:192.0.2.1") == [401] * 3
    assert codes(attempts, 1, "192.0.2.1") == [429]
    assert network_of("fe80::1%eth0") == "fe80::"
    assert network_of("") == ""


def test_passwords_are_not_even_looked_at_past_the_limit_of_their_login_or_address(
    attempts: Attempts, clock: Clock
) -> None:
    for address in ("192.0.2.1", "192.0.2.2"):
        attempts.check_password_may_be_tried("Ann", address)
        assert attempts.wrong_password("ann", address).code == 401
    assert expect_too_many(attempts, "aNN", "192.0.2.3") == pytest.approx(15)
    attempts.check_password_may_be_tried("bob", "192.0.2.1")
    assert codes(attempts, 2) == [401, 401]
    assert expect_too_many(attempts, "bob", "192.0.2.1") == pytest.approx(10)
    clock.now += 15.1
    attempts.check_password_may_be_tried("ann", "192.0.2.3")


def test_endless_logins_are_not_kept(attempts: Attempts) -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            attempts.wrong_password(f"{number}" + "x" * 65_536, "192.0.2.1")
        assert len(attempts._logins) == 100
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    attempts.wrong_password("\ud800", "192.0.2.1")


def test_each_kind_gets_one_log_line_in_a_while_and_no_secret(
    attempts: Attempts, clock: Clock, logged: list[Any]
) -> None:
    codes(attempts, 5)
    attempts.note_ended_session("192.0.2.9")
    assert [(event["kind"], event["address"], event["unlogged"]) for event in logged] == [
        ("token", "192.0.2.1", 0),
        ("session", "192.0.2.9", 0),
    ]
    clock.now += 61
    codes(attempts, 1)
    assert logged[-1]["unlogged"] == 4
    assert len(logged) == 3


@given(
    most=st.integers(1, 5),
    max_keys=st.integers(1, 3),
    uses=st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 20)), max_size=60),
)
def test_an_allowance_is_never_passed_and_never_remembers_more_keys_than_it_may(
    most: int, max_keys: int, uses: list[tuple[str, float]]
) -> None:
    seconds = 10.0
    allowance = Allowance(most, seconds, max_keys)
    now = 0.0
    granted: dict[str, list[float]] = {}
    for key, pause in uses:
        now += pause
        if allowance.wait_seconds(key, now) == 0:
            granted.setdefault(key, []).append(now)
        allowance.take(key, now)
        assert len(allowance) <= max_keys
    if len(granted) <= max_keys:
        for times in granted.values():
            for first, start in enumerate(times):
                for last, end in enumerate(times[first:], first):
                    assert last - first + 1 <= most + math.floor((end - start) * most / seconds + 1e-6)


def test_the_key_that_was_quiet_for_longest_is_forgotten() -> None:
    allowance = Allowance(1, 10, 2)
    for key in ("a", "b", "a", "c"):
        allowance.take(key, 0)
    assert [allowance.wait_seconds(key, 0) > 0 for key in "abc"] == [True, False, True]
