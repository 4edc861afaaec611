"""``stream/{id}/{path}``: managed streams. Everybody of the org may subscribe, nobody may publish but by a push."""

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.hub import Hub
from framecast.errors import Refusal


class StreamScope:
    """Subscribing before anything was pushed is allowed and empty: panels open before Telegraf starts."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def subscribe(self, identity: Identity, address: Address, data: bytes | None) -> None:
        """Allow it: the address is of the subscriber's own org already."""

    def snapshot(self, address: Address) -> bytes | None:
        """The last frame, schema and data, in the form of a publication; None before the first."""
        latest = self._hub.latest(address)
        if latest is None:
            return None
        if latest.carries_schema:
            return latest.data
        if latest.data is None:
            return b'{"schema":' + latest.schema + b"}"
        # A data-only payload is {"data":…}; what follows its brace follows the schema.
        return b'{"schema":' + latest.schema + b"," + latest.data[1:]

    async def publish(self, identity: Identity, address: Address, data: bytes) -> None:
        """Refuse, as Grafana Live does."""
        raise Refusal(403, "Forbidden: stream channels take data by push only (POST /api/live/push/{stream})")
