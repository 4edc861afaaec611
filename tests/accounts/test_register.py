"""How changes of accounts are made: one after another, whole or not at all, also for those who left meanwhile."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
import trio
from registered import Clocks, Office, PromptDatabase, registered
from trio.testing import MockClock, wait_all_tasks_blocked

from framecast.accounts.directory.sessions import credential_of_session
from framecast.accounts.identity import DEVELOPER, Reach, Role
from framecast.accounts.register.register import Register, open_register
from framecast.accounts.register.service_tokens import NewToken
from framecast.accounts.register.users import NewUser
from framecast.accounts.revocation import Revocation
from framecast.errors import Refusal
from framecast.settings import Accounts
from framecast.store.service_tokens import read_service_tokens

AGENT = NewToken(1, "agent")
ANN = NewUser("Ann", "hash", 1, Role.EDITOR)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """With org 1."""
    async with registered(tmp_path) as office:
        await office.register.orgs.create("Main Org.")
        yield office


@pytest.fixture
def database() -> PromptDatabase:
    return PromptDatabase()


async def prompt_register(database: PromptDatabase, limits: Accounts | None = None) -> Register:
    """A register whose clock is Trio's; nothing runs yet."""
    register = await open_register(database, limits or Accounts(), trio.current_time)
    async with trio.open_nursery() as nursery:
        await nursery.start(register.desk.clerk.run)
        if not len(register.directory.orgs):
            await register.orgs.create("Main Org.")
        nursery.cancel_scope.cancel()
    return register


async def expect_refusal(change: Awaitable[object], code: int, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        await change
    assert caught.value.code == code


# One change.


async def test_a_token_lets_in_until_it_is_revoked(office: Office) -> None:
    register, tokens = office.register, office.register.directory.tokens
    token, secret = await register.service_tokens.create(replace(AGENT, reach=Reach(("a*",), ("stream/a/*",))))
    identity = tokens.find_secret(secret, 0)
    assert identity is not None
    assert (identity.org_id, identity.login, identity.credential) == (1, "token:agent", "token:1")
    assert identity.reach == Reach(("a*",), ("stream/a/*",))
    assert tokens.find_secret(secret[:-1], 0) is None
    await register.service_tokens.revoke(token.token_id)
    assert tokens.find_secret(secret, 0) is None
    assert office.revoked == [Revocation(frozenset({"token:1"}))]
    await expect_refusal(register.service_tokens.revoke(token.token_id), 404, "no token 1")
    assert (await register.service_tokens.create(AGENT))[0].token_id == 2


async def test_who_was_let_in_by_a_token_is_unchanged_until_that_is_revoked(office: Office) -> None:
    register, directory = office.register, office.register.directory
    token, secret = await register.service_tokens.create(AGENT)
    identity = directory.tokens.find_secret(secret, directory.clock())
    assert identity is not None
    assert directory.is_unchanged(identity)
    assert not directory.is_unchanged(replace(identity)), "it may be of a time when the token gave other rights"
    assert not directory.is_unchanged(DEVELOPER)
    await register.service_tokens.revoke(token.token_id)
    assert not directory.is_unchanged(identity)


async def test_who_was_let_in_by_a_token_is_not_unchanged_when_its_time_is_over(tmp_path: Path) -> None:
    clocks = Clocks()
    async with registered(tmp_path, clocks) as office:
        directory = office.register.directory
        await office.register.orgs.create("Main Org.")
        _, secret = await office.register.service_tokens.create(replace(AGENT, expires=directory.clock() + 1_000))
        identity = directory.tokens.find_secret(secret, directory.clock())
        assert identity is not None
        assert directory.is_unchanged(identity)
        clocks.advance(1_000)
        assert not directory.is_unchanged(identity)


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        (replace(AGENT, name=""), 400, "name must be"),
        (replace(AGENT, name=" a"), 400, "name must be"),
        (replace(AGENT, name="a\x00b"), 400, "name must be"),
        (replace(AGENT, name="a" * 191), 400, "longer than 190"),
        (replace(AGENT, org_id=7), 404, "no org 7"),
        (replace(AGENT, name="taken"), 409, "name 'taken' already"),
        (replace(AGENT, expires=1.0), 400, "a time to come"),
        (replace(AGENT, expires=float("nan")), 400, "a time to come"),
        (replace(AGENT, expires=1e300), 400, "a time to come"),
        (replace(AGENT, reach=Reach(("",))), 400, "push holds a pattern"),
        (replace(AGENT, reach=Reach((), ("a\n",))), 400, "read holds a pattern"),
        (replace(AGENT, reach=Reach(("a",) * 101)), 400, "accounts.token_patterns"),
        (replace(AGENT, reach=Reach(), server_admin=True), 400, "cannot be a server admin's"),
    ],
)
async def test_a_token_that_cannot_be_is_refused_with_the_field(
    office: Office, wanted: NewToken, code: int, words: str
) -> None:
    await office.register.service_tokens.create(replace(AGENT, name="taken"))
    await expect_refusal(office.register.service_tokens.create(wanted), code, words)
    assert len(office.register.directory.tokens) == 1


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        (replace(ANN, login="aNN"), 409, "login 'aNN' already"),
        (replace(ANN, login="a:b"), 400, "colon"),
        (replace(ANN, login=""), 400, "login must be"),
        (replace(ANN, login="bob", name="\x07"), 400, "name must be"),
        (replace(ANN, login="bob", email="x" * 191), 400, "email is longer"),
        (replace(ANN, login="bob", org_id=7), 404, "no org 7"),
    ],
)
async def test_a_user_that_cannot_be_is_refused_with_the_field(
    office: Office, wanted: NewUser, code: int, words: str
) -> None:
    await office.register.users.create(ANN)
    await expect_refusal(office.register.users.create(wanted), code, words)


