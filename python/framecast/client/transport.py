"""How one client's frames come in and how a goodbye goes out: what differs between a WebSocket and the others.

Everything else that is said to a client goes through its outbox, whatever the transport.
"""

from dataclasses import dataclass, field
from typing import Protocol


class Transport(Protocol):
    """One client's way to us. A `door.websocket.WebSocket` is one."""

    async def receive(self) -> bytes:
        """The next frame of commands, waiting for it. PeerLeft when there will be none."""

    async def close(self, code: int, reason: str) -> None:
        """Tell the client why it ends, and let go. The caller sets the deadline."""


@dataclass(frozen=True, slots=True)
class Emulated:
    """What a client names itself by that speaks in requests of their own (an HTTP stream, server-sent events)."""

    session: str = field(repr=False)
    """A secret: whoever knows it can speak for the client."""

    node: str
