"""Time for tokens and sessions goes on, and never back."""

from hypothesis import given
from hypothesis import strategies as st
from registered import Clocks

STEPS = st.lists(
    st.tuples(st.sampled_from(["advance", "set"]), st.floats(0, 1e6)) | st.tuples(st.just("set"), st.floats(-1e6, 0))
)


def test_it_follows_the_wall_clock_forwards_and_goes_on_at_its_own_pace_when_that_is_set_back() -> None:
    clocks = Clocks(wall=1_000.0)
    now = clocks.started()
    clocks.advance(5)
    assert now() == 1_005
    clocks.wall += 3_600  # the machine slept
    assert now() == 4_605
    clocks.wall -= 10_000
    assert now() == 4_605
    clocks.advance(7)
    assert now() == 4_612
    clocks.wall += 10_000
    assert now() == 4_612
    clocks.wall += 1
    assert now() == 4_613


@given(STEPS)
def test_it_never_goes_back_and_is_never_behind_the_wall_clock_or_slower_than_time(
    steps: list[tuple[str, float]],
) -> None:
    clocks = Clocks(wall=0.0, steady=0.0)
    now = clocks.started()
    before, steady = now(), clocks.steady
    for kind, seconds in steps:
        if kind == "advance":
            clocks.advance(seconds)
        else:
            clocks.wall += seconds
        after = now()
        assert after >= before
        assert after >= clocks.wall
        assert after - before >= (clocks.steady - steady) * 0.999_999 - 1e-6
        before, steady = after, clocks.steady


def test_a_new_process_begins_with_the_wall_clock() -> None:
    clocks = Clocks(wall=1_000.0)
    clocks.started()
    clocks.wall = 400.0
    assert clocks.started()() == 400
