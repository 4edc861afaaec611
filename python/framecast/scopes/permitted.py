"""A scope behind the table of permissions: who may is asked here, once for all scopes; what may be, by the scope."""

from framecast.accounts.identity import Identity
from framecast.accounts.permissions import check_publish, check_subscribe
from framecast.channels.address import Address
from framecast.channels.beginning import Begin
from framecast.channels.client_info import ClientInfo
from framecast.scopes.scope import Scope
from framecast.settings import ChannelOptions


class Permitted:
    """Plays the role of a scope. Refusal 403 for who may not, whatever the channel's own rules would say."""

    def __init__(self, rules: Scope) -> None:
        self.rules = rules
        """The scope's own."""

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Ask the scope, for who may."""
        check_subscribe(identity, address)
        return await self.rules.subscribe(identity, address, data, options)

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Have the scope publish, for who may."""
        check_publish(identity, address)
        await self.rules.publish(identity, address, data, info, subscribed=subscribed)
