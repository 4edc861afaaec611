"""What a subscriber's connection needs from the rest of the house, and promises that it relies on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin
from framecast.settings import Live


class Outbox(Protocol):
    """The sending half of one connection: a FIFO bounded in bytes, through which every byte goes."""

    @property
    def connection(self) -> int:
        """The core's handle of this connection."""

    @property
    def last_received(self) -> float:
        """When the last byte came from the peer, on Trio's clock."""

    @property
    def queued_bytes(self) -> int:
        """Bytes that the client has not made room for yet."""

    @property
    def overflowed(self) -> bool:
        """Whether the connection was cut because the client read too slowly."""

    def send_message(self, payload: bytes) -> None:
        """Queue one WebSocket text message. BrokenResourceError or ClosedResourceError when it is cut."""


class Scope(Protocol):
    """The rules of one kind of channel."""

    async def subscribe(self, identity: Identity, address: Address, data: bytes | None) -> Begin:
        """Return when `identity` may subscribe; Refusal when not. `data` is the client's JSON.

        What is returned says how the subscriber begins, if it is asked before the next checkpoint.
        """

    async def publish(self, identity: Identity, address: Address, data: bytes) -> None:
        """Publish a client's JSON; Refusal when it may not."""


class Scopes(Protocol):
    """The table of scopes."""

    def find(self, address: Address) -> Scope:
        """Refusal 404 for a scope nobody knows."""


class Hub(Protocol):
    """Who receives what.

    Publications are delivered from Trio's thread only, and none of these methods delivers one by itself: a caller
    that does not wait in between can ask how it begins, subscribe and queue its reply as one step.
    """

    def subscribe(self, connection: int, address: Address, spelling: str) -> None:
        """Deliver from now on, naming the channel `spelling`. Refusal (a limit) changes nothing."""

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering, or give up a subscription that a scope has allowed and that was not made."""

    def leave(self, connection: int) -> None:
        """Stop delivering anything. Idempotent."""


def admit_everyone(identity: Identity) -> None:
    """Let every identity that passed the door connect."""
    del identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What all connections of a server share."""

    scopes: Scopes
    hub: Hub
    settings: Live
    version: str
    """What clients are told about the server, ``framecast 0.1.0``."""

    stopping: trio.Event
    """Set when the server goes down: every session says so and ends."""

    admit: Callable[[Identity], None] = admit_everyone
    """Asked at `connect`; Refusal is the answer to it. Tokens in the command will be its business."""
