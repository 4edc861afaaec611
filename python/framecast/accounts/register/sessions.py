"""Changes of sessions: they begin with a login, and end with a logout or by themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from sqlite3 import Connection

from framecast.accounts.directory.sessions import credential_of_session
from framecast.accounts.register.desk import Desk
from framecast.accounts.revocation import Revocation
from framecast.accounts.secret import hash_secret, make_secret
from framecast.errors import Refusal
from framecast.store.sessions import StoredSession, delete_sessions, insert_session, note_seen


class Sessions:
    """Begins and ends sessions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def begin(self, user_id: int, org_id: int, *, password_hash: str | None = None) -> tuple[StoredSession, str]:
        """A new session of a user in an org, and its secret, which nobody can tell afterwards.

        `password_hash` is what was kept of the password that was shown for it. Where the user, or the server, has as
        many as may be, the one that was idle for longest ends. Refusal 401 for a user that is gone, disabled or no
        member, or has another password by the time that this change has its turn.
        """
        return await self._desk.make(partial(self._begin, user_id, org_id, password_hash))

    async def end(self, session_ids: Iterable[int]) -> None:
        """End sessions, and the connections that they let in. One that is over already is no mistake."""
        await self._desk.make(partial(self._end, tuple(session_ids)))

    async def end_idle(self) -> None:
        """End those that are over by themselves, and the connections that they let in."""
        await self._desk.make(self._end_idle)

    async def save_seen(self) -> None:
        """Write down when sessions were in use."""
        unsaved = self._desk.directory.sessions.take_unsaved()
        if unsaved:
            await self._desk.make(partial(self._desk.write, partial(note_seen, seen=unsaved.items())))

    async def _begin(self, user_id: int, org_id: int, password_hash: str | None) -> tuple[StoredSession, str]:
        desk = self._desk
        sessions = desk.directory.sessions
        if desk.directory.identify_user(user_id, org_id, "") is None:
            raise Refusal(401, "Unauthorized: this user gets in no more")
        if password_hash not in {None, desk.directory.users.get(user_id).password_hash}:
            raise Refusal(401, "Unauthorized: this user's password was changed just now")
        own = sessions.of_user(user_id)
        most = desk.limits.sessions_per_user
        over = [session.session_id for session in own[: max(0, len(own) + 1 - most)]]
        idle = sessions.longest_idle()
        if not over and idle is not None and len(sessions) >= desk.limits.max_sessions:
            over = [idle.session_id]
        secret, now = make_secret(), desk.now()
        session = StoredSession(0, user_id, org_id, hash_secret(secret), created=now, seen=now)

        def change(connection: Connection) -> int:
            delete_sessions(connection, over)
            return insert_session(connection, session)

        session = replace(session, session_id=await desk.write(change))
        self._drop(over)
        sessions.put(session)
        return session, secret

    async def _end(self, session_ids: tuple[int, ...]) -> None:
        await self._desk.write(partial(delete_sessions, session_ids=session_ids))
        self._drop(session_ids)

    async def _end_idle(self) -> None:
        # The other way round than all else: a disk that is full must not keep anybody in.
        desk = self._desk
        over = [session.session_id for session in desk.directory.sessions.over(desk.now())]
        if over:
            self._drop(over)
            await desk.write(partial(delete_sessions, session_ids=over))

    def _drop(self, session_ids: Sequence[int]) -> None:
        for session_id in session_ids:
            self._desk.directory.sessions.drop(session_id)
        if credentials := frozenset(map(credential_of_session, session_ids)):
            self._desk.announce(Revocation(credentials))
