"""How many subscribers are served at once."""

import pytest
import trio

from framecast.client.roster import Roster
from framecast.errors import Refusal
from framecast.protocol.codes import CloseCode


def test_one_past_the_limit_is_turned_away_and_takes_no_place() -> None:
    roster = Roster(2, trio.Event())
    with roster.place() as first, roster.place() as second:
        assert (first, second) == (None, None)
        for _ in range(3):
            with roster.place() as third:
                assert third is CloseCode.CONNECTION_LIMIT
    with roster.place() as first, roster.place() as second:
        assert (first, second) == (None, None)


def test_a_place_is_free_again_after_a_failure() -> None:
    roster = Roster(1, trio.Event())
    with pytest.raises(RuntimeError), roster.place():
        raise RuntimeError("a bug")
    with roster.place() as full:
        assert full is None


def test_minus_one_is_no_limit() -> None:
    roster = Roster(-1, trio.Event())
    with roster.place() as first, roster.place() as second:
        assert (first, second) == (None, None)


@pytest.mark.parametrize(("limit", "ending", "word"), [(0, False, "switched off"), (1, True, "shutting down")])
def test_a_closed_roster_says_why(limit: int, ending: bool, word: str) -> None:
    stopping = trio.Event()
    if ending:
        stopping.set()
    with pytest.raises(Refusal, match=word) as refused:
        Roster(limit, stopping).check_open()
    assert (refused.value.code, refused.value.temporary) == (503, ending)


def test_an_open_roster_lets_pass_even_when_it_is_full() -> None:
    roster = Roster(1, trio.Event())
    with roster.place() as full:
        assert full is None
        roster.check_open()
