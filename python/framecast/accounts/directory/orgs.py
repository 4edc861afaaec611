"""Orgs in memory."""

from collections.abc import Iterable, Iterator

from framecast.errors import Refusal
from framecast.store.orgs import Org


class OrgTable:
    """All orgs, by id and by name."""

    def __init__(self, orgs: Iterable[Org] = ()) -> None:
        self._orgs: dict[int, Org] = {}
        self._ids: dict[str, int] = {}
        for org in orgs:
            self.put(org)

    def __len__(self) -> int:
        return len(self._orgs)

    def __iter__(self) -> Iterator[Org]:
        """By id."""
        return iter(sorted(self._orgs.values(), key=lambda org: org.org_id))

    def __contains__(self, org_id: object) -> bool:
        return org_id in self._orgs

    def get(self, org_id: int) -> Org:
        """The org; Refusal 404 when there is none."""
        org = self._orgs.get(org_id)
        if org is None:
            raise Refusal(404, f"Not Found: there is no org {org_id}")
        return org

    def find_named(self, name: str) -> Org | None:
        """The org of this very name."""
        org_id = self._ids.get(name)
        return None if org_id is None else self._orgs[org_id]

    def put(self, org: Org) -> None:
        """There is this org now, or under this name."""
        self.drop(org.org_id)
        self._orgs[org.org_id] = org
        self._ids[org.name] = org.org_id

    def drop(self, org_id: int) -> None:
        """There is no such org any more."""
        org = self._orgs.pop(org_id, None)
        if org is not None:
            del self._ids[org.name]
