"""Sessions of browsers in memory, and when each was last in use."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

from framecast.accounts.secret import hash_secret
from framecast.settings import Accounts
from framecast.store.sessions import StoredSession


def credential_of_session(session_id: int) -> str:
    """What lets in whoever shows the session's cookie."""
    return f"session:{session_id}"


class SessionTable:
    """All sessions, by id, by secret and by user."""

    def __init__(self, limits: Accounts, sessions: Iterable[StoredSession] = ()) -> None:
        self._limits = limits
        self._sessions: dict[int, StoredSession] = {}
        """In the order of their last use, so that those that are over stand first."""
        self._oldest_first: dict[int, None] = {}
        self._ids: dict[bytes, int] = {}
        self._of_user: dict[int, set[int]] = {}
        self._unsaved: dict[int, float] = {}
        for session in sorted(sessions, key=lambda session: session.seen):
            self.put(session)
        self._oldest_first = dict.fromkeys(sorted(self._sessions))

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session_id: int, now: float) -> StoredSession | None:
        """The session, if it is not over."""
        session = self._sessions.get(session_id)
        return None if session is None or self._is_over(session, now) else session

    def use_secret(self, secret: str, now: float) -> StoredSession | None:
        """The session that this secret is of, if it is not over; it was in use just now."""
        session_id = self._ids.get(hash_secret(secret))
        session = None if session_id is None else self.find(session_id, now)
        if session is None:
            return None
        session = replace(session, seen=now)
        del self._sessions[session.session_id]
        self._sessions[session.session_id] = session
        self._unsaved[session.session_id] = now
        return session

    def take_unsaved(self) -> dict[int, float]:
        """When sessions were in use, by id, as far as that was not taken before."""
        unsaved, self._unsaved = self._unsaved, {}
        return unsaved

    def of_user(self, user_id: int) -> list[StoredSession]:
        """The user's sessions, the longest idle first."""
        ids = self._of_user.get(user_id, ())
        sessions = (self._sessions[session_id] for session_id in ids)
        return sorted(sessions, key=lambda session: (session.seen, session.session_id))

    def longest_idle(self) -> StoredSession | None:
        """Of all sessions."""
        return next(iter(self._sessions.values()), None)

    def over(self, now: float) -> list[StoredSession]:
        """Those that are over and still kept.

        Looks at no more than that; what a clock that was set has put out of order is found when it is used.
        """
        idle = takewhile(lambda session: self._is_over(session, now), self._sessions.values())
        by_age = (self._sessions[session_id] for session_id in self._oldest_first)
        old = takewhile(lambda session: self._is_over(session, now), by_age)
        return list({session.session_id: session for session in (*idle, *old)}.values())

    def put(self, session: StoredSession) -> None:
        """There is this session now, or is like this."""
        self._sessions[session.session_id] = session
        self._oldest_first[session.session_id] = None
        self._ids[session.secret_hash] = session.session_id
        self._of_user.setdefault(session.user_id, set()).add(session.session_id)

    def drop(self, session_id: int) -> None:
        """There is no such session any more."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        del self._oldest_first[session_id]
        del self._ids[session.secret_hash]
        self._unsaved.pop(session_id, None)
        others = self._of_user[session.user_id]
        others.discard(session_id)
        if not others:
            del self._of_user[session.user_id]

    def of_org(self, org_id: int) -> list[int]:
        """The sessions that are in an org."""
        return [session.session_id for session in self._sessions.values() if session.org_id == org_id]

    def _is_over(self, session: StoredSession, now: float) -> bool:
        # A clock that was set back while the server was down makes both differences negative: nothing ends by that.
        limits = self._limits
        return now - session.seen >= limits.session_idle_seconds or now - session.created >= limits.session_seconds
