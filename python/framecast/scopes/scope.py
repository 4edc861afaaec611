"""The role of a scope: the rules of all channels that begin with one word, or with two."""

from typing import Protocol

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin
from framecast.channels.client_info import ClientInfo
from framecast.settings import ChannelOptions


class Scope(Protocol):
    """The rules of all channels that begin with one word."""

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Allow the subscription, or raise Refusal. `data` is the JSON the client sent along.

        `options` are this subscriber's own, where a token made them other than the channel's.

        Has no checkpoint after it has looked at the channel, so that nothing is published before `Begin` is called.
        """

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Take a client's publication, or raise Refusal. Subscribers see `info`; `subscribed` is the client itself."""
