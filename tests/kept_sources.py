"""Data sources without a store, for what asks the registry of them on a clock that jumps: a dict, changed at once."""

from collections.abc import Callable, Mapping
from typing import Any

import trio

from framecast.datasources.registry import Became, News
from framecast.store.datasources import DataSource, Traits


class KeptSources:
    """Those of all orgs. What is set is told as the registry tells it: behind the change."""

    def __init__(self) -> None:
        self.announce: Callable[[News], None] = lambda news: None
        self.reading: Callable[[], Any] | None = None
        """Awaited while one is read."""
        self._kept: dict[tuple[int, str], DataSource] = {}

    def set(self, uid: str, org_id: int = 1, *, secrets: Mapping[str, str] | None = None, **traits: Any) -> None:
        known = self._kept.get((org_id, uid))
        updated = 1.0 if known is None else known.updated + 0.001
        source = DataSource(
            datasource_id=7,
            org_id=org_id,
            uid=uid,
            traits=Traits(**{"name": uid, "type": "p", **traits}),
            version=1,
            created=1.0,
            updated=updated,
            sealed={key: secret.encode() for key, secret in (secrets or {}).items()},
        )
        self._kept[org_id, uid] = source
        if known is not None:
            self.announce(News(org_id, uid, Became.CHANGED))

    def delete(self, uid: str, org_id: int = 1) -> None:
        del self._kept[org_id, uid]
        self.announce(News(org_id, uid, Became.DELETED))

    async def find(self, org_id: int, uid: str) -> DataSource | None:
        await trio.lowlevel.checkpoint()
        found = self._kept.get((org_id, uid))
        if self.reading is not None:
            await self.reading()
        return found

    def reveal(self, source: DataSource) -> Mapping[str, str]:
        return {key: sealed.decode() for key, sealed in source.sealed.items()}
