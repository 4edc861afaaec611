"""Sees to it that somebody stays who may undo a change: an Admin in each org that has one, and a server admin.

Users and tokens count, as far as they get in: enabled users, where passwords are taken, and tokens without an end,
where tokens are, however little may be sent with one: it is never nothing (service_tokens.py). Asked within a change,
so that of two admins who remove each other at once the second one stays.
"""

from collections.abc import Set as AbstractSet

from framecast.accounts.directory.directory import Directory
from framecast.accounts.directory.service_tokens import credential_of_token
from framecast.accounts.directory.users import credential_of_user
from framecast.accounts.identity import Role
from framecast.errors import Refusal
from framecast.settings import Accounts
from framecast.store.service_tokens import ServiceToken

REMEDY = (
    "make somebody else one first (a user, or a token that does not expire), or stop the server and say --force with "
    "--data"
)


class LastAdmin:
    """Refuses changes that would leave nobody."""

    def __init__(self, directory: Directory, limits: Accounts) -> None:
        self._directory = directory
        self._limits = limits
        self.may_go = False
        """Set by who can do all of it in the files anyway."""

    def check_user(self, user_id: int) -> None:
        """Refusal 409 when nobody would be left without this user, on the server or in one of its orgs."""
        credential = frozenset({credential_of_user(user_id)})
        self._check_server(credential)
        for org_id in self._directory.users.roles_of(user_id):
            self._check_org(org_id, credential)

    def check_server_admin(self, user_id: int) -> None:
        """The same for what it may do on the server."""
        self._check_server(frozenset({credential_of_user(user_id)}))

    def check_member(self, user_id: int, org_id: int, *, leaves: bool) -> None:
        """The same for what it may do in an org. Who `leaves` its only one gets in no more."""
        credential = frozenset({credential_of_user(user_id)})
        self._check_org(org_id, credential)
        if leaves and set(self._directory.users.roles_of(user_id)) == {org_id}:
            self._check_server(credential)

    def check_token(self, token: ServiceToken) -> None:
        """The same for a token."""
        credential = frozenset({credential_of_token(token.token_id)})
        self._check_server(credential)
        self._check_org(token.org_id, credential)

    def check_org(self, org_id: int) -> None:
        """Refusal 409 when all server admins would go with this org."""
        users = self._directory.users
        only_here = (user for user, _ in users.members_of(org_id) if set(users.roles_of(user.user_id)) == {org_id})
        gone = {credential_of_token(token.token_id) for token in self._directory.tokens.of_org(org_id)}
        self._check_server(gone | {credential_of_user(user.user_id) for user in only_here})

    def _check_server(self, gone: AbstractSet[str]) -> None:
        there = self._server_admins()
        if there and there <= gone and not self.may_go:
            raise Refusal(409, f"nobody would be left who is a server admin: {REMEDY}")

    def _check_org(self, org_id: int, gone: AbstractSet[str]) -> None:
        there = self._admins_of(org_id)
        if there and there <= gone and not self.may_go:
            raise Refusal(409, f"nobody would be left who is an Admin of org {org_id}: {REMEDY}")

    def _server_admins(self) -> set[str]:
        users = self._directory.users
        found = {
            credential_of_user(user.user_id)
            for user in users
            if user.server_admin and not user.disabled and users.roles_of(user.user_id) and self._limits.passwords
        }
        return found | {
            credential_of_token(token.token_id)
            for token in self._directory.tokens
            if token.server_admin and self._lasts(token)
        }

    def _admins_of(self, org_id: int) -> set[str]:
        found = {
            credential_of_user(user.user_id)
            for user, role in self._directory.users.members_of(org_id)
            if role is Role.ADMIN and not user.disabled and self._limits.passwords
        }
        return found | {
            credential_of_token(token.token_id)
            for token in self._directory.tokens.of_org(org_id)
            if token.role == Role.ADMIN and self._lasts(token)
        }

    def _lasts(self, token: ServiceToken) -> bool:
        return token.push is None and token.expires is None and self._limits.service_tokens
