"""The hub joins the three sides of a channel: who publishes, what order the broker gives, who is subscribed.

It belongs to the Trio thread. `subscribe` and `history` are synchronous on purpose: between two checkpoints no
publication is delivered, so a subscriber's first answer and what follows it have neither a hole nor a double.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio

from framecast.channels.address import Address
from framecast.channels.broker import Broker, Draft, Publication
from framecast.channels.history import ChannelHistory
from framecast.channels.options import OptionsTable
from framecast.channels.retention import Histories
from framecast.errors import Refusal
from framecast.settings import History

if TYPE_CHECKING:
    from framecast._core import Fanout

LIMIT_EXCEEDED = 106
CHANNELS_AT_ONCE = 500
"""Channels that are swept before the others get a turn."""

LEAST_SWEEP_SECONDS = 1.0
"""Between sweeps, however soon a past is too old: each looks at every channel."""


class Hub:
    """Subscribers by channel, and every channel's past."""

    def __init__(
        self,
        fanout: "Fanout",
        broker: Broker,
        *,
        max_channels: int,
        retention: History,
        options: OptionsTable | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._fanout = fanout
        self._broker = broker
        self._max_channels = max_channels
        self._subscribers: dict[str, set[int]] = {}
        self._channels_of: dict[int, set[str]] = {}
        self.options = options or OptionsTable({}, retention)
        """What clients may do on which channel."""
        self._sweep_seconds = max(LEAST_SWEEP_SECONDS, self.options.shortest_seconds / 10)
        self.histories = Histories(retention, self.options, clock)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Let go of what nobody publishes to, watches or may still want to see, until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(self._sweep_seconds)
            for number, history in enumerate(self.histories.expire()):
                self._forget_if_unused(history.channel)
                if number % CHANNELS_AT_ONCE == 0:
                    await trio.sleep(0)  # noqa: ASYNC115 - trio.lowlevel is for door/outbound.py alone

    async def publish(self, drafts: Sequence[Draft]) -> None:
        """Hand messages to the broker; when it returns, they are acknowledged. Refusal 503 as the broker's."""
        await self._broker.publish(drafts)

    def deliver(self, publication: Publication) -> None:
        """Take one publication from the broker to every subscriber of this node."""
        self.histories.take(publication)
        self._fanout.publish(publication.channel, publication.data, publication.offset)

    async def open(self, address: Address) -> ChannelHistory:
        """The channel's past; begins the channel if need be. Has no checkpoint after it knows the answer.

        Refusal 106 when `live.max_channels` channels have subscribers already and this would be one more: a channel
        need not exist to be subscribed, so only this bounds them.
        """
        key = address.key
        found = self.histories.find(key)
        if found is None:
            self._check_room(key)
            position = await self._broker.open(key)
            found = self.histories.begin(key, position)
        return found

    def history(self, address: Address) -> ChannelHistory | None:
        """The channel's past, where it has begun."""
        return self.histories.find(address.key)

    def restore(self, address: Address, schema: bytes) -> None:
        """The channel has this schema from an earlier life of the server, and no past: nothing was published yet."""
        self.histories.restore(address.key, schema)

    def forget(self, address: Address) -> None:
        """The channel is over, with all its past. Nobody should be subscribed: positions become void."""
        self.histories.forget(address.key)
        self._broker.forget(address.key)

    def subscribe(self, connection: int, address: Address, spelling: str) -> None:
        """Deliver `address` to `connection` from now on, spelled as the client spells it. Refusal 106 as `open`."""
        key = address.key
        self._check_room(key)
        self._subscribers.setdefault(key, set()).add(connection)
        self._channels_of.setdefault(connection, set()).add(key)
        self._fanout.subscribe(connection, key, spelling)

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering; whoever opened a channel and does not subscribe after all says so here too."""
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

    def _check_room(self, key: str) -> None:
        if key not in self._subscribers and len(self._subscribers) >= self._max_channels:
            raise Refusal(LIMIT_EXCEEDED, f"limit exceeded: {self._max_channels} channels have subscribers")

    def _drop(self, connection: int, key: str) -> None:
        subscribers = self._subscribers.get(key)
        if subscribers is not None:
            subscribers.discard(connection)
            if not subscribers:
                del self._subscribers[key]
        self._forget_if_unused(key)
        keys = self._channels_of.get(connection)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._channels_of[connection]

    def _forget_if_unused(self, key: str) -> None:
        """Clients may name any channel: one that never had a publication ends with its last subscriber."""
        history = self.histories.find(key)
        if history is not None and key not in self._subscribers and history.untouched:
            self.histories.forget(key)
            self._broker.forget(key)
