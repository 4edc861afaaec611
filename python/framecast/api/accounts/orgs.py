"""``/api/orgs``: the orgs of the server, for its admins."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel

from framecast.accounts.permissions import Action
from framecast.accounts.register.register import Register
from framecast.api.accounts.caller import OrgName, OrgShape
from framecast.api.accounts.words import CHANGE_REFUSED, Done, OrgId, done
from framecast.api.bodies import JsonBodies
from framecast.api.routing import PROBLEM, ApiRoute, JsonBody
from framecast.errors import Refusal
from framecast.settings import Api
from framecast.store.orgs import Org


class NewOrg(BaseModel):
    """The org that was made."""

    orgId: int  # noqa: N815 - Grafana's name
    message: str


class OrgRoutes:
    """The routes of orgs."""

    def __init__(self, register: Register, bodies: JsonBodies, limits: Api) -> None:
        self._orgs = register.orgs
        self._known = register.directory.orgs
        self._body = JsonBody(bodies, limits.body_bytes)

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        needs, body = Action.MANAGE_SERVER, self._body
        many, one = "/api/orgs", "/api/orgs/{org_id}"
        found = {200: OrgShape, 404: PROBLEM}
        changed = {200: Done, **CHANGE_REFUSED}
        return [
            ApiRoute(many, self.list_all, needs=needs, answers={200: list[OrgShape]}),
            ApiRoute(
                many, self.create, methods=("POST",), needs=needs, takes=body, answers={200: NewOrg, **CHANGE_REFUSED}
            ),
            ApiRoute("/api/orgs/name/{name}", self.show_named, needs=needs, answers=found),
            ApiRoute(one, self.show, needs=needs, answers=found),
            ApiRoute(one, self.rename, methods=("PUT",), needs=needs, takes=body, answers=changed),
            ApiRoute(one, self.remove, methods=("DELETE",), needs=needs, answers=changed),
        ]

    async def list_all(self) -> list[dict[str, Any]]:
        """All orgs, by id."""
        return [_tell(org) for org in self._known]

    async def create(self, body: OrgName) -> dict[str, Any]:
        """Make an org. Nobody belongs to it yet."""
        org = await self._orgs.create(body.name)
        return {"orgId": org.org_id, "message": "Organization created"}

    async def show(self, org_id: OrgId) -> dict[str, Any]:
        """An org."""
        return _tell(self._known.get(org_id))

    async def show_named(self, name: Annotated[str, Path(description="The org's name.")]) -> dict[str, Any]:
        """An org, by its name."""
        org = self._known.find_named(name)
        if org is None:
            raise Refusal(404, "Not Found: there is no org of this name")
        return _tell(org)

    async def rename(self, org_id: OrgId, body: OrgName) -> dict[str, str]:
        """Give an org another name."""
        await self._orgs.rename(org_id, body.name)
        return done("Organization updated")

    async def remove(self, org_id: OrgId) -> dict[str, str]:
        """Remove an org with its tokens. Everybody who is in it is sent away; org 1 stays."""
        await self._orgs.remove(org_id)
        return done("Organization deleted")


def _tell(org: Org) -> dict[str, Any]:
    return {"id": org.org_id, "name": org.name}
