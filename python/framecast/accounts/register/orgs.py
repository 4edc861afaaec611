"""Changes of orgs."""

from functools import partial

from framecast.accounts.directory.sessions import credential_of_session
from framecast.accounts.register.desk import Desk
from framecast.accounts.register.names import check_name
from framecast.accounts.revocation import Revocation
from framecast.errors import Refusal
from framecast.store.orgs import Org, delete_org, insert_org, rename_org

MAIN_ORG = 1
"""The first one made. What names no org is of this one, so it stays."""


class Orgs:
    """Makes, renames and removes orgs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create(self, name: str) -> Org:
        """A new org. Refusal 400 for its name, 409 when there is one of that name or there are too many."""
        return await self._desk.make(partial(self._create, name))

    async def rename(self, org_id: int, name: str) -> Org:
        """The org with its new name. Refusal as `create`, 404 when there is no such org."""
        return await self._desk.make(partial(self._rename, org_id, name))

    async def remove(self, org_id: int) -> None:
        """Remove the org with its tokens, and end the connections of all who are in it. Refusal 400, 404 or 409."""
        await self._desk.make(partial(self._remove, org_id))

    async def _create(self, name: str) -> Org:
        desk = self._desk
        self._check_free(name)
        if len(desk.directory.orgs) >= desk.limits.max_orgs:
            raise Refusal(409, f"there are {desk.limits.max_orgs} orgs already (accounts.max_orgs)")
        org = await desk.write(partial(insert_org, name=name, created=desk.now()))
        desk.directory.orgs.put(org)
        return org

    async def _rename(self, org_id: int, name: str) -> Org:
        desk = self._desk
        former = desk.directory.orgs.get(org_id)
        if former.name != name:
            self._check_free(name)
            await desk.write(partial(rename_org, org_id=org_id, name=name))
        org = Org(org_id, name, former.created)
        desk.directory.orgs.put(org)
        return org

    async def _remove(self, org_id: int) -> None:
        desk = self._desk
        desk.directory.orgs.get(org_id)
        if org_id == MAIN_ORG:
            raise Refusal(400, f"org {MAIN_ORG} cannot be removed: what names no org is of this one")
        desk.last_admin.check_org(org_id)
        await desk.write(partial(delete_org, org_id=org_id))
        sessions = frozenset(map(credential_of_session, desk.directory.sessions.of_org(org_id)))
        desk.directory.drop_org(org_id)
        desk.announce(Revocation(org_id=org_id, whole_org=True))
        # A request of a session that was in this org may have named another one: it is over there too.
        desk.announce(Revocation(sessions))

    def _check_free(self, name: str) -> None:
        check_name("name", name)
        if self._desk.directory.orgs.find_named(name) is not None:
            raise Refusal(409, f"there is an org of the name '{name}' already")
