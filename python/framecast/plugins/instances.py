"""From a channel, or from a data source's uid, to what answers for it: a plugin, with the data source's settings.

The one place where these meet. Who may ask is not its business (accounts/permissions.py). It keeps nothing: an instance
has the settings and secrets of the moment it was found in, and whoever holds one longer than for one question looks
whether it still stands.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

import msgspec
import structlog

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.errors import Refusal, printable
from framecast.plugins.plugin import Context, DataSource, Plugin, User
from framecast.plugins.table import PluginTable
from framecast.store import datasources as store

log = structlog.get_logger(__name__)

DATA_SOURCE_SCOPE = "ds"

ORPHANS_TOLD = 20


class Standing:
    """Whether a data source is still what it was: one for all who found it so."""

    __slots__ = ("__weakref__", "overtaken")

    def __init__(self) -> None:
        self.overtaken = False


@dataclass(frozen=True, slots=True)
class Instance:
    """A plugin, with what it is to answer from."""

    plugin_id: str
    plugin: Plugin
    data_source: DataSource | None = None
    standing: Standing = field(default_factory=Standing, compare=False, repr=False)

    @property
    def overtaken(self) -> bool:
        """Whether the data source was changed or deleted since it was found, so that this must not be used any more."""
        return self.standing.overtaken

    def context(self, identity: Identity, channel: str = "") -> Context:
        """What the plugin is told when `identity` asks, on a channel or by itself."""
        user = User(identity.login, identity.role)
        return Context(identity.org_id, self.plugin_id, channel, user, self.data_source)


FindInstance = Callable[[Address], Awaitable[Instance]]
"""What fills a channel. Refusal 404, final, where nothing does."""


class DataSources(Protocol):
    """What is needed of the registry of data sources. Refusal 503, temporary, where it cannot be read."""

    async def find(self, org_id: int, uid: str) -> store.DataSource | None:
        """The org's data source of this uid."""

    def reveal(self, source: store.DataSource) -> Mapping[str, str]:
        """Its secrets in the clear. Refusal 500 for one that cannot be read."""


class Instances:
    """All that a server has. Belongs to the Trio thread."""

    def __init__(self, table: PluginTable, data_sources: DataSources) -> None:
        self._table = table
        self._data_sources = data_sources
        self._standings: WeakValueDictionary[tuple[int, str], Standing] = WeakValueDictionary()

    async def of_channel(self, address: Address) -> Instance:
        """What fills ``plugin/{id}/…`` or ``ds/{uid}/…``. Refusal 404, final, for nothing."""
        if address.scope == DATA_SOURCE_SCOPE:
            return await self.of_data_source(address.org_id, address.namespace)
        known = self._table.find(address.namespace)
        if known is None:
            raise Refusal(404, f"Not Found: {address} is of no plugin that this server has (`framecast plugins list`)")
        return Instance(known.plugin_id, known.plugin)

    async def of_data_source(self, org_id: int, uid: str) -> Instance:
        """What answers for a data source of the org.

        Refusal 404, final, where there is no such data source, and where there is no plugin for its type; 503,
        temporary, and 500 as of `DataSources`.
        """
        # Before it is read: whatever happens to the data source from here on overtakes this instance.
        standing = self._standings.setdefault((org_id, uid), Standing())
        source = await self._data_sources.find(org_id, uid)
        if source is None:
            raise Refusal(404, f"Not Found: the org has no data source '{printable(uid)}'")
        known = self._table.find(source.traits.type)
        if known is None:
            raise Refusal(
                404,
                f"Not Found: the data source {uid!r} is of the type {source.traits.type!r}, and this server has no "
                "plugin of that id (`framecast plugins list`)",
            )
        return Instance(known.plugin_id, known.plugin, describe(source, self._data_sources.reveal(source)), standing)

    def tell_orphans(self, types: Iterable[str]) -> None:
        """Warn, in one line, of the types of data sources that no plugin is for: they will answer nothing."""
        orphaned = [kind for kind in types if self._table.find(kind) is None]
        if orphaned:
            told = orphaned[:ORPHANS_TOLD]
            log.warning("there are data sources of types that no plugin has", types=told, count=len(orphaned))

    def overtake(self, org_id: int, uid: str) -> None:
        """A data source was changed or deleted: no instance of it that was found before is good any more."""
        standing = self._standings.pop((org_id, uid), None)
        if standing is not None:
            standing.overtaken = True


def describe(source: store.DataSource, secrets: Mapping[str, str]) -> DataSource:
    """A data source as plugins are told of it."""
    traits = source.traits
    return DataSource(
        uid=source.uid,
        name=traits.name,
        type=traits.type,
        url=traits.url,
        user=traits.user,
        database=traits.database,
        basic_auth=traits.basic_auth,
        basic_auth_user=traits.basic_auth_user,
        json_data=msgspec.json.decode(traits.json_data, type=dict),
        json_text=traits.json_data,
        secrets=secrets,
        updated_ms=round(source.updated * 1_000),
        number=source.datasource_id,
    )