async def test_names_of_orgs_are_theirs_alone_and_the_first_org_stays(office: Office) -> None:
    orgs = office.register.orgs
    second = await orgs.create("Second")
    await expect_refusal(orgs.create("Second"), 409, "'Second' already")
    await expect_refusal(orgs.rename(1, "Second"), 409, "'Second' already")
    assert (await orgs.rename(second.org_id, "Second")).name == "Second"
    assert (await orgs.rename(second.org_id, "2nd")).name == "2nd"
    assert (await orgs.create("Second")).org_id == 3
    await expect_refusal(orgs.remove(1), 400, "cannot be removed")
    await orgs.remove(second.org_id)
    assert office.revoked == [Revocation(org_id=2, whole_org=True), Revocation()]


async def test_what_is_there_is_bounded(tmp_path: Path) -> None:
    limits = Accounts(max_orgs=1, max_users=1, max_tokens=1)
    async with registered(tmp_path, limits=limits) as office:
        register = office.register
        await register.orgs.create("Main Org.")
        await register.users.create(ANN)
        await register.service_tokens.create(AGENT)
        await expect_refusal(register.orgs.create("2"), 409, "accounts.max_orgs")
        await expect_refusal(register.users.create(replace(ANN, login="bob")), 409, "accounts.max_users")
        await expect_refusal(register.service_tokens.create(replace(AGENT, name="2")), 409, "accounts.max_tokens")


async def test_a_password_that_is_kept_in_another_way_ends_nothing(office: Office) -> None:
    users = office.register.users
    user = await users.create(ANN)
    await users.rehash_password(user.user_id, "hash", "better")
    assert office.register.directory.users.get(1).password_hash == "better"
    await users.rehash_password(user.user_id, "hash", "of a password that was changed meanwhile")
    assert office.register.directory.users.get(1).password_hash == "better"
    assert office.revoked == []


async def test_sessions_know_their_user(office: Office) -> None:
    register = office.register
    user = await register.users.create(ANN)
    session, _ = await register.sessions.begin(user.user_id, 1)
    identity = register.directory.identify_user(user.user_id, 1, credential_of_session(session.session_id))
    assert identity is not None
    assert register.directory.find_user_of(identity) == user
    assert register.directory.find_session_of(identity) == session
    await register.sessions.end([session.session_id])
    assert register.directory.find_user_of(identity) is None
    for other in ("token:1", "grafana:ann", "user:7", "session:x", "", "user:", "user:²"):
        assert register.directory.find_user_of(replace(identity, credential=other)) is None


