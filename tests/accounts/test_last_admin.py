"""Somebody stays who may undo a change: each way to lose the last admin, and two who try at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
from registered import Office, registered

from framecast.accounts.identity import Quota, Reach, Role
from framecast.accounts.register.register import Register
from framecast.accounts.register.service_tokens import NewToken
from framecast.accounts.register.users import NewUser
from framecast.errors import Refusal
from framecast.settings import Accounts

ANN = NewUser("ann", "hash", 1, Role.ADMIN, server_admin=True)
BOB = NewUser("bob", "hash", 1, Role.ADMIN, server_admin=True)

Change = Callable[[Register], Awaitable[object]]
WAYS: dict[str, tuple[Change, str]] = {
    "removed": (lambda register: register.users.remove(1), "a server admin"),
    "disabled": (lambda register: register.users.set_disabled(1, disabled=True), "a server admin"),
    "no server admin": (lambda register: register.users.set_server_admin(1, server_admin=False), "a server admin"),
    "an editor": (lambda register: register.users.set_role(1, 1, Role.EDITOR), "an Admin of org 1"),
    "gone from the org": (lambda register: register.users.leave(1, 1), "an Admin of org 1"),
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """With orgs 1 and 2, and ann, who may do everything in the first."""
    async with registered(tmp_path) as office:
        await office.register.orgs.create("Main Org.")
        await office.register.orgs.create("Other")
        await office.register.users.create(ANN)
        yield office


async def is_refused(change: Awaitable[object], words: str = "nobody would be left") -> bool:
    try:
        await change
    except Refusal as refusal:
        assert refusal.code == 409
        assert words in refusal.message
        assert "--force" in refusal.message
        return True
    return False


@pytest.mark.parametrize("way", WAYS)
async def test_the_last_admin_stays_until_there_is_another_one(way: str, office: Office) -> None:
    change, words = WAYS[way]
    before = office.register.directory.identify_user(1, 1, "user:1")
    assert await is_refused(change(office.register), words)
    assert office.register.directory.identify_user(1, 1, "user:1") == before
    assert office.revoked == []
    await office.register.users.create(BOB)
    assert not await is_refused(change(office.register))
    assert office.register.directory.identify_user(1, 1, "user:1") != before


@pytest.mark.parametrize("way", WAYS)
async def test_of_two_admins_who_do_it_to_each_other_at_once_one_stays(way: str, office: Office) -> None:
    register = office.register
    await register.users.create(BOB)
    turned: dict[str, Callable[[int], Awaitable[object]]] = {
        "removed": register.users.remove,
        "disabled": lambda user: register.users.set_disabled(user, disabled=True),
        "no server admin": lambda user: register.users.set_server_admin(user, server_admin=False),
        "an editor": lambda user: register.users.set_role(user, 1, Role.EDITOR),
        "gone from the org": lambda user: register.users.leave(user, 1),
    }
    refused: list[bool] = []

    async def turn_on(user: int) -> None:
        refused.append(await is_refused(turned[way](user)))

    async with trio.open_nursery() as nursery:
        for user in (1, 2):
            nursery.start_soon(turn_on, user)
    assert sorted(refused) == [False, True]


@pytest.mark.parametrize("way", WAYS)
async def test_who_holds_the_files_may_lose_the_last_one(way: str, office: Office) -> None:
    office.register.desk.last_admin.may_go = True
    assert not await is_refused(WAYS[way][0](office.register))


async def test_a_token_is_an_admin_as_well_unless_it_ends_or_is_limited(office: Office) -> None:
    register = office.register
    expires = register.directory.clock() + 1_000
    for number, wanted in enumerate(
        (
            NewToken(1, "ends", Role.ADMIN, server_admin=True, expires=expires),
            NewToken(1, "limited", Role.ADMIN, reach=Reach(push=("*",))),
            NewToken(2, "elsewhere", Role.ADMIN),
            NewToken(1, "editor", Role.EDITOR),
        ),
        1,
    ):
        await register.service_tokens.create(wanted)
        assert await is_refused(register.users.remove(1))
        assert not await is_refused(register.service_tokens.revoke(number)) or wanted.org_id == 2
    await register.service_tokens.create(NewToken(1, "root", Role.ADMIN, server_admin=True))
    assert not await is_refused(register.users.remove(1))
    assert await is_refused(register.service_tokens.revoke(5))


async def test_an_admin_of_a_token_can_do_something_however_little_is_sent_with_it(office: Office) -> None:
    tokens = office.register.service_tokens
    with pytest.raises(Refusal, match=r"requestsPerSecond must be 0, which is no limit, or from 0\.001"):
        await tokens.create(NewToken(1, "idle", Role.ADMIN, server_admin=True, quota=Quota(1e-9)))
    token, _ = await tokens.create(NewToken(1, "slow", Role.ADMIN, server_admin=True, quota=Quota(0.001)))
    await office.register.users.remove(1)
    for less in (1e-9, float("nan"), -1.0):
        with pytest.raises(Refusal, match="requestsPerSecond"):
            await tokens.limit(token.token_id, partial(replace, requests_per_second=less))
    assert await is_refused(tokens.revoke(token.token_id))


@pytest.mark.parametrize(("passwords", "tokens"), [(False, True), (True, False)])
async def test_who_cannot_get_in_is_nobody(passwords: bool, tokens: bool, tmp_path: Path) -> None:
    async with registered(tmp_path, limits=Accounts(passwords=passwords, service_tokens=tokens)) as office:
        register = office.register
        await register.orgs.create("Main Org.")
        await register.users.create(ANN)
        await register.service_tokens.create(NewToken(1, "root", Role.ADMIN, server_admin=True))
        assert await is_refused(register.users.remove(1)) is passwords
        assert await is_refused(register.service_tokens.revoke(1)) is tokens


async def test_with_an_org_the_last_server_admin_does_not_go(office: Office) -> None:
    register = office.register
    await register.users.set_role(1, 2, Role.VIEWER)
    await register.users.create(NewUser("eve", "hash", 1, Role.ADMIN))
    await register.users.leave(1, 1)
    assert await is_refused(register.orgs.remove(2), "a server admin")
    assert await is_refused(register.users.leave(1, 2), "a server admin"), "who is in no org does not get in"
    await register.users.set_role(1, 1, Role.VIEWER)
    assert not await is_refused(register.orgs.remove(2))


async def test_where_there_was_none_nothing_is_refused(office: Office) -> None:
    register = office.register
    await register.users.create(NewUser("eve", "hash", 2, Role.EDITOR))
    assert not await is_refused(register.users.set_role(2, 2, Role.VIEWER))
    assert not await is_refused(register.users.leave(2, 2))
    assert not await is_refused(register.users.remove(2))
