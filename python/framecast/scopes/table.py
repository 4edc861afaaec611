"""The one list of scopes."""

from collections.abc import Mapping
from typing import Protocol

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin
from framecast.channels.client_info import ClientInfo
from framecast.errors import Refusal
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


class ScopeTable:
    """Finds the scope of an address."""

    def __init__(self, scopes: Mapping[str, Scope]) -> None:
        self._scopes = dict(scopes)

    def find(self, address: Address) -> Scope:
        """The scope's rules. Refusal 404, which clients take as final, when there is no such scope."""
        scope = self._scopes.get(address.scope)
        if scope is None:
            known = ", ".join(sorted(self._scopes))
            raise Refusal(404, f"Not Found: no scope {address.scope!r} on this server (known: {known})")
        return scope
