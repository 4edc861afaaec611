"""From a channel, or from a data source's uid, to what answers for it: a plugin, with the data source's settings.

The one place where these meet. Who may ask is not its business (accounts/permissions.py), and it keeps nothing: an
instance has the settings and secrets of the moment it was found in, so whoever holds one asks it at once or never.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.errors import Refusal
from framecast.plugins.plugin import Context, DataSource, Plugin, User
from framecast.plugins.table import PluginTable


@dataclass(frozen=True, slots=True)
class Instance:
    """A plugin, with what it is to answer from."""

    plugin_id: str
    plugin: Plugin
    data_source: DataSource | None = None

    def context(self, identity: Identity, channel: str = "") -> Context:
        """What the plugin is told when `identity` asks, on a channel or by itself."""
        user = User(identity.login, identity.role)
        return Context(identity.org_id, self.plugin_id, channel, user, self.data_source)


FindInstance = Callable[[Address], Awaitable[Instance]]
"""What fills a channel. Refusal 404, final, where nothing does."""


class Instances:
    """All that a server has."""

    def __init__(self, table: PluginTable) -> None:
        self._table = table

    async def of_channel(self, address: Address) -> Instance:
        """The plugin that a channel ``plugin/{id}/…`` is of. Refusal 404, final, for none."""
        known = self._table.find(address.namespace)
        if known is None:
            raise Refusal(404, f"Not Found: {address} is of no plugin that this server has (`framecast plugins list`)")
        return Instance(known.plugin_id, known.plugin)
