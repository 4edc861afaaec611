"""Who a client turns out to be, with real tokens."""

from collections.abc import Awaitable
from pathlib import Path

import pytest
from issuer import NOW, sign, verifier
from registered import registered

from framecast.accounts.admission import NOTHING, Admission, Admissions, Grant
from framecast.accounts.attempts import Attempts
from framecast.accounts.gate import let_strangers_pass, open_gate
from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.accounts.register.service_tokens import NewToken
from framecast.accounts.tokens.claims import Override
from framecast.errors import PeerError, Refusal
from framecast.settings import Accounts
from gates import closed_gate
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


async def test_a_visitor_with_a_token_is_who_the_token_says_and_nothing_of_the_visitor() -> None:
    visitor = Identity(7, "somebody", Role.ADMIN, server_admin=True)
    admission = await admissions().connect(visitor, sign({"sub": "alice"}))
    assert admission.identity == ALICE


CLAIMS = {"org_claim": "org", "role_claim": "role", "server_admin_claim": "admin"}


async def test_a_token_says_what_its_user_is_where_the_settings_name_the_claims() -> None:
    told = {"sub": "alice", "org": 2, "role": "Editor", "admin": True}
    rules = Admissions(verifier(**CLAIMS), lambda: NOW)
    assert (await rules.connect(None, sign(told))).identity == Identity(2, "alice", Role.EDITOR, server_admin=True)
    assert (await admissions().connect(None, sign(told))).identity == ALICE
    unnamed = Admissions(verifier(org=3, role="Editor", **CLAIMS), lambda: NOW)
    assert (await unnamed.connect(None, sign({"sub": "alice"}))).identity == Identity(3, "alice", Role.EDITOR)


async def test_a_new_token_that_grants_something_else_has_the_client_come_back_with_it() -> None:
    rules = Admissions(verifier(**CLAIMS), lambda: NOW)
    first = await rules.connect(None, sign({"sub": "alice", "role": "Editor"}))
    assert (await rules.refresh(first, sign({"sub": "alice", "role": "Editor"}))).identity == first.identity
    for other in ({"role": "Viewer"}, {"role": "Editor", "org": 2}, {"role": "Editor", "admin": True}):
        with pytest.raises(PeerError) as caught:
            await rules.refresh(first, sign({"sub": "alice", **other}))
        assert caught.value.code == 3011


async def refusal_code(connecting: Awaitable[object]) -> int:
    with pytest.raises((Refusal, PeerError)) as caught:
        await connecting
    assert isinstance(caught.value, Refusal | PeerError)
    return caught.value.code


async def test_a_service_token_lets_in_by_connect_and_is_never_taken_for_a_jwt(tmp_path: Path) -> None:
    async with registered(tmp_path) as office:
        register, directory = office.register, office.register.directory
        await register.orgs.create("Main Org.")
        token, secret = await register.service_tokens.create(NewToken(1, "wall", Role.EDITOR))
        attempts = Attempts(Accounts())
        rules = Admissions(verifier(), lambda: NOW, directory=directory, attempts=attempts)
        wall = Identity(1, "token:wall", Role.EDITOR, credential="token:1")
        for visitor in (None, DEVELOPER):
            assert await rules.connect(visitor, secret) == Admission(wall)
        assert await refusal_code(rules.connect(None, secret[:-1])) == 3500
        assert (await rules.connect(None, sign({"sub": "alice"}))).identity == ALICE
        assert await refusal_code(rules.connect(None, sign({"sub": "alice"})[:-3])) == 3500
        switched_off = Admissions(verifier(), lambda: NOW, directory=directory)
        assert await refusal_code(switched_off.connect(None, secret)) == 101
        with_dev = Admissions(None, lambda: NOW)
        assert (await with_dev.connect(DEVELOPER, secret)).identity is DEVELOPER
        await register.service_tokens.revoke(token.token_id)
        assert await refusal_code(rules.connect(DEVELOPER, secret)) == 3500


async def test_a_visitor_that_was_revoked_since_the_door_does_not_get_in(tmp_path: Path) -> None:
    async with registered(tmp_path) as office:
        register, directory = office.register, office.register.directory
        await register.orgs.create("Main Org.")
        token, secret = await register.service_tokens.create(NewToken(1, "wall"))
        rules = Admissions(None, lambda: NOW, directory=directory, attempts=Attempts(Accounts()))
        visitor = directory.tokens.find_secret(secret, directory.clock())
        assert (await rules.connect(visitor, "")).identity == visitor
        assert (await rules.connect(ALICE, "")).identity == ALICE  # of somebody else's vouching
        await register.service_tokens.revoke(token.token_id)
        assert await refusal_code(rules.connect(visitor, "")) == 3500


async def test_a_token_for_an_org_that_there_is_not_is_no_good(tmp_path: Path) -> None:
    async with registered(tmp_path) as office:
        rules = Admissions(verifier(**CLAIMS), lambda: NOW, directory=office.register.directory)
        assert await refusal_code(rules.connect(None, sign({"sub": "alice"}))) == 3500
        await office.register.orgs.create("Main Org.")
        assert (await rules.connect(None, sign({"sub": "alice"}))).identity == ALICE
        assert await refusal_code(rules.connect(None, sign({"sub": "alice", "org": 2}))) == 3500


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
