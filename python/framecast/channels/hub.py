"""The hub joins the three sides of a channel: who publishes, what order the broker gives, who is subscribed.

It belongs to the Trio thread. `subscribe` and `history` are synchronous on purpose: between two checkpoints no
publication is delivered, so a subscriber's first answer and what follows it have neither a hole nor a double.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from framecast.channels.address import Address, parse_key
from framecast.channels.broker import Broker, Draft, Position, Publication
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory, Kept
from framecast.channels.options import OptionsTable
from framecast.channels.presence import Presence
from framecast.channels.retention import Histories
from framecast.channels.subscriptions import PLAINLY, Delivery, Subscription, Subscriptions
from framecast.protocol.codes import ErrorCode, UnsubscribeCode
from framecast.settings import MIB, ChannelOptions, History

if TYPE_CHECKING:
    from framecast._core import Fanout

Ended = Callable[[Address, UnsubscribeCode], None]
"""Takes the news that the server has ended one of a connection's subscriptions; never waits, never raises."""

Followed = Callable[[Address, bool], None]
"""Takes the news that a channel has its first subscriber, or lost its last one; never waits, never raises."""

QUIET_CHANNELS_TRIED = 100
"""Of a publication that needs one of them gone; the next one tries others."""

CHANNELS_AT_ONCE = 500
"""Channels that are swept before the others get a turn."""

