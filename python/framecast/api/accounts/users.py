"""``/api/users`` and ``/api/admin/users``: the users of the server, for its admins."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import AliasChoices, BaseModel, Field

from framecast.accounts.entrance import Entrance
from framecast.accounts.identity import Role
from framecast.accounts.permissions import Action
from framecast.accounts.register.orgs import MAIN_ORG
from framecast.accounts.register.users import NewUser
from framecast.api.accounts.words import (
    CHANGE_REFUSED,
    ROLE_TEXT,
    Body,
    Done,
    OrgOfUser,
    UserId,
    UserShape,
    done,
    tell_user,
)
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import MAX_ID
from framecast.api.routing import PROBLEM, ApiRoute, JsonBody
from framecast.errors import Refusal
from framecast.settings import Api
from framecast.store.users import User

MAX_PAGE = 1_000


class CreateBody(Body):
    """A new user."""

    login: str = Field("", description="Where it is missing, the e-mail address is the login.")
    email: str = ""
    name: str = ""
    password: str
    org_id: int = Field(
        MAIN_ORG,
        validation_alias=AliasChoices("OrgId", "orgId"),  # its documentation has the one, its own clients the other
        ge=1,
        le=MAX_ID,
        description="The first org that it belongs to.",
    )
    role: Role = Field(Role.VIEWER, strict=False, description=f"In that org: {ROLE_TEXT}")
    server_admin: bool = Field(default=False, alias="isGrafanaAdmin")


class NewPassword(Body):
    """Another password."""

    password: str


class Permissions(Body):
    """What a user may do on the server."""

    server_admin: bool = Field(alias="isGrafanaAdmin")


class Created(BaseModel):
    """The user that was made."""

    id: int
    message: str


class UserRoutes:
    """The routes of users."""

    def __init__(self, entrance: Entrance, bodies: JsonBodies, limits: Api) -> None:
        self._passwords = entrance.passwords
        self._users = entrance.register.users
        self._sessions = entrance.register.sessions
        self._directory = entrance.register.directory
        self._body = JsonBody(bodies, limits.body_bytes)

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        needs, body = Action.MANAGE_SERVER, self._body
        found = {200: UserShape, 404: PROBLEM}
        changed = {200: Done, **CHANGE_REFUSED}
        one = "/api/admin/users/{user_id}"
        post, put = ("POST",), ("PUT",)
        return [
            ApiRoute("/api/users", self.list_all, needs=needs, answers={200: list[UserShape]}),
            ApiRoute("/api/users/lookup", self.look_up, needs=needs, answers=found),
            ApiRoute("/api/users/{user_id}", self.show, needs=needs, answers=found),
            ApiRoute(
                "/api/users/{user_id}/orgs", self.list_orgs, needs=needs, answers={200: list[OrgOfUser], 404: PROBLEM}
            ),
            ApiRoute(
                "/api/admin/users",
                self.create,
                methods=post,
                needs=needs,
                takes=body,
                answers={200: Created, **CHANGE_REFUSED},
            ),
            ApiRoute(one, self.remove, methods=("DELETE",), needs=needs, answers=changed),
            ApiRoute(f"{one}/password", self.set_password, methods=put, needs=needs, takes=body, answers=changed),
            ApiRoute(f"{one}/permissions", self.set_permissions, methods=put, needs=needs, takes=body, answers=changed),
            ApiRoute(f"{one}/disable", self.disable, methods=post, needs=needs, answers=changed),
            ApiRoute(f"{one}/enable", self.enable, methods=post, needs=needs, answers=changed),
            ApiRoute(f"{one}/logout", self.log_out, methods=post, needs=needs, answers=changed),
        ]

    async def list_all(
        self,
        query: Annotated[str, Query(description="Part of the login, name or e-mail address.")] = "",
        perpage: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
        page: Annotated[int, Query(ge=1, le=MAX_ID)] = 1,
    ) -> list[dict[str, Any]]:
        """All users, by id."""
        part = query.casefold()
        users = [user for user in self._directory.users if part in _texts_of(user)]
        return [self._tell(user) for user in users[(page - 1) * perpage : page * perpage]]

    async def look_up(
        self, login: Annotated[str, Query(alias="loginOrEmail", description="The login.")]
    ) -> dict[str, Any]:
        """A user, by its login."""
        user = self._directory.users.find_login(login)
        if user is None:
            raise Refusal(404, "Not Found: there is no user of this login")
        return self._tell(user)

    async def show(self, user_id: UserId) -> dict[str, Any]:
        """A user."""
        return self._tell(self._directory.users.get(user_id))

    async def list_orgs(self, user_id: UserId) -> list[dict[str, Any]]:
        """The orgs that a user is a member of, and what it is there."""
        user = self._directory.users.get(user_id)
        roles = self._directory.users.roles_of(user.user_id)
        return [
            {"orgId": org.org_id, "name": org.name, "role": roles[org.org_id].value}
            for org in self._directory.orgs
            if org.org_id in roles
        ]

    async def create(self, body: CreateBody) -> dict[str, Any]:
        """Make a user, as a member of one org."""
        wanted = NewUser(
            login=body.login or body.email,
            password_hash=await self._passwords.hash(body.password),
            org_id=body.org_id,
            role=body.role,
            name=body.name,
            email=body.email,
            server_admin=body.server_admin,
        )
        user = await self._users.create(wanted)
        return {"id": user.user_id, "message": "User created"}

    async def remove(self, user_id: UserId) -> dict[str, str]:
        """Remove a user. Its sessions and connections end."""
        await self._users.remove(user_id)
        return done("User deleted")

    async def set_password(self, user_id: UserId, body: NewPassword) -> dict[str, str]:
        """Give a user another password. Its sessions and connections end."""
        self._directory.users.get(user_id)
        await self._users.set_password(user_id, await self._passwords.hash(body.password))
        return done("User password updated")

    async def set_permissions(self, user_id: UserId, body: Permissions) -> dict[str, str]:
        """Make a user a server admin, or no more. Its connections end, and may come back."""
        await self._users.set_server_admin(user_id, server_admin=body.server_admin)
        return done("User permissions updated")

    async def disable(self, user_id: UserId) -> dict[str, str]:
        """Let a user in no more. Its sessions and connections end."""
        await self._users.set_disabled(user_id, disabled=True)
        return done("User disabled")

    async def enable(self, user_id: UserId) -> dict[str, str]:
        """Let a user in again."""
        await self._users.set_disabled(user_id, disabled=False)
        return done("User enabled")

    async def log_out(self, user_id: UserId) -> dict[str, str]:
        """End all sessions of a user, and their connections."""
        self._directory.users.get(user_id)
        await self._sessions.end([session.session_id for session in self._directory.sessions.of_user(user_id)])
        return done("User logged out")

    def _tell(self, user: User) -> dict[str, Any]:
        roles = self._directory.users.roles_of(user.user_id)
        return tell_user(user, user.org_id if user.org_id in roles else min(roles, default=0))


def _texts_of(user: User) -> str:
    return f"{user.login}\n{user.name}\n{user.email}".casefold()
