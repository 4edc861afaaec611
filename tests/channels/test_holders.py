"""Who is named as holding most: nobody who holds less than half of another, and of equals the longest unused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.holders import Holders


def named_in_turn(holders: Holders) -> list[str]:
    """Everybody, in the order in which they would lose all they hold."""
    names = []
    while True:
        try:
            names.append(holders.one_of_the_largest())
        except ValueError:
            return names
        holders.note(names[-1], 0)


def test_nobody_holds_anything() -> None:
    holders = Holders()
    holders.note("a", 0, used=True)
    with pytest.raises(ValueError, match="empty"):
        holders.one_of_the_largest()


def test_of_those_who_hold_alike_the_longest_unused_is_named() -> None:
    holders = Holders()
    for name in ("a", "b", "c", "a"):
        holders.note(name, 100, used=True)
    holders.note("d", 300, used=True)
    assert named_in_turn(holders) == ["d", "b", "c", "a"]


def test_losing_something_is_no_use() -> None:
    holders = Holders()
    for name in ("a", "b", "c"):
        holders.note(name, 100, used=True)
    holders.note("a", 90)
    assert holders.one_of_the_largest() == "a"
    holders.note("b", 200, used=True)
    holders.note("b", 70)
    assert named_in_turn(holders) == ["b", "a", "c"], "who held more goes before those who never did"


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 40), st.booleans())))
def test_who_is_named_holds_more_than_half_of_what_anybody_holds(notes: list[tuple[str, int, bool]]) -> None:
    holders, held = Holders(), dict[str, int]()
    for name, count, used in notes:
        holders.note(name, count, used=used)
        held[name] = count
        if any(held.values()):
            assert 2 * held[holders.one_of_the_largest()] > max(held.values())
    assert sorted(named_in_turn(holders)) == sorted(name for name, count in held.items() if count)
