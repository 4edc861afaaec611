"""Who belongs to an org: ``/api/org/users`` for its admins, ``/api/orgs/{id}/users`` for server admins."""

from typing import Any

from pydantic import Field

from framecast.accounts.identity import Role
from framecast.accounts.permissions import Action
from framecast.accounts.register.register import Register
from framecast.api.accounts.words import CHANGE_REFUSED, ROLE_TEXT, Body, Done, Member, OrgId, UserId, done, tell_member
from framecast.api.bodies import JsonBodies
from framecast.api.routing import PROBLEM, ApiRoute, Caller, JsonBody
from framecast.errors import Refusal
from framecast.settings import Api


class NewMember(Body):
    """Who is to belong to the org."""

    login: str = Field(alias="loginOrEmail", description="The login of a user that there is.")
    role: Role = Field(strict=False, description=ROLE_TEXT)


class MemberRole(Body):
    """What a member is to be."""

    role: Role = Field(strict=False, description=ROLE_TEXT)


class MemberRoutes:
    """The routes of both kinds."""

    def __init__(self, register: Register, bodies: JsonBodies, limits: Api) -> None:
        self._register = register
        self._directory = register.directory
        self._body = JsonBody(bodies, limits.body_bytes)

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        own, any_ = Action.MANAGE_ORG, Action.MANAGE_SERVER
        changed = {200: Done, **CHANGE_REFUSED}
        post, patch, delete = ("POST",), ("PATCH",), ("DELETE",)
        body = self._body
        return [
            ApiRoute("/api/org/users", self.list_own, needs=own, answers={200: list[Member]}),
            ApiRoute("/api/org/users", self.add_own, methods=post, needs=own, takes=body, answers=changed),
            ApiRoute("/api/org/users/{user_id}", self.set_own, methods=patch, needs=own, takes=body, answers=changed),
            ApiRoute("/api/org/users/{user_id}", self.remove_own, methods=delete, needs=own, answers=changed),
            ApiRoute("/api/orgs/{org_id}/users", self.list_any, needs=any_, answers={200: list[Member], 404: PROBLEM}),
            ApiRoute("/api/orgs/{org_id}/users", self.add_any, methods=post, needs=any_, takes=body, answers=changed),
            ApiRoute(
                "/api/orgs/{org_id}/users/{user_id}",
                self.set_any,
                methods=patch,
                needs=any_,
                takes=body,
                answers=changed,
            ),
            ApiRoute(
                "/api/orgs/{org_id}/users/{user_id}", self.remove_any, methods=delete, needs=any_, answers=changed
            ),
        ]

    async def list_own(self, caller: Caller) -> list[dict[str, Any]]:
        """The users of the caller's org."""
        return self._list(caller.org_id)

    async def add_own(self, body: NewMember, caller: Caller) -> dict[str, str]:
        """Make a user that there is a member of the caller's org, or change what it is there."""
        return await self._add(caller.org_id, body)

    async def set_own(self, user_id: UserId, body: MemberRole, caller: Caller) -> dict[str, str]:
        """Change what a user is in the caller's org. Its connections there end, and may come back as that."""
        return await self._set(caller.org_id, user_id, body.role)

    async def remove_own(self, user_id: UserId, caller: Caller) -> dict[str, str]:
        """Have a user belong to the caller's org no more. Its sessions and connections there end."""
        return await self._remove(caller.org_id, user_id)

    async def list_any(self, org_id: OrgId) -> list[dict[str, Any]]:
        """The users of an org."""
        return self._list(org_id)

    async def add_any(self, org_id: OrgId, body: NewMember) -> dict[str, str]:
        """Make a user that there is a member of an org, or change what it is there."""
        return await self._add(org_id, body)

    async def set_any(self, org_id: OrgId, user_id: UserId, body: MemberRole) -> dict[str, str]:
        """Change what a user is in an org. Its connections there end, and may come back as that."""
        return await self._set(org_id, user_id, body.role)

    async def remove_any(self, org_id: OrgId, user_id: UserId) -> dict[str, str]:
        """Have a user belong to an org no more. Its sessions and connections there end."""
        return await self._remove(org_id, user_id)

    def _list(self, org_id: int) -> list[dict[str, Any]]:
        self._directory.orgs.get(org_id)
        return [tell_member(user, org_id, role) for user, role in self._directory.users.members_of(org_id)]

    async def _add(self, org_id: int, body: NewMember) -> dict[str, str]:
        user = self._directory.users.find_login(body.login)
        if user is None:
            raise Refusal(404, "Not Found: there is no user of this login")
        await self._register.users.set_role(user.user_id, org_id, body.role)
        return done("User added to organization")

    async def _set(self, org_id: int, user_id: int, role: Role) -> dict[str, str]:
        if org_id not in self._directory.users.roles_of(user_id):
            raise Refusal(404, f"Not Found: org {org_id} has no user {user_id}")
        await self._register.users.set_role(user_id, org_id, role)
        return done("Organization user updated")

    async def _remove(self, org_id: int, user_id: int) -> dict[str, str]:
        await self._register.users.leave(user_id, org_id)
        return done("User removed from organization")
