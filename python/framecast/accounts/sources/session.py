"""Browsers in which a user has logged in, by their cookie.

A browser sends the cookie whether anybody wants it or not. So one that is no good counts as none: where anonymous
visitors get in, somebody whose session has ended is one of them.
"""

from framecast.accounts.attempts import Attempts
from framecast.accounts.cookies import find_cookie
from framecast.accounts.directory.directory import Directory
from framecast.accounts.directory.sessions import credential_of_session
from framecast.accounts.identity import Identity
from framecast.accounts.sources.password import identify
from framecast.door.head import RequestHead


class SessionSource:
    """Takes the session's cookie, unless the request shows something else on purpose."""

    def __init__(self, directory: Directory, attempts: Attempts, cookie: str) -> None:
        self._directory = directory
        self._attempts = attempts
        self._cookie = cookie

    async def find(self, head: RequestHead) -> Identity | None:
        """The session's user. Refusal 403 for an org that it is no member of."""
        if head.find(b"authorization") is not None:
            return None
        secret = find_cookie(head, self._cookie)
        if not secret:
            return None
        session = self._directory.sessions.use_secret(secret, self._directory.clock())
        user = None if session is None else self._directory.users.find(session.user_id)
        if session is None or user is None:
            self._attempts.note_ended_session(head.peer)
            return None
        return identify(self._directory, user, head, credential_of_session(session.session_id), session.org_id)
