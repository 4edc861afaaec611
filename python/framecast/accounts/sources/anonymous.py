"""Everybody who shows nothing, where that is allowed. Stands last: it would take everybody."""

from framecast.accounts.directory.directory import Directory
from framecast.accounts.identity import Identity, Role
from framecast.accounts.which_org import choose_org
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Accounts


class AnonymousSource:
    """Takes all requests, in one org and role."""

    def __init__(self, directory: Directory, settings: Accounts) -> None:
        self._directory = directory
        self._identity = Identity(settings.anonymous_org, "", Role(settings.anonymous_role))

    async def find(self, head: RequestHead) -> Identity | None:
        """Nobody in particular. Refusal 401 as long as there is no such org, 403 for another one."""
        org_id = self._identity.org_id
        if org_id not in self._directory.orgs:
            raise Refusal(401, "Unauthorized: there is no org for those who show nothing (accounts.anonymous_org)")
        choose_org(head, {org_id}, org_id)
        return self._identity
