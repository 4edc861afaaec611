"""What a session asks its connection to do about one command. Sans-io, as the session is."""

from dataclasses import dataclass

from framecast.channels.address import Address
from framecast.channels.broker import Position
from framecast.errors import Refusal
from framecast.protocol.messages import ConnectRequest


@dataclass(frozen=True, slots=True)
class Connect:
    """Let this client in, or not."""

    id: int
    request: ConnectRequest


@dataclass(frozen=True, slots=True)
class Subscribe:
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


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop delivering; without an address there is nothing to stop."""

    id: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class Publish:
    """Ask for permission, then publish."""

    id: int
    address: Address
    data: bytes
    subscribed: bool


@dataclass(frozen=True, slots=True)
class AskPresence:
    """Say who is subscribed to a channel, or how many."""

    id: int
    address: Address
    subscribed: bool
    counts: bool


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Give a page of a channel's past."""

    id: int
    address: Address
    subscribed: bool
    since: Position | None
    limit: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class Call:
    """Run one of the server's methods."""

    id: int
    method: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Refresh:
    """Let the client stay for as long as its new token says."""

    id: int
    token: str


@dataclass(frozen=True, slots=True)
class RefreshSubscription:
    """Let the subscription last for as long as its new token says."""

    id: int
    channel: str
    address: Address
    token: str


@dataclass(frozen=True, slots=True)
class Refuse:
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
