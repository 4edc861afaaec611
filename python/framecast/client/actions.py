"""What a session asks its connection to do about one command. Sans-io, as the session is."""

from dataclasses import dataclass

from framecast.channels.address import Address
from framecast.channels.broker import Position
from framecast.errors import Refusal


@dataclass(frozen=True, slots=True)
class Connect:
    """Let this client in, or not."""

    id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for permission, then begin to deliver."""

    id: int
    channel: str
    address: Address
    data: bytes | None
    returning: Position | None
    """Where the client stood, if it asks for what it missed."""
    all_or_nothing: bool = False
    """Whether a returning client wants error 112 where not all it missed is there."""


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


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error."""

    id: int
    refusal: Refusal


Action = Connect | Subscribe | Unsubscribe | Publish | Refuse