# Many, and what goes wrong.


async def test_whoever_asked_for_a_change_may_leave_and_it_is_made_all_the_same(
    database: PromptDatabase, autojump_clock: MockClock
) -> None:
    register = await prompt_register(database)
    async with trio.open_nursery() as nursery:
        await nursery.start(register.desk.clerk.run)
        token, secret = await register.service_tokens.create(AGENT)
        database.go_on = trio.Event()
        with trio.move_on_after(1) as impatient:
            await register.service_tokens.revoke(token.token_id)
        assert impatient.cancelled_caught
        assert register.directory.tokens.find_secret(secret, 0) is not None
        database.go_on.set()
        await wait_all_tasks_blocked()
        assert register.directory.tokens.find_secret(secret, 0) is None
        nursery.cancel_scope.cancel()


async def test_a_change_that_hangs_is_told_to_be_unknown_and_those_behind_it_wait(
    database: PromptDatabase, autojump_clock: MockClock
) -> None:
    register = await prompt_register(database, Accounts(change_seconds=3, waiting_changes=1))
    database.go_on = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(register.desk.clerk.run)
        nursery.start_soon(expect_refusal, register.orgs.create("slow"), 503, "and may nonetheless")
        await wait_all_tasks_blocked()
        nursery.start_soon(expect_refusal, register.orgs.create("behind"), 503, "and may nonetheless")
        await wait_all_tasks_blocked()
        await expect_refusal(register.orgs.create("too many"), 503, "accounts.waiting_changes")
        await trio.sleep(4)
        database.go_on.set()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [org.name for org in register.directory.orgs] == ["Main Org.", "slow", "behind"]


async def test_what_cannot_be_written_is_not_made(database: PromptDatabase, autojump_clock: MockClock) -> None:
    register = await prompt_register(database)
    ended: list[Revocation] = []
    register.announce_to(ended.append)
    async with trio.open_nursery() as nursery:
        await nursery.start(register.desk.clerk.run)
        token, secret = await register.service_tokens.create(AGENT)
        database.error = sqlite3.OperationalError("disk I/O error")
        with structlog.testing.capture_logs() as events:
            await expect_refusal(
                register.service_tokens.revoke(token.token_id), 503, "nothing was saved: disk I/O error"
            )
            await expect_refusal(register.orgs.create("x"), 503, "nothing was saved: disk I/O")
        assert [event["event"] for event in events] == ["accounts not saved"]
        assert register.directory.tokens.find_secret(secret, 0) is not None
        assert (len(register.directory.orgs), ended) == (1, [])
        database.error = sqlite3.IntegrityError("UNIQUE constraint failed")
        await expect_refusal(register.orgs.create("x"), 409, "UNIQUE")
        database.error = ValueError("a bug")
        with pytest.raises(ValueError, match="a bug"):
            await register.orgs.create("x")
        database.error = None
        assert (await register.orgs.create("x")).org_id == 2
        nursery.cancel_scope.cancel()


async def test_on_a_full_disk_a_change_is_507_and_what_there_was_stays(office: Office) -> None:
    def limit_pages(connection: sqlite3.Connection) -> None:
        [count] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {count}")

    await office.database.look(limit_pages)
    tokens = office.register.service_tokens

    async def fill() -> None:
        for number in range(1_000):
            await tokens.create(replace(AGENT, name=f"{number} {'x' * 180}"))

    await expect_refusal(fill(), 507, "the disk of the server's data is full, nothing was saved")
    kept = await office.database.look(read_service_tokens)
    assert kept == office.register.directory.tokens.of_org(1)
    assert kept


