"""What senders may have in a second: against a naive count over every window, and who shares with whom."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.accounts.identity import DEVELOPER, Identity, Quota, Role
from framecast.accounts.rates import Rates
from framecast.errors import Refusal
from framecast.settings import Rates as Limits
from heads import head_of

HERE, THERE = "203.0.113.1", "203.0.113.2"
ANN = Identity(1, "ann", Role.EDITOR, credential="session:5")
NOBODY = Identity(1, "", Role.VIEWER)


def token(number: int = 1, quota: Quota | None = None) -> Identity:
    return Identity(1, f"token:t{number}", Role.EDITOR, quota=quota, credential=f"token:{number}")


@dataclass
class Desk:
    limits: Limits = field(default_factory=Limits)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.rates = Rates(self.limits, lambda: self.now)

    def allows(self, identity: Identity, address: str = HERE) -> bool:
        try:
            self.rates.check_request(identity, address)
        except Refusal as refusal:
            assert (refusal.code, refusal.temporary) == (429, True)
            assert refusal.retry_seconds is not None
            assert refusal.retry_seconds > 0
            return False
        return True

    def had(self, identity: Identity, address: str = HERE, *, tries: int = 50) -> int:
        return sum(self.allows(identity, address) for _ in range(tries))


def test_nobody_is_limited_or_remembered_to_begin_with() -> None:
    desk = Desk()
    for identity in (token(), ANN, NOBODY, DEVELOPER):
        assert desk.had(identity, tries=10_000) == 10_000
        assert desk.rates.take_message(identity, HERE, 10**9) == 0
        desk.rates.note_pushed(identity, HERE, 10**12)
        desk.rates.check_push(identity, HERE)
    assert len(desk.rates) == 0


@given(
    rate=st.floats(0.1, 50),
    burst_seconds=st.floats(0.5, 20),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_window_holds_more_than_its_rate_and_one_burst(rate: float, burst_seconds: float, gaps: list[float]) -> None:
    desk = Desk(Limits(token_requests_per_second=rate, burst_seconds=burst_seconds))
    times = []
    for gap in gaps:
        desk.now += gap
        if desk.allows(token()):
            times.append(desk.now)
    burst = max(1.0, rate * burst_seconds)
    for first, began in enumerate(times):
        for count, ended in enumerate(times[first:], 1):
            assert count <= burst + rate * (ended - began) + 1e-6


@given(rate=st.floats(0.1, 50), tries=st.integers(1, 300))
def test_who_comes_when_it_was_told_to_gets_through(rate: float, tries: int) -> None:
    desk = Desk(Limits(token_requests_per_second=rate, burst_seconds=1))
    for _ in range(tries):
        try:
            desk.rates.check_request(token(), HERE)
        except Refusal as refusal:
            assert refusal.retry_seconds is not None
            desk.now += refusal.retry_seconds * (1 + 1e-9) + 1e-9
            desk.rates.check_request(token(), HERE)


def test_refused_requests_count_for_nothing() -> None:
    desk = Desk(Limits(token_requests_per_second=1, burst_seconds=2))
    assert desk.had(token(), tries=1_000) == 2
    desk.now += 1
    assert desk.had(token(), tries=1_000) == 1


def test_a_token_is_one_sender_whoever_shows_it_and_another_one_is_another() -> None:
    desk = Desk(Limits(token_requests_per_second=1))
    assert desk.had(token(1), HERE) == 10
    assert desk.had(token(1), THERE) == 0
    assert desk.had(token(2), HERE) == 10
    assert desk.had(ANN) == 50


def test_a_user_is_one_sender_in_all_its_sessions_and_another_one_in_another_org() -> None:
    desk = Desk(Limits(user_requests_per_second=1))
    assert desk.had(ANN) == 10
    assert desk.had(Identity(1, "ann", Role.EDITOR, credential="user:1"), THERE) == 0
    assert desk.had(Identity(2, "ann", Role.EDITOR)) == 10


def test_nobody_in_particular_is_its_address_or_network() -> None:
    desk = Desk(Limits(address_requests_per_second=1))
    assert [desk.had(NOBODY, place) for place in (HERE, HERE, THERE)] == [10, 0, 10]
    assert [desk.had(NOBODY, place) for place in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")] == [10, 0, 10]


def test_what_a_token_says_goes_before_the_settings() -> None:
    desk = Desk(Limits(token_requests_per_second=1, token_bytes_per_second=10))
    assert desk.had(token(1, Quota(requests_per_second=3))) == 30
    assert desk.had(token(2, Quota(requests_per_second=0))) == 50
    assert desk.had(token(3, Quota(bytes_per_second=5))) == 10
    assert desk.rates.take_message(token(2, Quota(requests_per_second=0)), HERE, 200) == pytest.approx(10)
    assert desk.rates.take_message(token(4, Quota(bytes_per_second=0)), HERE, 10**9) == 0


def test_a_large_body_is_taken_and_then_paid_for() -> None:
    desk = Desk(Limits(token_bytes_per_second=100, burst_seconds=10))
    desk.rates.check_push(token(), HERE)
    desk.rates.note_pushed(token(), HERE, 3_000)
    with pytest.raises(Refusal, match=r"this token may push 100 bytes a second .* try again in 20 s") as caught:
        desk.rates.check_push(token(), HERE)
    refusal = caught.value
    assert refusal.retry_seconds == pytest.approx(20)
    assert refusal.details == {"limit": "rates.token_bytes_per_second", "allowed": 100, "retryAfterSeconds": 20}
    desk.rates.check_request(token(), HERE)  # bytes are no matter of other requests
    desk.now += 20.001
    desk.rates.check_push(token(), HERE)


def test_a_message_is_followed_by_a_rest_for_whatever_takes_longest() -> None:
    desk = Desk(Limits(token_bytes_per_second=100, token_requests_per_second=1, burst_seconds=1))
    assert desk.rates.take_message(token(), HERE, 50) == 0
    assert desk.rates.take_message(token(), HERE, 550) == pytest.approx(5)
    assert [desk.rates.take_message(token(), HERE, 0) for _ in range(6)][-1] == pytest.approx(7)


@pytest.mark.parametrize(
    ("quota", "told"), [(None, "rates.token_requests_per_second"), (Quota(1), "the token's own requests_per_second")]
)
def test_a_refusal_says_whose_limit_it_is(quota: Quota | None, told: str) -> None:
    desk = Desk(Limits(token_requests_per_second=1))
    desk.had(token(1, quota))
    with pytest.raises(Refusal, match=r"this token may send 1 requests a second") as caught:
        desk.rates.check_request(token(1, quota), HERE)
    assert caught.value.details["limit"] == told


def test_as_many_senders_are_remembered_as_the_settings_say_and_kinds_apart() -> None:
    desk = Desk(Limits(token_requests_per_second=1, address_requests_per_second=1, kept=3))
    assert desk.had(token(1)) == 10
    for number in range(300):
        desk.allows(NOBODY, f"198.51.{number // 250}.{number % 250}")
    assert len(desk.rates) == 4
    assert desk.had(token(1)) == 0, "addresses, of which there are any number, must not have a token forgotten"
    desk.had(token(2))
    desk.allows(token(1))
    desk.had(token(3))
    desk.had(token(4))
    assert desk.had(token(1)) == 0, "the one that was quiet for longest goes"
    assert len(desk.rates) == 6


async def test_a_gate_counts_who_gets_through_and_strangers_when_they_are_known() -> None:
    desk = Desk(Limits(token_requests_per_second=1, burst_seconds=1))
    known: list[Identity | None] = [token()]

    async def gate(head: object) -> Identity:
        assert known[0] is not None
        return known[0]

    async def visitors(head: object) -> Identity | None:
        return known[0]

    head = head_of("/", peer=HERE)
    assert await desk.rates.counting(gate)(head) == token()
    with pytest.raises(Refusal, match="Too Many Requests"):
        await desk.rates.counting(gate)(head)
    with pytest.raises(Refusal, match="Too Many Requests"):
        await desk.rates.counting_known(visitors)(head)
    known[0] = None
    assert await desk.rates.counting_known(visitors)(head) is None
