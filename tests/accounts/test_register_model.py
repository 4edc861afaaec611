"""The register against a naive one: whom each secret lets in, whose connections end, and what a restart keeps.

The naive one is a few dicts and looks everything up afresh. Both are given the same changes, with clocks that go on and
are set forwards and back, and with restarts in between.
"""

import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st
from registered import Clocks, Office, registered

from framecast.accounts.identity import Identity, Role
from framecast.accounts.register.service_tokens import NewToken
from framecast.accounts.register.users import NewUser
from framecast.accounts.revocation import Revocation
from framecast.errors import Refusal
from framecast.settings import Accounts

LIMITS = Accounts(
    session_idle_seconds=100,
    session_seconds=300,
    max_orgs=3,
    max_users=4,
    max_tokens=5,
    max_sessions=5,
    sessions_per_user=2,
)
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Thousands of commits need not wait for a disk."""
PICK = st.integers(0, 2)
"""Counted from the newest, so that most changes find what they are about."""
BEGINNING: list[tuple[Any, ...]] = [
    ("create_org",),
    ("create_org",),
    ("create_user", 0, Role.VIEWER, False),
    ("create_user", 0, Role.EDITOR, False),
    ("set_role", 0, 1, Role.EDITOR),
    ("log_in", 0),
    ("log_in", 0),
    ("create_token", 0, Role.VIEWER, 10.0),
    ("create_token", 1, Role.EDITOR, None),
]
ROLES = st.sampled_from(Role)
CHANGES = st.one_of(
    st.tuples(st.just("create_org")),
    st.tuples(st.just("remove_org"), PICK),
    st.tuples(st.just("create_user"), PICK, ROLES, st.booleans()),
    st.tuples(st.just("remove_user"), PICK),
    st.tuples(st.just("set_role"), PICK, PICK, ROLES),
    st.tuples(st.just("leave"), PICK, PICK),
    st.tuples(st.just("move"), PICK, PICK),
    st.tuples(st.just("set_disabled"), PICK, st.booleans()),
    st.tuples(st.just("set_server_admin"), PICK, st.booleans()),
    st.tuples(st.just("set_password"), PICK),
    st.tuples(st.just("log_in"), PICK),
    st.tuples(st.just("log_out"), PICK),
    st.tuples(st.just("use_session"), PICK),
    st.tuples(st.just("create_token"), PICK, ROLES, st.sampled_from([None, 10.0, 90.0, 1_000.0])),
    st.tuples(st.just("revoke_token"), PICK),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 20.0, 95.0, 400.0])),
    st.tuples(st.just("set_clock"), st.sampled_from([-5_000.0, -50.0, 0.5, 50.0])),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("restart")),
)


@dataclass
class NaiveToken:
    org: int
    role: Role
    expires: float | None
    secret: str
    dead: bool = False


@dataclass
class NaiveSession:
    user: int
    org: int
    created: float
    seen: float
    secret: str


@dataclass
class NaiveUser:
    server_admin: bool
    disabled: bool = False
    roles: dict[int, Role] = field(default_factory=dict)


class Model:
    """The naive register. `open` are the connections that should be there: how each was let in, and as whom."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.now = clocks.wall
        self.orgs: set[int] = set()
        self.users: dict[int, NaiveUser] = {}
        self.tokens: dict[int, NaiveToken] = {}
        self.sessions: dict[int, NaiveSession] = {}

    def tick(self, passed: float = 0.0) -> None:
        self.now = max(self.clocks.wall, self.now + passed)

    def identity(self, credential: str, org: int) -> Identity | None:
        """Whom a credential lets in that is in `org`; a token is in one only."""
        kind, _, text = credential.partition(":")
        number = int(text)
        if kind == "token":
            token = self.tokens.get(number)
            if token is None or token.dead or (token.expires is not None and token.expires <= self.now):
                return None
            return Identity(token.org, f"token:t{number}", token.role, credential=credential)
        if kind == "session":
            session = self.sessions.get(number)
            if session is None or self.over(session):
                return None
            number = session.user
        user = self.users.get(number)
        if user is None or user.disabled or org not in user.roles:
            return None
        return Identity(org, f"u{number}", user.roles[org], server_admin=user.server_admin, credential=credential)

    def copy(self) -> "Model":
        """To try a change out on."""
        other = Model(self.clocks)
        other.now = self.now
        other.orgs, other.users, other.tokens, other.sessions = deepcopy(
            (self.orgs, self.users, self.tokens, self.sessions)
        )
        return other

    def admins(self) -> dict[int, int]:
        """How many there are who may undo a change, by org; 0 stands for the server."""
        enabled = [user for user in self.users.values() if not user.disabled]
        counts = {0: sum(user.server_admin and bool(user.roles) for user in enabled)}
        for org in self.orgs:
            users = sum(user.roles.get(org) is Role.ADMIN for user in enabled)
            tokens = [one for one in self.tokens.values() if one.org == org and one.expires is None]
            counts[org] = users + sum(token.role is Role.ADMIN for token in tokens)
        return counts

    def over(self, session: NaiveSession) -> bool:
        return self.now - session.seen >= 100 or self.now - session.created >= 300

    def forget(self, gone: Callable[[NaiveSession], bool]) -> None:
        self.sessions = {number: one for number, one in self.sessions.items() if not gone(one)}