LOOK_SECONDS = 0.001
"""Between looks at whether the writer has caught up: the time in which it writes a megabyte or more."""

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
        presence_bytes: int = MIB,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._fanout = fanout
        self._broker = broker
        self._max_channels = max_channels
        self._presence_bytes = presence_bytes
        self._subscriptions = Subscriptions()
        self._presence = Presence()
        self._ended: dict[int, Ended] = {}
        self._followers: list[Followed] = []
        self._begun_by_clients: OrderedDict[str, None] = OrderedDict()
        """By their last message, the quietest first."""
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
                if history.spent:
                    self._forget_if_unwatched(history.channel)
                if number % CHANNELS_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()

    async def publish(self, drafts: Sequence[Draft]) -> None:
        """Hand messages to the broker; when it returns, they are acknowledged. Refusal 503 as the broker's."""
        await self._broker.publish(drafts)

    async def catch_up(self, seconds: float) -> None:
        """Wait until everything published was offered to its subscribers' sockets, for at most `seconds`.

        Which depends on the writer's share of the processor, and on no subscriber. No checkpoint where it is so.
        """
        until = trio.current_time() + seconds
        while not self._fanout.at_rest and trio.current_time() < until:  # noqa: ASYNC110 - the core calls nobody back
            await trio.sleep(LOOK_SECONDS)

    async def publish_message(self, address: Address, data: bytes, info: ClientInfo | None) -> None:
        """Publish what a client sent, JSON that is no frame, as `publish` does.

        Clients may name any channel. At `live.max_channels` of them the one that was quiet for longest and is not
        watched makes room; Refusal 106 when those that were quiet for longest are all watched.
        """
        key = address.key
        begun = self._begun_by_clients
        if key not in begun and len(begun) >= self._max_channels:
            self._forget_quietest()
        begun[key] = None
        begun.move_to_end(key)
        try:
            await self.publish([Draft(key, data, rows=1, info=info)])
        finally:
            if self.histories.find(key) is None:
                begun.pop(key, None)

    async def page(
        self, address: Address, *, since: Position | None, limit: int, reverse: bool
    ) -> tuple[Position, list[Kept]]:
        """Where the channel stands, and a cut of its past as `ChannelHistory.page` makes it; Refusals as its.

        Begins a channel that nobody has begun, as centrifuge does, but does not keep it: nobody is there yet to
        whom its position would mean something.
        """
        history = await self.open(address)
        try:
            return history.position, history.page(since=since, limit=limit, reverse=reverse)
        finally:
            self._forget_if_untouched(address.key)

    def deliver(self, publication: Publication) -> None:
        """Take one publication from the broker to every subscriber of this node.

        Where it does not follow what was delivered before, subscribers have missed something, and the positions that
        they hold are not of this stream any more: they are sent back to recover (2500).
        """
        history = self.histories.find(publication.channel)
        if history is not None and not history.precedes(publication) and history.options.recovery != "off":
            self.end(parse_key(publication.channel), UnsubscribeCode.INSUFFICIENT_STATE)
        self.histories.take(publication)
        info = publication.info.parts if publication.info is not None else None
        self._fanout.publish(
            publication.channel,
            publication.data,
            publication.offset,
            info,
            detail=publication.detail,
            brings_schema=publication.schema is not None,
        )

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

    def give_up(self, address: Address) -> None:
        """Whoever opened the channel does not subscribe after all: it ends if nobody else has made anything of it."""
        self._forget_if_untouched(address.key)

    def history(self, address: Address) -> ChannelHistory | None:
        """The channel's past, where it has begun."""
        return self.histories.find(address.key)

    def check_current(self, history: ChannelHistory) -> None:
        """Refusal 111 when this is not the channel's past any more: it has ended, and may have begun anew."""
        if self.histories.find(history.channel) is not history:
            raise ErrorCode.TOO_MANY_REQUESTS.refusal("too many requests: the channel has just ended, try again")

    def restore(self, address: Address, schema: bytes) -> None:
        """The channel has this schema from an earlier life of the server, and no past: nothing was published yet."""
        self.histories.restore(address.key, schema)

    def forget(self, address: Address) -> None:
        """The channel is over, with all its past. Positions in it become void: who is subscribed begins anew (2500)."""
        self.end(address, UnsubscribeCode.INSUFFICIENT_STATE)
        self._forget(address.key)

    def subscribe(
        self,
        connection: int,
        address: Address,
        spelling: str,
        *,
        info: ClientInfo | None = None,
        options: ChannelOptions | None = None,
        delivery: Delivery = PLAINLY,
    ) -> None:
        """Deliver `address` to `connection` from now on, spelled as the client spells it. Refusal 106 as `open`.

        As `info` it is present, and others are told of it, where `options` say so: the channel's, or what a token made
        of them. The others are told by `announce_join` and when it goes.
        """
        key = address.key
        self._check_room(key)
        is_first = not self._subscriptions.count(key)
        options = options or self.options.find(address)
        announced = info if options.join_leave != "off" else None
        self._subscriptions.add(connection, key, Subscription(address, announced))
        if info is not None and options.presence:
            self._presence.join(address, connection, info)
        else:
            self._presence.leave(address, connection)
        self._fanout.subscribe(
            connection,
            key,
            spelling,
            delta=delivery.delta,
            events=delivery.events,
            detailed=delivery.detailed,
            conflate=delivery.conflate,
        )
        if is_first:
            self._tell_followers(address, watched=True)

    def announce_join(self, connection: int, address: Address) -> None:
        """Tell who wants to know, the subscriber itself included, that it has joined.

        To be called when its subscribe reply is queued, which must come first.
        """
        subscription = self._subscriptions.find(connection, address.key)
        if subscription is not None and subscription.announced is not None:
            self._subscriptions.add(connection, address.key, replace(subscription, joined=True))
            self._fanout.announce(address.key, True, subscription.announced.parts)  # noqa: FBT003 - the core's own name

    def unsubscribe(self, connection: int, address: Address) -> None:
        """Stop delivering; a client for whom a channel was opened and that does not subscribe after all says so too."""
        self._drop(connection, address)

    def follow(self, followed: Followed) -> None:
        """Tell `followed` of every channel that begins or ceases to have subscribers, from now on.

        It is told within the call that made it so, when that has taken place.
        """
        self._followers.append(followed)

    def watch(self, connection: int, ended: Ended) -> None:
        """Tell `ended` of every subscription of the connection that the server ends, until the connection leaves."""
        self._ended[connection] = ended

    def end(self, address: Address, code: UnsubscribeCode, *, connection: int | None = None) -> None:
        """End the subscriptions to a channel, or one connection's, and tell the connections why.

        What was published before is in their queues already. Nothing for who is not subscribed.
        """
        key = address.key
        over = self._subscriptions.on(key, connection)
        for one in over:
            # All before any is told of: where everybody leaves, nobody is there to be told of everybody.
            self._fanout.unsubscribe(one, key)
        for one in over:
            self._drop(one, address)
            if one in self._ended:
                self._ended[one](address, code)

    def leave(self, connection: int) -> None:
        """The connection is over: end all its subscriptions."""
        self._ended.pop(connection, None)
        for subscription in self._subscriptions.of(connection):
            self._drop(connection, subscription.address)

    def subscriber_count(self, address: Address) -> int:
        """How many connections of this node are subscribed."""
        return self._subscriptions.count(address.key)

    def presence(self, address: Address) -> Mapping[str, ClientInfo]:
        """Who is on the channel on this node, by client id.

        Refusal 108 where presence is not kept, 106 for a crowd that would not fit a subscriber's queue.
        """
        self._check_presence(address)
        if self._presence.size_bytes(address) > self._presence_bytes:
            raise ErrorCode.LIMIT_EXCEEDED.refusal(
                "limit exceeded: too many are on this channel to name them; ask for presence_stats"
            )
        return self._presence.on(address)

    def presence_counts(self, address: Address) -> tuple[int, int]:
        """How many clients are on the channel on this node, and how many users. Refusal 108 as `presence`."""
        self._check_presence(address)
        return self._presence.counts(address)

    def _check_presence(self, address: Address) -> None:
        if not self.options.find(address).presence:
            raise ErrorCode.NOT_AVAILABLE.refusal(f"not available: {address} does not keep who is present")

    @property
    def channel_count(self) -> int:
        """Channels with a subscriber on this node."""
        return self._subscriptions.channel_count

    def _check_room(self, key: str) -> None:
        if not self._subscriptions.count(key) and self.channel_count >= self._max_channels:
            raise ErrorCode.LIMIT_EXCEEDED.refusal(f"limit exceeded: {self._max_channels} channels have subscribers")

    def _drop(self, connection: int, address: Address) -> None:
        key = address.key
        self._fanout.unsubscribe(connection, key)
        dropped = self._subscriptions.remove(connection, key)
        self._presence.leave(address, connection)
        if dropped is not None and dropped.joined and dropped.announced is not None:
            self._fanout.announce(key, False, dropped.announced.parts)  # noqa: FBT003 - as above
        self._forget_if_untouched(key)
        if dropped is not None and not self._subscriptions.count(key):
            self._tell_followers(address, watched=False)

    def _tell_followers(self, address: Address, *, watched: bool) -> None:
        for followed in self._followers:
            followed(address, watched)

    def _forget_if_untouched(self, key: str) -> None:
        """Clients may name any channel: one that never had a publication ends with its last subscriber.

        Others end when a sweep finds nothing of them left: who returns soon must find its position.
        """
        history = self.histories.find(key)
        if history is not None and history.untouched:
            self._forget_if_unwatched(key)

    def _forget_if_unwatched(self, key: str) -> None:
        if not self._subscriptions.count(key):
            self._forget(key)

    def _forget_quietest(self) -> None:
        for key in tuple(islice(self._begun_by_clients, QUIET_CHANNELS_TRIED)):
            if not self._subscriptions.count(key):
                self._forget(key)
                return
            self._begun_by_clients.move_to_end(key)
        raise ErrorCode.LIMIT_EXCEEDED.refusal(
            f"limit exceeded: clients publish on {self._max_channels} channels that are watched"
        )

    def _forget(self, key: str) -> None:
        self._begun_by_clients.pop(key, None)
        self.histories.forget(key)
        self._broker.forget(key)
