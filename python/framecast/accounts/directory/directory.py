"""The four tables together: what a credential lets in, and what goes with what."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from framecast.accounts.directory.orgs import OrgTable
from framecast.accounts.directory.service_tokens import TokenTable
from framecast.accounts.directory.sessions import SessionTable, credential_of_session
from framecast.accounts.directory.users import UserTable, credential_of_user
from framecast.accounts.identity import Identity
from framecast.settings import Accounts
from framecast.store.memberships import read_memberships
from framecast.store.orgs import read_orgs
from framecast.store.service_tokens import read_service_tokens
from framecast.store.sessions import StoredSession, read_sessions
from framecast.store.users import User, read_users


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything that is known of accounts."""

    orgs: OrgTable
    users: UserTable
    tokens: TokenTable
    sessions: SessionTable
    clock: Callable[[], float]
    """Unix seconds that never go back."""

    def identify_user(self, user_id: int, org_id: int, credential: str) -> Identity | None:
        """The user in that org, let in by `credential`; None when it does not belong there or is disabled."""
        user = self.users.find(user_id)
        role = self.users.roles_of(user_id).get(org_id)
        if user is None or user.disabled or role is None:
            return None
        return Identity(org_id, user.login, role, server_admin=user.server_admin, credential=credential)

    def find_user_of(self, identity: Identity) -> User | None:
        """The user of this server whom an identity is; None for tokens, and for those whom others vouch for."""
        kind, number = _split(identity.credential)
        if kind == "user":
            return self.users.find(number)
        session = self.find_session_of(identity)
        return None if session is None else self.users.find(session.user_id)

    def find_session_of(self, identity: Identity) -> StoredSession | None:
        """The session by which an identity was let in, if it was one and is not over."""
        kind, number = _split(identity.credential)
        return self.sessions.find(number, self.clock()) if kind == "session" else None

    def stands(self, identity: Identity) -> bool:
        """Whether what let this identity in would do so still, and as the very same.

        True for credentials that are none of ours: nobody but their source can take those back.
        """
        kind, number = _split(identity.credential)
        if kind == "token":
            found = self.tokens.find_identity(number, self.clock())
            return found is identity or found == identity
        if kind in {"user", "session"}:
            user = self.find_user_of(identity)
            return (
                user is not None and self.identify_user(user.user_id, identity.org_id, identity.credential) == identity
            )
        return True

    def is_unchanged(self, identity: Identity) -> bool:
        """Whether this very object is what a service token in force lets in.

        Each change of a token's rights makes another. Its quota is changed within, and read whenever it counts.
        """
        kind, number = _split(identity.credential)
        return kind == "token" and self.tokens.find_identity(number, self.clock()) is identity

    def credentials_of_user(self, user_id: int) -> frozenset[str]:
        """Everything by which the user is let in."""
        sessions = (credential_of_session(session.session_id) for session in self.sessions.of_user(user_id))
        return frozenset({credential_of_user(user_id), *sessions})

    def drop_org(self, org_id: int) -> None:
        """The org is gone, and with it its tokens, its memberships and the sessions that are in it."""
        for token in self.tokens.of_org(org_id):
            self.tokens.drop(token.token_id)
        for session_id in self.sessions.of_org(org_id):
            self.sessions.drop(session_id)
        self.users.drop_org(org_id)
        self.orgs.drop(org_id)

    def drop_user(self, user_id: int) -> None:
        """The user is gone, and with it its sessions."""
        for session in self.sessions.of_user(user_id):
            self.sessions.drop(session.session_id)
        self.users.drop(user_id)


def read_directory(connection: sqlite3.Connection, limits: Accounts, clock: Callable[[], float]) -> Directory:
    """The directory as it was kept."""
    return Directory(
        orgs=OrgTable(read_orgs(connection)),
        users=UserTable(read_users(connection), read_memberships(connection)),
        tokens=TokenTable(read_service_tokens(connection)),
        sessions=SessionTable(limits, read_sessions(connection)),
        clock=clock,
    )


def _split(credential: str) -> tuple[str, int]:
    """``token:7`` taken apart; ("", 0) for a credential that is none of ours."""
    kind, colon, number = credential.partition(":")
    return (kind, int(number)) if colon and number.isdecimal() else ("", 0)
