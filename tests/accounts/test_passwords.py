"""Passwords: hashed by argon2id, in few threads, and never more waiting than may."""

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from framecast.accounts.passwords import Passwords
from framecast.errors import Refusal
from framecast.settings import Accounts

CHEAP: dict[str, Any] = {"password_kib": 8, "password_passes": 1}


def passwords(**limits: Any) -> Passwords:
    return Passwords(Accounts(**CHEAP, **limits))


async def expect_refusal(password: str, code: int, words: str, checker: Passwords | None = None) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        await (checker or passwords()).hash(password)
    assert caught.value.code == code


@pytest.mark.parametrize("password", ["correct horse", "pässwörd", "a" * 1_024, "\ud800" * 10, "with\x00nul"])
async def test_a_password_is_known_again_and_no_other_is(password: str) -> None:
    checker = passwords()
    kept = await checker.hash(password)
    assert kept.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert password not in kept
    assert await checker.verify(password, kept) == (True, None)
    assert await checker.verify(password + " ", kept) == (False, None)
    assert await checker.verify("", kept) == (False, None)
    assert await checker.hash(password) != kept


async def test_short_and_endless_passwords_are_refused() -> None:
    await expect_refusal("7 chars", 400, "accounts.password_characters")
    await expect_refusal("é" * 513, 400, "longer than 1024 bytes")
    assert await passwords().verify("é" * 513, "$argon2id$v=19$m=8,t=1,p=1$AA$AA") == (False, None)


async def test_what_is_no_hash_is_nobodys_password() -> None:
    for kept in ("", "secret", "$2b$12$abc", "$argon2id$v=19$m=8,t=1,p=1$AA"):
        assert await passwords().verify("secret", kept) == (False, None)


async def test_a_hash_that_was_made_too_cheaply_is_made_anew() -> None:
    kept = await passwords().hash("correct horse")
    costly = Passwords(Accounts(password_kib=16, password_passes=2))
    right, better = await costly.verify("correct horse", kept)
    assert right
    assert better is not None
    assert better.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert await costly.verify("correct horse", better) == (True, None)
    assert await costly.verify("wrong horse", kept) == (False, None)


async def test_the_defaults_are_those_that_owasp_asks_for() -> None:
    assert (await Passwords(Accounts()).hash("correct horse")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_no_more_wait_than_may_and_all_get_their_turn() -> None:
    checker = passwords(password_threads=1, waiting_passwords=2, password_seconds=60)
    done: list[str] = []

    async def hash_one() -> None:
        done.append(await checker.hash("correct horse"))

    async with checker._threads, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(hash_one)
        await wait_all_tasks_blocked()
        await expect_refusal("correct horse", 503, "accounts.waiting_passwords", checker)
        assert done == []
        nursery.start_soon(release, checker)
    assert len(done) == 3
    assert await checker.hash("correct horse")


async def release(checker: Passwords) -> None:
    """Let the one thread go that a test holds."""
    checker._threads.total_tokens = 2


async def test_who_waits_too_long_is_told_to_come_again(autojump_clock: trio.testing.MockClock) -> None:
    checker = passwords(password_seconds=5)
    async with checker._threads:
        await expect_refusal("correct horse", 503, "not checked in time", checker)
    assert checker._at_work == 0
