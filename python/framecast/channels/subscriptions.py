"""Who is subscribed to what on this node, looked up from both sides."""

import msgspec

from framecast.channels.address import Address
from framecast.channels.client_info import ClientInfo


class Delivery(msgspec.Struct, frozen=True):
    """What one subscriber gets of what happens on a channel, and how."""

    delta: bool = False
    """Publications as differences to the one before, where that is shorter."""

    events: bool = False
    """Who comes and goes as well."""

    detailed: bool = False
    """The details of publications that have some; then no differences."""

    conflate: bool = False
    """To one that reads slowly the newest publication instead of all; then no differences."""


PLAINLY = Delivery()


class Subscription(msgspec.Struct, frozen=True):
    """One connection's, to one channel."""

    address: Address
    announced: ClientInfo | None = None
    """As whom the others are told that it comes and goes; None when they are not."""

    joined: bool = False
    """Whether they were told that it came: only of such a one are they told that it goes."""


class Subscriptions:
    """All subscriptions of this node. Belongs to the Trio thread."""

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[int, Subscription]] = {}
        self._by_connection: dict[int, dict[str, Subscription]] = {}

    def add(self, connection: int, key: str, subscription: Subscription) -> None:
        """The connection is subscribed so from now on, whatever it was before."""
        self._by_channel.setdefault(key, {})[connection] = subscription
        self._by_connection.setdefault(connection, {})[key] = subscription

    def remove(self, connection: int, key: str) -> Subscription | None:
        """The connection is not subscribed any more; what it had, or None."""
        subscribers, channels = self._by_channel.get(key, {}), self._by_connection.get(connection, {})
        removed = subscribers.pop(connection, None)
        if removed is not None:
            del channels[key]
            if not subscribers:
                del self._by_channel[key]
            if not channels:
                del self._by_connection[connection]
        return removed

    def find(self, connection: int, key: str) -> Subscription | None:
        """What the connection has of a channel."""
        return self._by_channel.get(key, {}).get(connection)

    def on(self, key: str, connection: int | None = None) -> tuple[int, ...]:
        """The connections that are subscribed to a channel, or of them the one that is named."""
        subscribers = self._by_channel.get(key, {})
        if connection is None:
            return tuple(subscribers)
        return (connection,) if connection in subscribers else ()

    def of(self, connection: int) -> tuple[Subscription, ...]:
        """What a connection is subscribed to."""
        return tuple(self._by_connection.get(connection, {}).values())

    def count(self, key: str) -> int:
        """How many connections are subscribed to a channel."""
        return len(self._by_channel.get(key, ()))

    @property
    def channel_count(self) -> int:
        """Channels with a subscriber."""
        return len(self._by_channel)
