"""The data sources of all orgs: found, made, changed and deleted, one change after another, each told at once.

A change is told behind its commit, before the next one is begun and before whoever asked for it is answered: when a
client hears that a data source is deleted, whoever runs its streams knows it already.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeVar

import structlog
import trio

from framecast.datasources.order import Order, check_order
from framecast.datasources.saving import Find, Saving, by_id, by_uid, check_editable, get, keep_provenance
from framecast.errors import Refusal
from framecast.settings import DataSources
from framecast.store.clerk import Clerk
from framecast.store.database import Database
from framecast.store.datasources import DataSource, delete_datasource, read_datasources
from framecast.store.sealing import KeyRing, SecretPlace, UnreadableSecretError

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Became(StrEnum):
    """What happened to a data source."""

    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class News:
    """What is told of one."""

    org_id: int
    uid: str
    became: Became


Announce = Callable[[News], None]
"""Hears of changes. It must not wait, and not fail."""


def _tell_nobody(news: News) -> None:
    del news


class Registry:
    """What the API, channels and plugins ask. `run` must outlive whoever asks for a change.

    Any question is refused with 503 where the store cannot be read or written in time.
    """

    def __init__(self, database: Database, ring: KeyRing, limits: DataSources, now: Callable[[], float]) -> None:
        """`now` is Unix seconds."""
        self._ring = ring
        self._limits = limits
        self._now = now
        self._clerk = Clerk(database, limits, "datasources")
        self._saving = Saving(ring, limits)
        self.announce: Announce = _tell_nobody
        """Whoever runs the streams of data sources puts itself here."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make changes until cancelled."""
        await self._clerk.run(task_status=task_status)

    async def list(self, org_id: int) -> list[DataSource]:
        """All of the org, by name."""
        found = await self._clerk.look(lambda connection: read_datasources(connection, org_id))
        return sorted(found, key=lambda source: (source.traits.name.casefold(), source.datasource_id))

    async def find(self, org_id: int, uid: str) -> DataSource | None:
        """The org's data source of this uid."""
        return await self._clerk.look(lambda connection: by_uid(uid)(connection, org_id))

    async def show(self, org_id: int, find: Find) -> DataSource:
        """The one that is meant. Refusal 404."""
        return await self._clerk.look(lambda connection: get(connection, org_id, find))

    async def uid_of(self, org_id: int, datasource_id: int) -> str:
        """The uid of the org's data source of this number, by which older clients know it. Refusal 404."""
        return (await self.show(org_id, by_id(datasource_id))).uid

    def reveal(self, source: DataSource) -> Mapping[str, str]:
        """Its secrets in the clear, for its plugin and nobody else. Refusal 500 for one that cannot be read."""
        secrets = {}
        for key, sealed in source.sealed.items():
            try:
                secrets[key] = self._ring.open(sealed, SecretPlace(source.org_id, source.uid, key))
            except UnreadableSecretError as error:
                told = {"org": source.org_id, "uid": source.uid, "key": key, "reason": str(error)}
                log.warning("a data source's secret cannot be read: set it anew", **told)
                raise Refusal(
                    500, f"the secret {key!r} of the data source {source.uid!r} cannot be read: set it anew"
                ) from None
        return secrets

    async def create(self, org_id: int, order: Order) -> DataSource:
        """A new one. Refusal 400 or 413 for what cannot be one, 403 for one too many, 409 for a uid or name in use."""
        check_order(order, self._limits)
        insert = partial(self._saving.insert, org_id=org_id, order=order, now=self._now())
        return await self._clerk.make(partial(self._clerk.write, insert))

    async def update(self, org_id: int, find: Find, order: Order) -> DataSource:
        """Change one. Refusal as of `create`, and 403 for one that is read-only, 404, 409 for an older version."""
        check_order(order, self._limits)
        now = self._now()

        def statements(connection: sqlite3.Connection) -> DataSource:
            source = get(connection, org_id, find)
            check_editable(source)
            return self._saving.update(connection, source, keep_provenance(source, order), now)

        return await self._clerk.make(partial(self._make, statements, Became.CHANGED))

    async def delete(self, org_id: int, find: Find) -> DataSource:
        """Delete one with its secrets. Refusal 403 for one that is read-only, 404."""

        def statements(connection: sqlite3.Connection) -> DataSource:
            source = get(connection, org_id, find)
            check_editable(source)
            delete_datasource(connection, source.datasource_id)
            return source

        return await self._clerk.make(partial(self._make, statements, Became.DELETED))

    async def _make(self, statements: Callable[[sqlite3.Connection], DataSource], became: Became) -> DataSource:
        source = await self._clerk.write(statements)
        self.announce(News(source.org_id, source.uid, became))
        return source
