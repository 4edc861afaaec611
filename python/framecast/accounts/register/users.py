"""Changes of users: who they are, what they are in which org, and in which org they are."""

from dataclasses import dataclass, field, replace
from functools import partial
from sqlite3 import Connection

from framecast.accounts.directory.sessions import credential_of_session
from framecast.accounts.directory.users import credential_of_user
from framecast.accounts.identity import Role
from framecast.accounts.register.desk import Desk
from framecast.accounts.register.names import check_login, check_note
from framecast.accounts.revocation import Revocation
from framecast.errors import Refusal
from framecast.store.memberships import Membership, delete_membership, put_membership
from framecast.store.sessions import delete_sessions, move_session
from framecast.store.users import User, delete_user, insert_user, update_user


@dataclass(frozen=True, slots=True)
class NewUser:
    """Who a user is to be."""

    login: str
    password_hash: str = field(repr=False)
    org_id: int
    """The first org that it is a member of."""
    role: Role = Role.VIEWER
    name: str = ""
    email: str = ""
    server_admin: bool = False


class Users:
    """Makes, changes and removes users."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create(self, wanted: NewUser) -> User:
        """A new user. Refusal 400 for who it is to be, 404 without the org, 409 for a login that is taken."""
        return await self._desk.make(partial(self._create, wanted))

    async def remove(self, user_id: int) -> None:
        """Remove the user, and end its sessions and connections.

        Refusal 404; 409 for the last admin (last_admin.py).
        """
        await self._desk.make(partial(self._remove, user_id))

    async def set_password(
        self, user_id: int, password_hash: str, *, keep_session: int | None = None, former: str | None = None
    ) -> None:
        """Another password; all sessions but that one are over, and connections end with them.

        Refusal 404; 401 when `former`, what was kept of the password until now, was changed meanwhile.
        """
        await self._desk.make(partial(self._set_password, user_id, password_hash, keep_session, former))

    async def rehash_password(self, user_id: int, former: str, password_hash: str) -> None:
        """The same password kept in another way, unless it was changed meanwhile. Nothing ends."""
        await self._desk.make(partial(self._rehash_password, user_id, former, password_hash))

    async def set_server_admin(self, user_id: int, *, server_admin: bool) -> None:
        """Whether it is a server admin; connections end, and may come back as what it is now. Refusal as `remove`."""
        await self._desk.make(partial(self._set_server_admin, user_id, server_admin))

    async def set_disabled(self, user_id: int, *, disabled: bool) -> None:
        """Let it in no more, and end its sessions and connections; or let it in again. Refusal as `remove`."""
        await self._desk.make(partial(self._set_disabled, user_id, disabled))

    async def set_role(self, user_id: int, org_id: int, role: Role) -> None:
        """It belongs to the org as this; connections in that org end if it was something else. Refusal as `remove`."""
        await self._desk.make(partial(self._set_role, user_id, org_id, role))

    async def leave(self, user_id: int, org_id: int) -> None:
        """It does not belong to the org any more; sessions and connections in that org end. Refusal as `remove`."""
        await self._desk.make(partial(self._leave, user_id, org_id))

    async def move(self, user_id: int, org_id: int, *, session: int | None) -> None:
        """It is in that org from now on, where a request names none; so is the session. Refusal 403."""
        await self._desk.make(partial(self._move, user_id, org_id, session))

    async def _create(self, wanted: NewUser) -> User:
        desk = self._desk
        self._check(wanted)
        user = User(
            user_id=0,
            login=wanted.login,
            name=wanted.name,
            email=wanted.email,
            password_hash=wanted.password_hash,
            server_admin=wanted.server_admin,
            disabled=False,
            org_id=wanted.org_id,
            created=desk.now(),
        )

        def insert(connection: Connection) -> int:
            user_id = insert_user(connection, user)
            put_membership(connection, Membership(user_id, wanted.org_id, str(wanted.role)))
            return user_id

        user = replace(user, user_id=await desk.write(insert))
        desk.directory.users.put(user)
        desk.directory.users.put_role(user.user_id, wanted.org_id, wanted.role)
        return user

    async def _remove(self, user_id: int) -> None:
        desk = self._desk
        desk.directory.users.get(user_id)
        desk.last_admin.check_user(user_id)
        await desk.write(partial(delete_user, user_id=user_id))
        credentials = desk.directory.credentials_of_user(user_id)
        desk.directory.drop_user(user_id)
        desk.announce(Revocation(credentials))

    async def _set_password(
        self, user_id: int, password_hash: str, keep_session: int | None, former: str | None
    ) -> None:
        user = self._desk.directory.users.get(user_id)
        if former not in {None, user.password_hash}:
            raise Refusal(401, "Unauthorized: this user's password was changed just now")
        await self._end_sessions(replace(user, password_hash=password_hash), keep_session)

    async def _rehash_password(self, user_id: int, former: str, password_hash: str) -> None:
        desk = self._desk
        user = desk.directory.users.find(user_id)
        if user is not None and user.password_hash == former:
            await self._update(replace(user, password_hash=password_hash))

    async def _set_server_admin(self, user_id: int, server_admin: bool) -> None:  # noqa: FBT001 - see set_server_admin
        desk = self._desk
        user = desk.directory.users.get(user_id)
        if user.server_admin != server_admin:
            if not server_admin:
                desk.last_admin.check_server_admin(user_id)
            await self._update(replace(user, server_admin=server_admin))
            desk.announce(Revocation(desk.directory.credentials_of_user(user_id), may_return=True))

    async def _set_disabled(self, user_id: int, disabled: bool) -> None:  # noqa: FBT001 - see set_disabled
        user = replace(self._desk.directory.users.get(user_id), disabled=disabled)
        if disabled:
            self._desk.last_admin.check_user(user_id)
            await self._end_sessions(user, None)
        else:
            await self._update(user)

    async def _set_role(self, user_id: int, org_id: int, role: Role) -> None:
        desk = self._desk
        desk.directory.users.get(user_id)
        desk.directory.orgs.get(org_id)
        former = desk.directory.users.roles_of(user_id).get(org_id)
        if former == role:
            return
        if role is not Role.ADMIN:
            desk.last_admin.check_member(user_id, org_id, leaves=False)
        await desk.write(partial(put_membership, membership=Membership(user_id, org_id, str(role))))
        desk.directory.users.put_role(user_id, org_id, role)
        if former is not None:
            credentials = desk.directory.credentials_of_user(user_id)
            desk.announce(Revocation(credentials, org_id, may_return=True))

    async def _leave(self, user_id: int, org_id: int) -> None:
        desk = self._desk
        users, sessions = desk.directory.users, desk.directory.sessions
        if org_id not in users.roles_of(user_id):
            raise Refusal(404, f"Not Found: org {org_id} has no user {user_id}")
        desk.last_admin.check_member(user_id, org_id, leaves=True)
        await desk.write(partial(delete_membership, user_id=user_id, org_id=org_id))
        credentials = desk.directory.credentials_of_user(user_id)
        users.drop_role(user_id, org_id)
        desk.announce(Revocation(credentials, org_id))
        over = [session.session_id for session in sessions.of_user(user_id) if session.org_id == org_id]
        for session_id in over:
            sessions.drop(session_id)
        # A request of such a session may have named another org: it is over there too.
        desk.announce(Revocation(frozenset(map(credential_of_session, over))))

    async def _move(self, user_id: int, org_id: int, session_id: int | None) -> None:
        desk = self._desk
        user = desk.directory.users.get(user_id)
        if org_id not in desk.directory.users.roles_of(user_id):
            raise Refusal(403, f"Forbidden: you are no member of org {org_id}")
        user = replace(user, org_id=org_id)

        def move(connection: Connection) -> None:
            update_user(connection, user)
            if session_id is not None:
                move_session(connection, session_id, org_id)

        await desk.write(move)
        desk.directory.users.put(user)
        session = None if session_id is None else desk.directory.sessions.find(session_id, desk.now())
        if session is not None:
            desk.directory.sessions.put(replace(session, org_id=org_id))

    async def _update(self, user: User) -> None:
        await self._desk.write(partial(update_user, user=user))
        self._desk.directory.users.put(user)

    async def _end_sessions(self, user: User, keep_session: int | None) -> None:
        """Write the user anew, without its sessions but one."""
        desk = self._desk
        ids = [session.session_id for session in desk.directory.sessions.of_user(user.user_id)]
        over = [session_id for session_id in ids if session_id != keep_session]

        def change(connection: Connection) -> None:
            update_user(connection, user)
            delete_sessions(connection, over)

        await desk.write(change)
        desk.directory.users.put(user)
        for session_id in over:
            desk.directory.sessions.drop(session_id)
        desk.announce(Revocation(frozenset({credential_of_user(user.user_id), *map(credential_of_session, over)})))

    def _check(self, wanted: NewUser) -> None:
        desk = self._desk
        check_login(wanted.login)
        check_note("name", wanted.name)
        check_note("email", wanted.email)
        desk.directory.orgs.get(wanted.org_id)
        if desk.directory.users.find_login(wanted.login) is not None:
            raise Refusal(409, f"there is a user of the login '{wanted.login}' already")
        if len(desk.directory.users) >= desk.limits.max_users:
            raise Refusal(409, f"there are {desk.limits.max_users} users already (accounts.max_users)")
