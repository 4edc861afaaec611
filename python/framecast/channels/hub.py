"""The hub joins the three sides of a channel: who publishes, what order the broker gives, who is subscribed.

It belongs to the Trio thread. `subscribe` and `latest` are synchronous on purpose: between two checkpoints no
publication is delivered, so a subscriber's first answer and what follows it have neither a hole nor a double.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from framecast.channels.address import Address
from framecast.channels.broker import Broker, Draft, Publication
from framecast.errors import Refusal

if TYPE_CHECKING:
    from framecast._core import Fanout

LIMIT_EXCEEDED = 106


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest state of a frame channel, as delivered."""

    schema: bytes
    data: bytes | None
    """The payload of the newest publication (with the schema inside when that one carried it); None when it was let
    go for lack of room."""

    carries_schema: bool

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        return len(self.schema) + len(self.data or b"")


class Hub:
    """Subscribers by channel, and the newest frame of every frame channel."""

    def __init__(self, fanout: "Fanout", broker: Broker, *, max_channels: int, held_bytes: int) -> None:
        self._fanout = fanout
        self._broker = broker
        self._max_channels = max_channels
        self._subscribers: dict[str, set[int]] = {}
        self._channels_of: dict[int, set[str]] = {}
        self._held_bytes_limit = held_bytes
        self._latest: OrderedDict[str, Latest] = OrderedDict()
        self.held_bytes = 0

    async def publish(self, drafts: Sequence[Draft]) -> None:
        """Hand messages to the broker; when it returns, they are acknowledged. Refusal 503 as the broker's."""
        await self._broker.publish(drafts)

    def deliver(self, publication: Publication) -> None:
        """Take one publication from the broker to every subscriber of this node."""
        held = self._latest.get(publication.channel)
        if publication.schema is not None:
            self._hold(publication.channel, Latest(publication.schema, publication.data, carries_schema=True))
        elif held is not None:
            self._hold(publication.channel, Latest(held.schema, publication.data, carries_schema=False))
        # Clients are shown no offset (0) until a subscription can be recovered from it.
        self._fanout.publish(publication.channel, publication.data, 0)

    def latest(self, address: Address) -> Latest | None:
        """What a new subscriber of a frame channel starts from; None before the first publication."""
        return self._latest.get(address.key)

    def forget(self, address: Address) -> None:
        """Drop what is held of a channel that is over; its subscribers stay."""
        held = self._latest.pop(address.key, None)
        if held is not None:
            self.held_bytes -= held.size_bytes
        self._broker.forget(address.key)

    def subscribe(self, connection: int, address: Address, spelling: str) -> None:
        """Deliver `address` to `connection` from now on, spelled as the client spells it.

        Refusal 106 when `live.max_channels` channels have subscribers already and this would be one more: a channel
        need not exist to be subscribed, so only this bounds them.
        """
        key = address.key
        subscribers = self._subscribers.get(key)
        if subscribers is None:
            if len(self._subscribers) >= self._max_channels:
                raise Refusal(LIMIT_EXCEEDED, f"limit exceeded: {self._max_channels} channels have subscribers")
            subscribers = self._subscribers[key] = set()
        subscribers.add(connection)
        self._channels_of.setdefault(connection, set()).add(key)
        self._fanout.subscribe(connection, key, spelling)

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering; harmless when there was no subscription."""
        self._fanout.unsubscribe(connection, address.key)
        self._drop(connection, address.key)

    def leave(self, connection: int) -> None:
        """The connection is over: end all its subscriptions."""
        for key in tuple(self._channels_of.get(connection, ())):
            self._fanout.unsubscribe(connection, key)
            self._drop(connection, key)

    def subscriber_count(self, address: Address) -> int:
        """How many connections of this node are subscribed."""
        return len(self._subscribers.get(address.key, ()))

    @property
    def channel_count(self) -> int:
        """Channels with a subscriber on this node."""
        return len(self._subscribers)

    def _hold(self, key: str, latest: Latest) -> None:
        """Keep the newest frame; past the budget, let the longest unchanged ones go but for their schema."""
        before = self._latest.pop(key, None)
        self.held_bytes += latest.size_bytes - (before.size_bytes if before is not None else 0)
        self._latest[key] = latest
        while self.held_bytes > self._held_bytes_limit:
            oldest, held = next(iter(self._latest.items()))
            bare = Latest(held.schema, None, carries_schema=False)
            if held == bare:
                return  # nothing but schemas is left, and those are bounded by the streams' limits
            self._latest[oldest] = bare
            self._latest.move_to_end(oldest)
            self.held_bytes -= held.size_bytes - bare.size_bytes

    def _drop(self, connection: int, key: str) -> None:
        subscribers = self._subscribers.get(key)
        if subscribers is not None:
            subscribers.discard(connection)
            if not subscribers:
                del self._subscribers[key]
        keys = self._channels_of.get(connection)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._channels_of[connection]