class Twins:
    """The register and the model, side by side."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.model = Model(clocks)
        self.office: Office
        self.open: list[Identity] = []
        self.ended: list[Identity] = []
        self.created = {"org": [0], "user": [0], "token": [0], "session": [0]}

    def begin(self, office: Office) -> None:
        self.office = office
        self.register = office.register
        self.register.announce_to(self.end_connections)
        self.open = []

    def end_connections(self, revocation: Revocation) -> None:
        self.ended += [identity for identity in self.open if revocation.hits(identity)]
        self.open = [identity for identity in self.open if not revocation.hits(identity)]

    def pick(self, kind: str, number: int) -> int:
        """One that was made at some time, or none at all (0)."""
        made = self.created[kind]
        return made[-1 - number % len(made)]

    async def allowed(self, change: Any, *, allowed: bool) -> Any:
        """What came of a change; both sides must agree whether it may be made."""
        try:
            result = await change
        except Refusal:
            assert not allowed
            return None
        assert allowed
        return result

    async def take_away(self, change: Any, apply: Callable[[Model], object], *, allowed: bool) -> None:
        """What takes rights away may be done as long as it leaves an admin wherever there was one."""
        after = self.model.copy()
        if allowed:
            apply(after)
            left = after.admins()
            allowed = all(left.get(place, 1) for place, count in self.model.admins().items() if count)
        await self.allowed(change, allowed=allowed)
        if allowed:
            self.model = after

    async def apply(self, name: str, *arguments: Any) -> None:
        self.ended = []
        self.connect_all()
        await getattr(self, name)(*arguments)
        for identity in self.ended:
            stands = self.model.identity(identity.credential, identity.org_id) == identity
            assert not stands or (name == "set_password" and identity.credential.startswith("user:"))
        self.check(swept=name == "sweep")

    def check(self, *, swept: bool) -> None:
        """Every secret lets in whom it should; who is connected and should not be is at most one that expired."""
        model, directory = self.model, self.register.directory
        assert {org.org_id for org in directory.orgs} == model.orgs
        assert {user.user_id for user in directory.users} == set(model.users)
        for number, token in model.tokens.items():
            expected = model.identity(f"token:{number}", token.org)
            assert directory.tokens.find_secret(token.secret, directory.clock()) == expected
        for number, user in model.users.items():
            assert dict(directory.users.roles_of(number)) == user.roles
            for org in self.created["org"]:
                credential = f"user:{number}"
                assert directory.identify_user(number, org, credential) == model.identity(credential, org)
        assert {session.session_id for user in model.users for session in directory.sessions.of_user(user)} == set(
            model.sessions
        )
        for identity in self.open:
            stands = model.identity(identity.credential, identity.org_id) == identity
            assert directory.stands(identity) == stands
            assert stands or (not swept and self.is_over_by_time(identity.credential))

    def is_over_by_time(self, credential: str) -> bool:
        kind, _, number = credential.partition(":")
        kept = self.model.tokens if kind == "token" else self.model.sessions
        return int(number) in kept

    async def create_org(self) -> None:
        allowed = len(self.model.orgs) < LIMITS.max_orgs
        org = await self.allowed(self.register.orgs.create(f"o{len(self.created['org'])}"), allowed=allowed)
        if org is not None:
            self.created["org"].append(org.org_id)
            self.model.orgs.add(org.org_id)

    async def remove_org(self, pick: int) -> None:
        org = self.pick("org", pick)

        def apply(model: Model) -> None:
            model.orgs.discard(org)
            model.tokens = {number: one for number, one in model.tokens.items() if one.org != org}
            model.forget(lambda session: session.org == org)
            for user in model.users.values():
                user.roles.pop(org, None)

        allowed = org in self.model.orgs and org != 1
        await self.take_away(self.register.orgs.remove(org), apply, allowed=allowed)

    async def create_user(self, pick: int, role: Role, server_admin: bool) -> None:
        org = self.pick("org", pick)
        allowed = org in self.model.orgs and len(self.model.users) < LIMITS.max_users
        number = self.created["user"][-1] + 1
        wanted = NewUser(f"u{number}", "hash", org, role, server_admin=server_admin)
        user = await self.allowed(self.register.users.create(wanted), allowed=allowed)
        if user is not None:
            assert user.user_id == number
            self.created["user"].append(number)
            self.model.users[number] = NaiveUser(server_admin, roles={org: role})

    async def remove_user(self, pick: int) -> None:
        number = self.pick("user", pick)

        def apply(model: Model) -> None:
            del model.users[number]
            model.forget(lambda session: session.user == number)

        await self.take_away(self.register.users.remove(number), apply, allowed=number in self.model.users)

    async def set_role(self, pick: int, pick_org: int, role: Role) -> None:
        number, org = self.pick("user", pick), self.pick("org", pick_org)

        def apply(model: Model) -> None:
            model.users[number].roles[org] = role

        allowed = number in self.model.users and org in self.model.orgs
        await self.take_away(self.register.users.set_role(number, org, role), apply, allowed=allowed)

    async def leave(self, pick: int, pick_org: int) -> None:
        number, org = self.pick("user", pick), self.pick("org", pick_org)

        def apply(model: Model) -> None:
            del model.users[number].roles[org]
            model.forget(lambda session: session.user == number and session.org == org)

        allowed = number in self.model.users and org in self.model.users[number].roles
        await self.take_away(self.register.users.leave(number, org), apply, allowed=allowed)

    async def move(self, pick: int, pick_org: int) -> None:
        session = self.pick("session", pick)
        org, kept = self.pick("org", pick_org), self.model.sessions.get(session)
        if kept is not None:
            allowed = org in self.model.users[kept.user].roles
            await self.allowed(self.register.users.move(kept.user, org, session=session), allowed=allowed)
            if allowed and not self.model.over(kept):
                kept.org = org

    async def set_disabled(self, pick: int, disabled: bool) -> None:
        number = self.pick("user", pick)

        def apply(model: Model) -> None:
            model.users[number].disabled = disabled
            model.forget(lambda session: disabled and session.user == number)

        change = self.register.users.set_disabled(number, disabled=disabled)
        await self.take_away(change, apply, allowed=number in self.model.users)

    async def set_server_admin(self, pick: int, server_admin: bool) -> None:
        number = self.pick("user", pick)

        def apply(model: Model) -> None:
            model.users[number].server_admin = server_admin

        change = self.register.users.set_server_admin(number, server_admin=server_admin)
        await self.take_away(change, apply, allowed=number in self.model.users)

    async def set_password(self, pick: int) -> None:
        number, keep = self.pick("user", pick), self.pick("session", pick)
        allowed = number in self.model.users
        await self.allowed(self.register.users.set_password(number, "new", keep_session=keep), allowed=allowed)
        kept = self.model.sessions.get(keep)
        self.model.forget(lambda session: session.user == number and session is not kept)
        if allowed:
            assert not [one for one in self.open if one.credential == f"user:{number}"]

    async def log_in(self, pick: int) -> None:
        number, model = self.pick("user", pick), self.model
        user = model.users.get(number)
        org = min(user.roles, default=0) if user is not None else 0
        allowed = user is not None and not user.disabled and org != 0
        begun = await self.allowed(self.register.sessions.begin(number, org), allowed=allowed)
        if begun is None:
            return
        session, secret = begun
        own = sorted((one.seen, key) for key, one in model.sessions.items() if one.user == number)
        every = sorted((one.seen, key) for key, one in model.sessions.items())
        if len(own) >= LIMITS.sessions_per_user:
            del model.sessions[own[0][1]]
        elif len(every) >= LIMITS.max_sessions:
            # Of those that were idle for equally long it may be any: the real one says which.
            [gone] = set(model.sessions) - {one for _, one in self.kept_sessions()}
            assert model.sessions[gone].seen == every[0][0]
            del model.sessions[gone]
        self.created["session"].append(session.session_id)
        model.sessions[session.session_id] = NaiveSession(number, org, model.now, model.now, secret)

    def kept_sessions(self) -> list[tuple[int, int]]:
        sessions = self.register.directory.sessions
        return [(user, one.session_id) for user in self.model.users for one in sessions.of_user(user)]

    async def log_out(self, pick: int) -> None:
        number = self.pick("session", pick)
        await self.register.sessions.end([number])
        self.model.sessions.pop(number, None)

    async def use_session(self, pick: int) -> None:
        kept = self.model.sessions.get(self.pick("session", pick))
        if kept is not None:
            directory = self.register.directory
            used = directory.sessions.use_secret(kept.secret, directory.clock())
            assert (used is None) == self.model.over(kept)
            if used is not None:
                kept.seen = self.model.now
                await self.register.sessions.save_seen()

    async def create_token(self, pick: int, role: Role, seconds: float | None) -> None:
        org, model = self.pick("org", pick), self.model
        allowed = org in model.orgs and len(model.tokens) < LIMITS.max_tokens
        number = self.created["token"][-1] + 1
        expires = None if seconds is None else model.now + seconds
        wanted = NewToken(org, f"t{number}", role, expires=expires)
        made = await self.allowed(self.register.service_tokens.create(wanted), allowed=allowed)
        if made is not None:
            token, secret = made
            assert token.token_id == number
            self.created["token"].append(number)
            model.tokens[number] = NaiveToken(org, role, expires, secret)

    async def revoke_token(self, pick: int) -> None:
        number = self.pick("token", pick)
        change = self.register.service_tokens.revoke(number)
        await self.take_away(change, lambda model: model.tokens.pop(number), allowed=number in self.model.tokens)

    def connect_all(self) -> None:
        """Everybody who gets in has a connection, by every credential and in every org."""
        self.open = []
        for kind in ("token", "session", "user"):
            for number in self.created[kind]:
                for org in self.created["org"]:
                    identity = self.model.identity(f"{kind}:{number}", org)
                    if identity is not None and identity not in self.open:
                        self.open.append(identity)

    async def advance(self, seconds: float) -> None:
        self.clocks.advance(seconds)
        self.model.tick(seconds)

    async def set_clock(self, seconds: float) -> None:
        self.register.directory.clock()  # the time until now was seen
        self.clocks.wall += seconds
        self.model.tick()

    async def sweep(self) -> None:
        await self.register.service_tokens.expire()
        await self.register.sessions.end_idle()
        model = self.model
        for token in model.tokens.values():
            token.dead = token.dead or (token.expires is not None and token.expires <= model.now)
        model.forget(model.over)

    async def run(self, folder: Path, changes: list[tuple[Any, ...]]) -> None:
        """Make all changes; at each restart another register goes on over the same files."""
        life: list[tuple[Any, ...]] = []
        for change in [*BEGINNING, *changes, ("restart",)]:
            if change == ("restart",):
                await self.live(folder, life)
                life = []
            else:
                life.append(change)
        await self.live(folder, [])

    async def live(self, folder: Path, changes: list[tuple[Any, ...]]) -> None:
        async with registered(folder, self.clocks, LIMITS) as office:
            self.model.now = self.clocks.wall
            self.begin(office)
            self.check(swept=False)
            for change in changes:
                await self.apply(*change)


async def check_alike(folder: Path, changes: list[tuple[Any, ...]]) -> None:
    await Twins(Clocks()).run(folder, changes)


@given(st.lists(CHANGES, min_size=5, max_size=40))
def test_it_lets_in_whom_a_naive_one_lets_in_and_ends_whom_that_would_end(changes: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        trio.run(check_alike, Path(folder), changes)
