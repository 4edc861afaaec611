"""The room of data sources over a real database, with what it tells written down."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from framecast.datasources.order import Order
from framecast.datasources.registry import News, Registry
from framecast.settings import DataSources, Store
from framecast.store.database import Database, open_database
from framecast.store.datasources import Traits
from framecast.store.sealing import KEY_BYTES, KeyRing
from patience import PATIENCE_SECONDS

RING = KeyRing([bytes(KEY_BYTES)])


def order(
    name: str = "n", *, uid: str = "", version: int = 0, secrets: Mapping[str, str] | None = None, **traits: Any
) -> Order:
    """What a client asks for."""
    return Order(
        traits=Traits(**{"name": name, "type": "t", **traits}), uid=uid, version=version, secrets=secrets or {}
    )


@dataclass
class DataSourceDesk:
    database: Database
    limits: DataSources
    told: list[News] = field(default_factory=list)
    now: float = 1_000.0

    def __post_init__(self) -> None:
        self.registry = Registry(self.database, RING, self.limits, lambda: self.now)
        self.registry.announce = self.told.append


@asynccontextmanager
async def datasource_desk(folder: Path, **limits: Any) -> AsyncIterator[DataSourceDesk]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_database(folder, Store()) as database, trio.open_nursery() as nursery:
            desk = DataSourceDesk(database, DataSources(**limits))
            await nursery.start(desk.registry.run)
            yield desk
            nursery.cancel_scope.cancel()
