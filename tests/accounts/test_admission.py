"""Who a client turns out to be, with real tokens."""

import pytest
from issuer import NOW, sign, verifier

from framecast.accounts.admission import NOTHING, Admissions, Grant
from framecast.accounts.gate import closed_gate, let_strangers_pass, open_gate
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.accounts.tokens.claims import Override
from framecast.errors import PeerError, Refusal
from heads import head_of

ALICE = Identity(1, "alice", Role.VIEWER)


def admissions() -> Admissions:
    return Admissions(verifier(), lambda: NOW)


async def test_strangers_pass_only_where_they_can_show_a_token_later() -> None:
    assert await let_strangers_pass(closed_gate)(head_of()) is None
    assert await let_strangers_pass(open_gate)(head_of()) is DEVELOPER


async def test_without_keys_a_token_means_nothing() -> None:
    off = Admissions(None, lambda: NOW)
    admission = await off.connect(DEVELOPER, "anything")
    assert (admission.identity, admission.lasts_until) == (DEVELOPER, None)
    assert await off.subscription(admission, channel="stream/a/b", client="c", token="anything") is NOTHING
    with pytest.raises(PeerError) as caught:
        await off.refresh(admission, "anything")
    assert caught.value.code == 3501


async def test_a_visitor_needs_no_token_and_a_stranger_does() -> None:
    assert (await admissions().connect(DEVELOPER, "")).identity is DEVELOPER
    with pytest.raises(Refusal) as caught:
        await admissions().connect(None, "")
    assert caught.value.code == 101


async def test_a_token_says_who_it_is_and_for_how_long() -> None:
    token = sign(
        {
            "sub": "alice",
            "exp": NOW + 60,
            "info": {"n": 1},
            "channels": ["stream/a/b"],
            "subs": {"stream/a/c": {"info": 2, "data": 3, "override": {"join_leave": {"value": False}}}},
        }
    )
    admission = await admissions().connect(None, token)
    assert admission.identity == ALICE
    assert admission.conn_info == b'{"n":1}'
    assert admission.lasts_until == pytest.approx(NOW + 60, abs=60)
    granted = Grant(b"2", b"3", override=Override(join_leave=False))
    assert dict(admission.channels) == {"stream/a/b": NOTHING, "stream/a/c": granted}


async def test_a_visitor_with_a_token_is_who_the_token_says_in_the_visitors_org() -> None:
    visitor = Identity(7, "somebody", Role.ADMIN)
    admission = await admissions().connect(visitor, sign({"sub": "alice"}))
    assert admission.identity == Identity(7, "alice", Role.VIEWER)


async def test_a_new_token_is_for_the_same_user_and_keeps_the_channels() -> None:
    rules = admissions()
    first = await rules.connect(None, sign({"sub": "alice", "exp": NOW + 60, "channels": ["stream/a/b"]}))
    second = await rules.refresh(first, sign({"sub": "alice", "channels": ["stream/a/c"]}))
    assert (second.identity, second.lasts_until, dict(second.channels)) == (ALICE, None, {"stream/a/b": NOTHING})
    with pytest.raises(PeerError) as caught:
        await rules.refresh(first, sign({"sub": "bob"}))
    assert caught.value.code == 3500


async def test_a_subscription_token_is_for_this_user() -> None:
    rules = admissions()
    alice = await rules.connect(None, sign({"sub": "alice"}))
    token = sign({"sub": "alice", "channel": "stream/a/b", "info": 1, "data": {"x": 2}})
    grant = await rules.subscription(alice, channel="stream/a/b", client="c", token=token)
    assert (grant.info, grant.data, grant.lasts_until) == (b"1", b'{"x":2}', None)
    assert await rules.subscription(alice, channel="stream/a/b", client="c", token="") is NOTHING
    bob = await rules.connect(None, sign({"sub": "bob"}))
    with pytest.raises(PeerError) as caught:
        await rules.subscription(bob, channel="stream/a/b", client="c", token=token)
    assert caught.value.code == 3500


async def test_who_only_listens_is_subscribed_to_what_it_names_besides() -> None:
    admission = await admissions().connect(None, sign({"sub": "alice", "subs": {"stream/a/b": {"info": 1}}}))
    both = admission.subscribed_to(["stream/a/b", "stream/a/c"])
    assert dict(both.channels) == {"stream/a/b": Grant(b"1"), "stream/a/c": NOTHING}
