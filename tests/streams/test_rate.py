"""The minute rate against a naive count."""

from hypothesis import given
from hypothesis import strategies as st

from framecast.streams.rate import MinuteRate


@given(st.lists(st.integers(0, 40), max_size=80))
def test_the_rate_is_what_a_naive_count_of_the_last_sixty_seconds_says(steps: list[int]) -> None:
    rate = MinuteRate()
    seen: list[int] = []
    now = 1_000
    for step in steps:
        now += step
        rate.add(now)
        seen.append(now)
        assert rate.total(now) == sum(1 for moment in seen if now - moment < 60)
    assert rate.total(now + 60) == 0
