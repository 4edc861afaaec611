"""The broker's role: give every publication of a channel its place in one order, and hand it to every node.

Shaped for several nodes from the first day: continuity is ``previous == mine``, never ``offset == mine + 1`` (a
failover may jump), publishing takes batches, and no engine's idiom shows here.

What is told of a publication holds no circles, so the collector need not look at any of it (`gc=False`).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from framecast.channels.client_info import ClientInfo


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a channel's stream: behind the publication `offset` (0: before the first) of `epoch`.

    An epoch is the life of one stream. Where it ends, offsets begin again and mean nothing to those who hold old ones.
    """

    epoch: str
    offset: int


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A message on its way to a channel; it has no place in the channel's order yet."""

    channel: str
    """Address.key."""

    data: bytes
    """JSON without raw newlines, embedded as it is in what subscribers receive."""

    schema: bytes | None = None
    """The channel's whole frame schema where this message makes it new or another; `data` holds it too."""

    rows: int = 0
    """Rows of a frame, as histories count them; 1 for a message that is none."""

    info: ClientInfo | None = None
    """The client that published it; None for what the server itself or a push brought."""

    detail: bytes | None = None
    """The same told in full, for subscribers that asked for more; None where there is no more to tell. As `data`."""


class Publication(msgspec.Struct, frozen=True, gc=False):
    """A message with its place: it follows `previous` in the stream `epoch` of its channel."""

    channel: str
    data: bytes
    schema: bytes | None
    rows: int
    epoch: str
    offset: int
    previous: int
    info: ClientInfo | None = None
    detail: bytes | None = None


Deliver = Callable[[Publication], None]
"""Takes one publication in the channel's order; never blocks, never raises."""


class Broker(Protocol):
    """What a broker promises; tests/brokers/test_contract.py holds every implementation to it."""

    async def run(self, deliver: Deliver, *, task_status: trio.TaskStatus[None]) -> None:
        """Deliver publications until cancelled; `started` once publishing is possible.

        Each channel's publications are delivered in one order, the same on every node, each exactly once while the
        node is connected, with ``previous`` naming the one before.
        """

    async def publish(self, drafts: Sequence[Draft]) -> Sequence[int]:
        """Give each draft its offset, in the order given, and hand it over; return the offsets.

        When it returns, the publications are acknowledged: they will be delivered. Refusal 503 when the broker cannot
        take them now; then none was taken. Never waits for a subscriber.
        """

    async def open(self, channel: str) -> Position:
        """Where the channel's stream stands; begins the stream if there is none.

        Whatever is delivered after this returned follows that position.
        """

    def forget(self, channel: str) -> None:
        """The channel's stream is over; a later publication begins a new one (a new epoch)."""