async def test_changes_of_one_name_at_once_are_one_change(office: Office) -> None:
    made: list[object] = []

    async def create(change: Callable[[], Awaitable[object]]) -> None:
        try:
            made.append(await change())
        except Refusal as refusal:
            assert refusal.code == 409

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(create, lambda: office.register.orgs.create("One"))
            nursery.start_soon(create, lambda: office.register.service_tokens.create(AGENT))
            nursery.start_soon(create, lambda: office.register.users.create(ANN))
    assert len(made) == 3


# What ends by itself.


async def test_a_token_whose_time_has_come_ends_its_connections_within_the_time_between_two_looks(
    database: PromptDatabase, autojump_clock: MockClock
) -> None:
    register = await prompt_register(database, Accounts(check_seconds=2))
    ended: list[tuple[float, Revocation]] = []
    register.announce_to(lambda revocation: ended.append((trio.current_time(), revocation)))
    async with trio.open_nursery() as nursery:
        await nursery.start(register.run)
        expires = trio.current_time() + 101
        token, secret = await register.service_tokens.create(replace(AGENT, expires=expires))
        await trio.sleep_until(expires - 0.001)
        assert register.directory.tokens.find_secret(secret, trio.current_time()) is not None
        await trio.sleep_until(expires)
        assert register.directory.tokens.find_secret(secret, trio.current_time()) is None
        await trio.sleep(3)
        [(when, revocation)] = ended
        assert expires <= when <= expires + 2
        assert revocation == Revocation(frozenset({f"token:{token.token_id}"}))
        assert register.directory.tokens.get(token.token_id).expired
        nursery.cancel_scope.cancel()
    assert (await prompt_register(database)).directory.tokens.get(token.token_id).expired


async def test_sessions_end_idle_or_old_and_the_use_of_others_is_kept(
    database: PromptDatabase, autojump_clock: MockClock
) -> None:
    limits = Accounts(session_idle_seconds=100, session_seconds=1_000, session_seen_seconds=10)
    register = await prompt_register(database, limits)
    ended: list[Revocation] = []
    register.announce_to(ended.append)
    sessions = register.directory.sessions
    async with trio.open_nursery() as nursery:
        await nursery.start(register.run)
        user = await register.users.create(ANN)
        idle, _ = await register.sessions.begin(user.user_id, 1)
        busy, secret = await register.sessions.begin(user.user_id, 1)
        for _ in range(3):
            await trio.sleep(60)
            assert sessions.use_secret(secret, trio.current_time()) is not None
        assert [session.session_id for session in sessions.of_user(user.user_id)] == [busy.session_id]
        assert ended == [Revocation(frozenset({credential_of_session(idle.session_id)}))]
        used = trio.current_time()
        await trio.sleep(11)
        assert (await prompt_register(database)).directory.sessions.of_user(user.user_id)[0].seen == used
        for _ in range(13):
            await trio.sleep(60)
            assert sessions.use_secret(secret, trio.current_time()) is not None
        await trio.sleep(60)
        assert sessions.use_secret(secret, trio.current_time()) is None
        assert sessions.of_user(user.user_id) == []
        nursery.cancel_scope.cancel()


async def test_a_full_disk_keeps_no_expired_token_in_force_and_what_was_not_written_is_written_later(
    database: PromptDatabase, autojump_clock: MockClock
) -> None:
    register = await prompt_register(database, Accounts(session_idle_seconds=100))
    ended: list[Revocation] = []
    register.announce_to(ended.append)
    async with trio.open_nursery() as nursery:
        await nursery.start(register.run)
        await register.service_tokens.create(replace(AGENT, expires=trio.current_time() + 10))
        user = await register.users.create(ANN)
        await register.sessions.begin(user.user_id, 1)
        database.error = sqlite3.OperationalError("database or disk is full")
        with structlog.testing.capture_logs() as events:
            await trio.sleep(300)
        assert [event["event"] for event in events] == ["tokens expired", "accounts not saved"]
        assert len(ended) == 2
        assert len(register.directory.sessions) == 0
        database.error = None
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert (await prompt_register(database)).directory.tokens.get(1).expired
    assert len(ended) == 2
