"""What a session asks its connection to do about one command. Sans-io, as the session is."""

import msgspec

from framecast.channels.address import Address
from framecast.channels.broker import Position
from framecast.errors import Refusal
from framecast.protocol.messages import ConnectRequest


class Connect(msgspec.Struct, frozen=True):
    """Let this client in, or not."""

    id: int
    request: ConnectRequest


class Subscribe(msgspec.Struct, frozen=True):
    """Ask for permission, then begin to deliver. What a client asks for beside the channel need not be granted."""

    id: int
    channel: str
    address: Address
    data: bytes | None = None
    returning: Position | None = None
    """Where the client stood, if it asks for what it missed."""
    all_or_nothing: bool = False
    """Whether a returning client wants error 112 where not all it missed is there."""
    token: str = ""
    join_leave: bool = False
    delta: bool = False


class Unsubscribe(msgspec.Struct, frozen=True):
    """Stop delivering; without an address there is nothing to stop."""

    id: int
    address: Address | None


class Publish(msgspec.Struct, frozen=True):
    """Ask for permission, then publish."""

    id: int
    address: Address
    data: bytes
    subscribed: bool


class AskPresence(msgspec.Struct, frozen=True):
    """Say who is subscribed to a channel, or how many."""

    id: int
    address: Address
    subscribed: bool
    counts: bool


class ReadHistory(msgspec.Struct, frozen=True):
    """Give a page of a channel's past."""

    id: int
    address: Address
    subscribed: bool
    since: Position | None
    limit: int
    reverse: bool


class Call(msgspec.Struct, frozen=True):
    """Run one of the server's methods."""

    id: int
    method: str
    data: bytes


class Refresh(msgspec.Struct, frozen=True):
    """Let the client stay for as long as its new token says."""

    id: int
    token: str


class RefreshSubscription(msgspec.Struct, frozen=True):
    """Let the subscription last for as long as its new token says."""

    id: int
    channel: str
    address: Address
    token: str


class Refuse(msgspec.Struct, frozen=True):
    """Answer with an error."""

    id: int
    refusal: Refusal
    method: str
    """Of the command that was refused, and the channel that it named; "" where it named none."""
    channel: str


Action = (
    Connect
    | Subscribe
    | Unsubscribe
    | Publish
    | AskPresence
    | ReadHistory
    | Call
    | Refresh
    | RefreshSubscription
    | Refuse
)
