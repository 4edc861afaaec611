"""Logins with passwords: found, counted, remembered for a while, and as costly for a login that nobody has."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from registered import Office, registered

from framecast.accounts.attempts import Attempts
from framecast.accounts.logins import Logins
from framecast.accounts.passwords import Passwords
from framecast.accounts.register.users import NewUser
from framecast.errors import Refusal
from framecast.settings import Accounts
from framecast.store.users import User

LIMITS = Accounts(password_kib=8, password_passes=1, attempts_per_login=3, attempts_per_address=5, attempts_seconds=60)
HORSE = "correct horse"


class CountedPasswords(Passwords):
    """The real ones, and how often they hashed."""

    def __init__(self, limits: Accounts) -> None:
        super().__init__(limits)
        self.hashed = 0
        self.meanwhile: Any = None

    async def verify(
        self, password: str, kept: str, *, before: Callable[[], None] = lambda: None
    ) -> tuple[bool, str | None]:
        def counted() -> None:
            before()
            self.hashed += 1

        result = await super().verify(password, kept, before=counted)
        if self.meanwhile is not None:
            await self.meanwhile()
        return result


class World:
    def __init__(self, office: Office, limits: Accounts) -> None:
        self.now = 0.0
        self.register = office.register
        self.passwords = CountedPasswords(limits)
        self.attempts = Attempts(limits, lambda: self.now)
        self.logins = Logins(office.register, self.passwords, self.attempts, lambda: self.now)
        self.ann: User

    async def find(self, login: str = "ann", password: str = HORSE, address: str = "192.0.2.1") -> User:
        return await self.logins.find(login, password, address)

    async def refusal(self, login: str = "ann", password: str = "wrong", address: str = "192.0.2.1") -> int:
        with pytest.raises(Refusal) as caught:
            await self.find(login, password, address)
        return caught.value.code


async def open_world(office: Office, limits: Accounts = LIMITS) -> World:
    world = World(office, limits)
    if not len(office.register.directory.orgs):
        await office.register.orgs.create("Main Org.")
        kept = await world.passwords.hash(HORSE)
        await office.register.users.create(NewUser("ann", kept, 1))
    world.ann = office.register.directory.users.get(1)
    return world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with registered(tmp_path, limits=LIMITS) as office:
        with structlog.testing.capture_logs():
            yield await open_world(office)


async def test_who_has_the_login_and_the_password_is_found(world: World) -> None:
    assert await world.find() == world.ann
    assert await world.find("ANN") == world.ann
    assert await world.refusal() == 401
    assert await world.refusal("bob", HORSE) == 401


async def test_a_login_that_nobody_has_costs_as_much_as_a_wrong_password(world: World) -> None:
    await world.refusal("bob", HORSE)
    await world.refusal("ann", "wrong")
    assert world.passwords.hashed == 2


async def test_a_password_that_was_right_is_known_again_without_hashing_for_a_while(world: World) -> None:
    for _ in range(3):
        assert await world.find() == world.ann
    assert world.passwords.hashed == 1
    assert await world.refusal() == 401
    world.now += LIMITS.remember_seconds + 1
    assert await world.find() == world.ann
    assert world.passwords.hashed == 3


async def test_what_is_remembered_ends_with_the_password_and_with_the_user(world: World) -> None:
    await world.find()
    await world.register.users.set_disabled(1, disabled=True)
    assert await world.refusal(password=HORSE) == 401
    await world.register.users.set_disabled(1, disabled=False)
    assert await world.find() == replace(world.ann, disabled=False)
    await world.register.users.set_password(1, await world.passwords.hash("another horse"))
    assert await world.refusal(password=HORSE) == 401
    assert (await world.find(password="another horse")).user_id == 1
    await world.register.users.remove(1)
    assert await world.refusal(password="another horse") == 401


async def test_no_more_passwords_are_remembered_than_may(tmp_path: Path) -> None:
    limits = Accounts(password_kib=8, password_passes=1, remembered_passwords=1)
    async with registered(tmp_path, limits=limits) as office:
        world = await open_world(office, limits)
        await office.register.users.create(NewUser("bob", world.ann.password_hash, 1))
        for login in ("ann", "bob", "bob", "ann"):
            await world.find(login)
        assert world.passwords.hashed == 3
        assert len(world.logins._remembered) == 1


async def test_none_is_remembered_where_that_is_switched_off(tmp_path: Path) -> None:
    limits = Accounts(password_kib=8, password_passes=1, remember_seconds=0)
    async with registered(tmp_path, limits=limits) as office:
        world = await open_world(office, limits)
        await world.find()
        await world.find()
        assert world.passwords.hashed == 2


async def test_guessing_is_ended_before_it_costs_anything_and_the_known_go_on(world: World) -> None:
    await world.find()
    assert [await world.refusal() for _ in range(4)] == [401, 401, 401, 429]
    hashed = world.passwords.hashed
    assert await world.refusal(address="192.0.2.9") == 429
    assert await world.refusal(address="192.0.2.9", password="another horse") == 429
    assert world.passwords.hashed == hashed
    assert await world.find(address="192.0.2.9") == world.ann  # remembered
    assert [await world.refusal(f"user{number}") for number in range(3)] == [401, 401, 429]
    world.now += 60
    assert await world.refusal() == 401


@pytest.mark.parametrize("login", ["ann", "bob"])
async def test_a_crowd_at_once_guesses_no_more_often_than_one_after_another(world: World, login: str) -> None:
    answers: list[int] = []

    async def guess(number: int) -> None:
        answers.append(await world.refusal(login, f"guess {number}", f"192.0.2.{number}"))

    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(guess, number)
        world.now += LIMITS.attempts_seconds / LIMITS.attempts_per_login
    assert (answers.count(401), answers.count(429)) == (3 + 1, 40 - 4)
    assert world.passwords.hashed == 4


async def test_a_user_that_changes_while_its_password_is_checked_does_not_get_in_by_the_old_one(world: World) -> None:
    async def change() -> None:
        world.passwords.meanwhile = None
        await world.register.users.set_password(1, await world.passwords.hash("another horse"))

    async def disable() -> None:
        world.passwords.meanwhile = None
        await world.register.users.set_disabled(1, disabled=True)

    async def remove() -> None:
        world.passwords.meanwhile = None
        await world.register.users.remove(1)

    world.passwords.meanwhile = change
    assert await world.refusal(password=HORSE) == 401
    world.passwords.meanwhile = disable
    assert await world.refusal(password="another horse") == 401
    await world.register.users.set_disabled(1, disabled=False)
    world.passwords.meanwhile = remove
    world.now += 60
    assert await world.refusal(password="another horse") == 401


async def test_a_password_that_was_kept_too_cheaply_is_kept_better_from_its_next_use(tmp_path: Path) -> None:
    async with registered(tmp_path, limits=LIMITS) as office:
        await open_world(office)
        costly = Accounts(password_kib=16, password_passes=1)
        world = await open_world(office, costly)
        found = await world.find()
        assert found.password_hash.startswith("$argon2id$v=19$m=16,")
        assert office.register.directory.users.get(1) == found
        assert await world.find() == found
        assert world.passwords.hashed == 1
        assert office.revoked == []
