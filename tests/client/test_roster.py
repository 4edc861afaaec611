"""Limits that count clients: in all, from one address, of one user."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import trio

from framecast.accounts.identity import Identity, Role
from framecast.client.roster import Place, Roster
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode
from framecast.settings import Live

ALICE = Identity(1, "alice", Role.VIEWER)


def open_roster(**limits: Any) -> Roster:
    return Roster(Live(**limits), trio.Event())


def is_full(roster: Roster, address: str = "192.0.2.1") -> bool:
    with roster.place(address) as place:
        return place is None


def take(stack: ExitStack, roster: Roster, address: str = "192.0.2.1") -> Place:
    place = stack.enter_context(roster.place(address))
    assert place is not None
    return place


def test_places_are_limited_and_given_back() -> None:
    roster = open_roster(max_connections=2)
    with roster.place("192.0.2.1"):
        with roster.place("192.0.2.2"):
            assert is_full(roster)
            assert len(roster) == 2
        assert not is_full(roster)
    assert len(roster) == 0


def test_unlimited_is_unlimited() -> None:
    roster = open_roster(max_connections=-1)
    with ExitStack() as stack:
        for _ in range(1_000):
            take(stack, roster)
        assert not is_full(roster)


def test_an_address_has_its_own_limit() -> None:
    roster = open_roster(max_connections=-1, max_connections_per_address=1)
    with roster.place("192.0.2.1"):
        assert is_full(roster, "192.0.2.1")
        assert not is_full(roster, "192.0.2.2")
    assert not is_full(roster, "192.0.2.1")


def test_a_user_has_a_limit_of_its_own_and_nobody_has_none() -> None:
    roster = open_roster(max_connections=-1, max_connections_per_user=1)
    with ExitStack() as stack:
        first, second, third = (take(stack, roster) for _ in range(3))
        first.sign_in(ALICE)
        with pytest.raises(PeerError):
            second.sign_in(ALICE)
        second.sign_in(Identity(2, "alice", Role.VIEWER))
        for _ in range(2):
            third.sign_in(Identity(1, "", Role.VIEWER))
    with ExitStack() as stack:
        take(stack, roster).sign_in(ALICE)


def test_all_connections_of_a_user_can_be_ended() -> None:
    roster = open_roster()
    ended: list[CloseCode] = []
    with ExitStack() as stack:
        one, other, early = (take(stack, roster) for _ in range(3))
        one.end = other.end = ended.append
        one.sign_in(ALICE)
        early.sign_in(ALICE)
        other.sign_in(Identity(1, "bob", Role.VIEWER))
        assert roster.disconnect(1, "alice", CloseCode.FORCE_DISCONNECT) == 2
        assert roster.disconnect(2, "alice", CloseCode.FORCE_DISCONNECT) == 0
    assert ended == [CloseCode.FORCE_DISCONNECT]
    assert roster.disconnect(1, "alice", CloseCode.FORCE_DISCONNECT) == 0


def test_clients_are_found_and_ended_by_what_let_them_in() -> None:
    roster = open_roster(max_connections=-1, max_connections_per_user=2)
    ended: list[tuple[str, CloseCode]] = []
    by_token = Identity(1, "alice", Role.VIEWER, credential="token:1")
    nameless = Identity(1, "", Role.VIEWER, credential="token:1")
    with ExitStack() as stack:
        one, other, unnamed, early = (take(stack, roster) for _ in range(4))
        for name, place in (("one", one), ("other", other), ("unnamed", unnamed), ("early", early)):
            place.end = lambda close, name=name: ended.append((name, close))
        assert roster.identities() == []
        one.sign_in(by_token)
        other.sign_in(ALICE)
        unnamed.sign_in(nameless)
        assert sorted(roster.identities(), key=repr) == sorted([by_token, ALICE, nameless], key=repr)
        refused = take(stack, roster)
        with pytest.raises(PeerError):
            refused.sign_in(by_token)
        assert len(roster.identities()) == 3
        roster.end(lambda identity: identity.credential == "token:1", may_return=True)
        assert sorted(ended) == [("one", CloseCode.CONNECTION_EXPIRED), ("unnamed", CloseCode.CONNECTION_EXPIRED)]
        ended.clear()
        roster.end(lambda identity: identity == ALICE, may_return=False)
        assert ended == [("other", CloseCode.FORCE_DISCONNECT)]
    assert roster.identities() == []


def test_a_place_is_free_again_after_a_failure() -> None:
    roster = open_roster(max_connections=1)
    with pytest.raises(RuntimeError), roster.place("192.0.2.1"):
        raise RuntimeError("a bug")
    assert not is_full(roster)


@pytest.mark.parametrize(("limit", "ending", "word"), [(0, False, "switched off"), (1, True, "shutting down")])
def test_a_closed_roster_says_why(limit: int, ending: bool, word: str) -> None:
    stopping = trio.Event()
    if ending:
        stopping.set()
    with pytest.raises(Refusal, match=word) as refused:
        Roster(Live(max_connections=limit), stopping).check_open()
    assert (refused.value.code, refused.value.temporary) == (503, ending)


def test_nothing_is_kept_of_those_who_left() -> None:
    roster = open_roster(max_connections=-1)
    for number in range(3):
        with roster.place(f"192.0.2.{number}") as place:
            assert place is not None
            place.sign_in(Identity(1, f"user{number}", Role.VIEWER))
            assert all(map(len, (roster._places, roster._by_address, roster._by_user)))
    assert not any(map(len, (roster._places, roster._by_address, roster._by_user)))


def test_who_was_not_let_in_yet_makes_room_the_longest_there_first() -> None:
    roster = open_roster(max_connections=3)
    ended: list[str] = []

    def ends(name: str) -> Callable[[CloseCode], None]:
        return lambda close: ended.append(f"{name} {close.code}")

    with ExitStack() as stack:
        places = {name: take(stack, roster) for name in ("alice", "nobody", "stranger")}
        for name, place in places.items():
            place.end = ends(name)
        places["alice"].sign_in(ALICE)
        places["nobody"].sign_in(Identity(1, "", Role.VIEWER))
        late = take(stack, roster)
        assert ended == ["stranger 3013"]
        assert len(roster) == 3
        with pytest.raises(PeerError, match="too many requests"):
            places["stranger"].sign_in(Identity(1, "bob", Role.VIEWER))
        late.sign_in(Identity(1, "carol", Role.VIEWER))
        assert is_full(roster)
        assert len(roster) == 3
    assert len(roster) == 0


def test_at_the_limit_of_an_address_only_its_own_newcomers_make_room() -> None:
    roster = open_roster(max_connections=-1, max_connections_per_address=1)
    ended: list[str] = []
    with ExitStack() as stack:
        take(stack, roster, "192.0.2.2").end = lambda close: ended.append("other")
        one = take(stack, roster)
        one.end = lambda close: ended.append("one")
        two = take(stack, roster)
        assert ended == ["one"]
        two.end = lambda close: ended.append("two")
        two.sign_in(ALICE)
        assert is_full(roster)
    assert ended == ["one"]
    assert not is_full(roster)
