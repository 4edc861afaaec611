"""Who gets in: sources in their order, and what becomes of those whom none of them knows."""

import pytest

from framecast.accounts.gate import StrangerError, build_gate, let_strangers_pass, open_gate
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from heads import head_of

HEADERS = [b"", b"Bearer secret", b"Basic YWRtaW46YWRtaW4=", b"\xff"]
ANN = Identity(1, "ann", Role.EDITOR)
BOB = Identity(2, "bob", Role.VIEWER)


class ByHeader:
    """A source that knows one value of one header."""

    def __init__(self, name: bytes, value: bytes, identity: Identity) -> None:
        self._name = name
        self._value = value
        self._identity = identity
        self.asked = 0

    async def find(self, head: RequestHead) -> Identity | None:
        self.asked += 1
        found = head.find(self._name)
        if found is None:
            return None
        if found != self._value:
            raise Refusal(401, f"no good {self._name.decode()}")
        return self._identity


@pytest.mark.parametrize("authorization", HEADERS)
async def test_the_open_gate_lets_everybody_in_as_the_developer(authorization: bytes) -> None:
    assert await open_gate(head_of("/", (b"authorization", authorization))) == DEVELOPER
    assert DEVELOPER.org_id == 1


async def test_the_first_source_that_knows_a_request_says_who_sends_it() -> None:
    one, other = ByHeader(b"x-one", b"1", ANN), ByHeader(b"x-other", b"2", BOB)
    gate = build_gate([one, other])
    assert await gate(head_of("/", (b"x-other", b"2"))) is BOB
    assert await gate(head_of("/", (b"x-other", b"2"), (b"x-one", b"1"))) is ANN
    assert (one.asked, other.asked) == (2, 1)


async def test_what_is_no_good_is_refused_though_the_next_source_would_know_the_request() -> None:
    gate = build_gate([ByHeader(b"x-one", b"1", ANN), ByHeader(b"x-other", b"2", BOB)])
    with pytest.raises(Refusal, match="no good x-one") as caught:
        await gate(head_of("/", (b"x-one", b"wrong"), (b"x-other", b"2")))
    assert caught.value.code == 401


async def test_whom_no_source_finds_is_a_stranger() -> None:
    with pytest.raises(StrangerError, match="bring a token") as caught:
        await build_gate([ByHeader(b"x-one", b"1", ANN)])(head_of())
    assert caught.value.code == 401


async def test_strangers_pass_and_those_who_carry_something_bad_do_not() -> None:
    visit = let_strangers_pass(build_gate([ByHeader(b"x-one", b"1", ANN)]))
    assert await visit(head_of()) is None
    assert await visit(head_of("/", (b"x-one", b"1"))) is ANN
    with pytest.raises(Refusal):
        await visit(head_of("/", (b"x-one", b"wrong")))
