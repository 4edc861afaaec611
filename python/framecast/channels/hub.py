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
from framecast.channels.subscriptions import Subscription, Subscriptions
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
        self._subscriptions = Subscriptions()
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
        info = publication.info.parts if publication.info is not None else None
        self._fanout.publish(publication.channel, publication.data, publication.offset, info)

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
        self._subscriptions.add(connection, key, Subscription(address))
        self._fanout.subscribe(connection, key, spelling)

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering; whoever opened a channel and does not subscribe after all says so here too."""
        self._drop(connection, address)

    def leave(self, connection: int) -> None:
        """The connection is over: end all its subscriptions."""
        for subscription in self._subscriptions.of(connection):
            self._drop(connection, subscription.address)

    def subscriber_count(self, address: Address) -> int:
        """How many connections of this node are subscribed."""
        return self._subscriptions.count(address.key)

    @property
    def channel_count(self) -> int:
        """Channels with a subscriber on this node."""
        return self._subscriptions.channel_count

    def _check_room(self, key: str) -> None:
        if not self._subscriptions.count(key) and self.channel_count >= self._max_channels:
            raise Refusal(LIMIT_EXCEEDED, f"limit exceeded: {self._max_channels} channels have subscribers")

    def _drop(self, connection: int, address: Address) -> None:
        key = address.key
        self._fanout.unsubscribe(connection, key)
        self._subscriptions.remove(connection, key)
        self._forget_if_unused(key)

    def _forget_if_unused(self, key: str) -> None:
        """Clients may name any channel: one that never had a publication ends with its last subscriber."""
        history = self.histories.find(key)
        if history is not None and not self._subscriptions.count(key) and history.untouched:
            self.histories.forget(key)
            self._broker.forget(key)
