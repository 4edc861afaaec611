"""Users in memory, and what they are in which org."""

from collections.abc import Iterable, Iterator, Mapping

from framecast.accounts.identity import Role
from framecast.errors import Refusal
from framecast.store.memberships import Membership
from framecast.store.users import User


def credential_of_user(user_id: int) -> str:
    """What lets in whoever shows the user's password with every request."""
    return f"user:{user_id}"


class UserTable:
    """All users, by id and by login; letter case makes no other login."""

    def __init__(self, users: Iterable[User] = (), memberships: Iterable[Membership] = ()) -> None:
        self._users: dict[int, User] = {}
        self._ids: dict[str, int] = {}
        self._roles: dict[int, dict[int, Role]] = {}
        for user in users:
            self.put(user)
        for membership in memberships:
            self.put_role(membership.user_id, membership.org_id, Role(membership.role))

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[User]:
        """By id."""
        return iter(sorted(self._users.values(), key=lambda user: user.user_id))

    def find(self, user_id: int) -> User | None:
        """The user, if there is one."""
        return self._users.get(user_id)

    def get(self, user_id: int) -> User:
        """The user; Refusal 404 when there is none."""
        user = self._users.get(user_id)
        if user is None:
            raise Refusal(404, f"Not Found: there is no user {user_id}")
        return user

    def find_login(self, login: str) -> User | None:
        """The user of this login, if there is one."""
        user_id = self._ids.get(login.casefold())
        return None if user_id is None else self._users[user_id]

    def put(self, user: User) -> None:
        """There is this user now, or is like this. What it is in which org stays."""
        former = self._users.get(user.user_id)
        if former is not None:
            del self._ids[former.login.casefold()]
        self._users[user.user_id] = user
        self._ids[user.login.casefold()] = user.user_id
        self._roles.setdefault(user.user_id, {})

    def drop(self, user_id: int) -> None:
        """There is no such user any more."""
        user = self._users.pop(user_id, None)
        if user is not None:
            del self._ids[user.login.casefold()]
            del self._roles[user_id]

    def roles_of(self, user_id: int) -> Mapping[int, Role]:
        """What the user is, by org."""
        return self._roles.get(user_id, {})

    def members_of(self, org_id: int) -> list[tuple[User, Role]]:
        """Who belongs to an org, and as what."""
        return [(user, role) for user in self if (role := self._roles[user.user_id].get(org_id)) is not None]

    def put_role(self, user_id: int, org_id: int, role: Role) -> None:
        """The user belongs to the org, as this."""
        self._roles[user_id][org_id] = role

    def drop_role(self, user_id: int, org_id: int) -> None:
        """The user does not belong to the org any more."""
        self._roles.get(user_id, {}).pop(org_id, None)

    def drop_org(self, org_id: int) -> None:
        """Nobody belongs to the org any more."""
        for roles in self._roles.values():
            roles.pop(org_id, None)
