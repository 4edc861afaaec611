"""Users who send login and password with each request (Basic), as scripts and InfluxDB's clients do."""

from framecast.accounts.authorization import ShownPassword, read_authorization
from framecast.accounts.directory.directory import Directory
from framecast.accounts.directory.users import credential_of_user
from framecast.accounts.identity import Identity
from framecast.accounts.logins import Logins
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.store.users import User


class PasswordSource:
    """Takes logins with passwords; those of users it does not know are left to others, where others are asked."""

    def __init__(self, directory: Directory, logins: Logins, *, leaves_unknown: bool) -> None:
        self._directory = directory
        self._logins = logins
        self._leaves_unknown = leaves_unknown

    async def find(self, head: RequestHead) -> Identity | None:
        """The user. Refusal 401, 429 and 503 as of `Logins.find`, 403 for an org that it is no member of."""
        shown = read_authorization(head)
        if not isinstance(shown, ShownPassword):
            return None
        if self._leaves_unknown and self._directory.users.find_login(shown.login) is None:
            return None
        user = await self._logins.find(shown.login, shown.password, head.peer)
        return identify(self._directory, user, head, credential_of_user(user.user_id), user.org_id)


def identify(directory: Directory, user: User, head: RequestHead, credential: str, current_org: int) -> Identity:
    """The user in the org that the request names, or else in `current_org`, or else in the first it is a member of.

    Refusal 403 for an org that it is no member of, and for a user that is a member of none.
    """
    roles = directory.users.roles_of(user.user_id)
    otherwise = current_org if current_org in roles else min(roles, default=0)
    identity = directory.identify_user(user.user_id, choose_org(head, roles, otherwise), credential)
    if identity is None:
        raise Refusal(403, "Forbidden: this user is a member of no org")
    return identity
