"""The room of dashboards over a real database, with what it tells written down."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import trio

from framecast.accounts.identity import Identity, Role
from framecast.dashboards.archive import Archive
from framecast.dashboards.document import parse_document
from framecast.dashboards.events import Deleted, Saved
from framecast.dashboards.folders import Folders
from framecast.dashboards.library import Library
from framecast.dashboards.saving import Author, Placed, SaveOrder
from framecast.dashboards.search import Search
from framecast.settings import Dashboards, Store
from framecast.store.database import Database, open_database
from patience import PATIENCE_SECONDS

ANN = Author(1, "ann")
BOB = Author(1, "bob")
STRANGER = Author(2, "zoe")


@dataclass
class DashboardDesk:
    database: Database
    limits: Dashboards
    announce: Callable[[int, Saved | Deleted], Any] | None = None
    told: list[tuple[int, Saved | Deleted]] = field(default_factory=list)
    now: float = 1_000.0

    def __post_init__(self) -> None:
        self.archive = Archive(self.database, self._announce, self.limits)
        self.library = Library(self.archive, self.limits, lambda: self.now)
        self.folders = Folders(self.archive, self.limits, lambda: self.now)
        self.search = Search(self.archive)
        self._more = trio.Event()

    async def _announce(self, org_id: int, change: Saved | Deleted) -> None:
        if self.announce is not None:
            await self.announce(org_id, change)
        self.told.append((org_id, change))
        self._more.set()
        self._more = trio.Event()

    async def until_told(self, count: int) -> None:
        """Wait until so many changes were told."""
        while len(self.told) < count:
            await self._more.wait()

    async def save(self, dashboard: dict[str, Any], author: Author = ANN, **order: Any) -> Placed:
        """Save as a client does that sends this."""
        document, claim = parse_document(msgspec.json.encode(dashboard), max_bytes=self.limits.document_bytes)
        return await self.library.save(author, SaveOrder(document=document, claim=claim, **order))

    async def shown(self, uid: str, org_id: int = 1) -> dict[str, Any]:
        """The dashboard as the API returns it."""
        shown = await self.library.show(org_id, uid)
        document: dict[str, Any] = msgspec.json.decode(shown.document)
        return document


@asynccontextmanager
async def dashboard_desk(
    folder: Path, *, announce: Callable[[int, Saved | Deleted], Any] | None = None, **limits: Any
) -> AsyncIterator[DashboardDesk]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_database(folder, Store()) as database, trio.open_nursery() as nursery:
            desk = DashboardDesk(database, Dashboards(**limits), announce)
            await nursery.start(desk.archive.run)
            yield desk
            nursery.cancel_scope.cancel()


def viewer_of(org_id: int) -> Identity:
    """Somebody who asks about a dashboard, in this org."""
    return Identity(org_id, "vera", Role.VIEWER)
