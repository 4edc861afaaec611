"""``/api/user`` and ``/api/org``: who the caller is, and where. Only users have something to set."""

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request

from framecast.accounts.entrance import Entrance
from framecast.accounts.identity import Identity
from framecast.accounts.permissions import Action
from framecast.api.accounts.words import (
    CHANGE_REFUSED,
    Body,
    Done,
    LenientBody,
    OrgId,
    OrgOfUser,
    UserShape,
    done,
    tell_user,
)
from framecast.api.bodies import JsonBodies
from framecast.api.late import head_of
from framecast.api.routing import PROBLEM, ApiRoute, Caller, JsonBody
from framecast.errors import Refusal
from framecast.settings import Api
from framecast.store.users import User


class PasswordBody(LenientBody):
    """Another password for the caller."""

    old_password: str = Field(alias="oldPassword")
    new_password: str = Field(alias="newPassword")


class OrgName(Body):
    """What an org is to be called."""

    name: str


class OrgShape(BaseModel):
    """An org."""

    id: int
    name: str


class CallerRoutes:
    """The routes about whoever calls them."""

    def __init__(self, entrance: Entrance, bodies: JsonBodies, limits: Api) -> None:
        self._entrance = entrance
        self._register = entrance.register
        self._directory = entrance.register.directory
        self._body = JsonBody(bodies, limits.body_bytes)

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        refused = dict.fromkeys((403, 429, 503, 507), PROBLEM)
        return [
            ApiRoute("/api/user", self.show, answers={200: UserShape}),
            ApiRoute("/api/user/orgs", self.list_orgs, answers={200: list[OrgOfUser]}),
            ApiRoute("/api/user/using/{org_id}", self.use_org, methods=("POST",), answers={200: Done, **refused}),
            ApiRoute(
                "/api/user/password",
                self.set_password,
                methods=("PUT",),
                takes=self._body,
                answers={200: Done, **refused},
            ),
            ApiRoute("/api/org", self.show_org, answers={200: OrgShape, 404: PROBLEM}),
            ApiRoute(
                "/api/org",
                self.rename_org,
                methods=("PUT",),
                needs=Action.MANAGE_ORG,
                takes=self._body,
                answers={200: Done, **CHANGE_REFUSED},
            ),
        ]

    async def show(self, caller: Caller) -> dict[str, Any]:
        """Who the caller is.

        Whom no user of this server stands for, a token for example, has the id 0.
        """
        user = self._directory.find_user_of(caller)
        if user is not None:
            return tell_user(user, caller.org_id)
        return {
            "id": 0,
            "login": caller.login,
            "name": "",
            "email": "",
            "orgId": caller.org_id,
            "isGrafanaAdmin": caller.server_admin,
            "isDisabled": False,
            "isExternal": True,
            "createdAt": None,
        }

    async def list_orgs(self, caller: Caller) -> list[dict[str, Any]]:
        """The orgs that the caller is a member of, and what it is there."""
        user = self._directory.find_user_of(caller)
        roles = {caller.org_id: caller.role} if user is None else self._directory.users.roles_of(user.user_id)
        return [
            {"orgId": org.org_id, "name": org.name, "role": roles[org.org_id].value}
            for org in self._directory.orgs
            if org.org_id in roles
        ]

    async def use_org(self, org_id: OrgId, caller: Caller) -> dict[str, str]:
        """Be in another org from now on, where a request names none.

        It holds for the caller's session and for its next ones; connections that there are stay where they began.
        """
        user = self._need_user(caller)
        session = self._directory.find_session_of(caller)
        await self._register.users.move(user.user_id, org_id, session=None if session is None else session.session_id)
        return done("Active organization changed")

    async def set_password(self, body: PasswordBody, caller: Caller, request: Request) -> dict[str, str]:
        """Change the caller's own password. All its other sessions end, and their connections."""
        user = self._need_user(caller)
        user = await self._entrance.logins.find(user.login, body.old_password, head_of(request.scope).peer)
        kept = await self._entrance.passwords.hash(body.new_password)
        session = self._directory.find_session_of(caller)
        await self._register.users.set_password(
            user.user_id,
            kept,
            keep_session=None if session is None else session.session_id,
            former=user.password_hash,
        )
        return done("User password changed")

    async def show_org(self, caller: Caller) -> dict[str, Any]:
        """The org that the caller is in."""
        org = self._directory.orgs.get(caller.org_id)
        return {"id": org.org_id, "name": org.name}

    async def rename_org(self, body: OrgName, caller: Caller) -> dict[str, str]:
        """Give the org that the caller is in another name."""
        await self._register.orgs.rename(caller.org_id, body.name)
        return done("Organization updated")

    def _need_user(self, caller: Identity) -> User:
        user = self._directory.find_user_of(caller)
        if user is None:
            raise Refusal(403, "Forbidden: this is for users of this server, who logged in or sent their password")
        return user
