"""The minute rate against a naive count."""

from hypothesis import given
from hypothesis import strategies as st

from framecast.streams.rate import MinuteRate


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**40)), max_size=80))
def test_the_rate_is_what_a_naive_count_of_the_last_sixty_seconds_says(steps: list[tuple[int, int]]) -> None:
    rate = MinuteRate()
    assert rate.newest_seconds is None
    seen: list[tuple[int, int]] = []
    now = 0
    for step, count in steps:
        now += step
        rate.add(now, count)
        seen.append((now, count))
        assert rate.total(now) == sum(count for moment, count in seen if now - moment < 60)
        assert rate.newest_seconds == now
    assert rate.total(now + 60) == 0


def test_one_is_counted_where_nothing_else_is_said() -> None:
    rate = MinuteRate()
    rate.add(7)
    rate.add(8)
    assert rate.total(8) == 2
