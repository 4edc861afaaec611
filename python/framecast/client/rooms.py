"""What a subscriber's connection needs from the rest of the house, and promises that it relies on."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import trio

from framecast.accounts.admission import Admission, Grant
from framecast.accounts.denials import Denials
from framecast.accounts.identity import Identity
from framecast.accounts.rates import Rates
from framecast.channels.address import Address
from framecast.channels.beginning import Begin
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import Kept
from framecast.channels.subscriptions import Delivery
from framecast.client.missed import MissedPublications
from framecast.client.schedule import Schedule
from framecast.ingest.held import ByteBudget
from framecast.protocol.codes import UnsubscribeCode
from framecast.settings import Accounts, ChannelOptions, Live
from framecast.settings import Rates as RateLimits


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
    def waiting_bytes(self) -> int:
        """Memory of all that waits for any client of the server."""

    @property
    def overflowed(self) -> bool:
        """Whether the connection was cut because too much waited for the client."""

    @property
    def stalled(self) -> bool:
        """Whether the connection was cut because the client took nothing for too long."""

    def send_message(self, payload: bytes) -> None:
        """Queue one message, framed as the transport wants it.

        BrokenResourceError or ClosedResourceError when the connection is cut.
        """


class Scope(Protocol):
    """The rules of one kind of channel."""

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions
    ) -> Begin:
        """Return when `identity` may subscribe; Refusal when not. `data` is the client's JSON, `options` its own.

        What is returned says how the subscriber begins, if it is asked before the next checkpoint.
        """

    async def publish(
        self, identity: Identity, address: Address, data: bytes, info: ClientInfo, *, subscribed: bool
    ) -> None:
        """Publish a client's JSON; Refusal when it may not. `info` is what subscribers are shown of the client."""


class Scopes(Protocol):
    """The table of scopes."""

    def find(self, address: Address) -> Scope:
        """Refusal 404 for a scope nobody knows."""


class Options(Protocol):
    """What is switched on for each channel."""

    def find(self, address: Address) -> ChannelOptions:
        """Never fails: a channel that does not exist has options too."""


class Hub(Protocol):
    """Who receives what.

    Publications are delivered from Trio's thread only, and none of these methods delivers one by itself: a caller
    that does not wait in between can ask how it begins, subscribe and queue its reply as one step.
    """

    def watch(self, connection: int, ended: Callable[[Address, UnsubscribeCode], None]) -> None:
        """Call `ended` when the server ends one of this connection's subscriptions, until it leaves."""

    def subscribe(
        self,
        connection: int,
        address: Address,
        spelling: str,
        *,
        info: ClientInfo,
        options: ChannelOptions,
        delivery: Delivery,
    ) -> None:
        """Deliver from now on, naming the channel `spelling`. Refusal (a limit) changes nothing.

        As `info` it is present and announced where `options` say so.
        """

    def announce_join(self, connection: int, address: Address) -> None:
        """Tell those who want to know that a subscriber came, once it was told that it is one."""

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering, or give up a subscription that a scope has allowed and that was not made."""

    def leave(self, connection: int) -> None:
        """Stop delivering anything. Idempotent."""

    async def page(
        self, address: Address, *, since: Position | None, limit: int, reverse: bool
    ) -> tuple[Position, list[Kept]]:
        """Where the channel stands, and a cut of its past. Refusal 107 or 112 for a cut that cannot be made."""

    def presence(self, address: Address) -> Mapping[str, ClientInfo]:
        """Who is subscribed, by client."""

    def presence_counts(self, address: Address) -> tuple[int, int]:
        """How many clients and how many users are subscribed."""


class Admissions(Protocol):
    """Who may come in, and for how long."""

    async def connect(self, visitor: Identity | None, token: str) -> Admission:
        """Refusal or PeerError for one who may not."""

    async def refresh(self, admission: Admission, token: str) -> Admission:
        """Refusal or PeerError for a token that is no good."""

    async def subscription(self, admission: Admission, *, channel: str, client: str, token: str) -> Grant:
        """Refusal or PeerError for a token that is no good."""


Method = Callable[[Identity, bytes], Awaitable[bytes]]
"""Takes the caller and its JSON, returns JSON; Refusal answers the call with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What all connections of a server share."""

    scopes: Scopes
    options: Options
    hub: Hub
    admissions: Admissions
    settings: Live
    version: str
    """What clients are told about the server, ``framecast 0.1.0``."""

    waiting: ByteBudget
    """What clients have said and nobody has acted upon yet."""

    stopping: trio.Event
    """Set when the server goes down: the roster ends who is there, and who comes later ends at once."""

    schedule: Schedule
    """The times of all connections."""

    rates: Rates = field(default_factory=lambda: Rates(RateLimits()))
    """How much each of them may ask. Without any there are none but tokens' own."""

    denials: Denials = field(default_factory=lambda: Denials(Accounts()))
    """Where it is told what they may not do."""

    methods: Mapping[str, Method] = field(default_factory=dict)
    """What clients may call, by name."""

    missed: MissedPublications = field(default_factory=MissedPublications)
    """What was encoded for one returning client and may be wanted by the next."""

    unix_seconds: Callable[[], float] = time.time
    """The clock that tokens are held against."""
