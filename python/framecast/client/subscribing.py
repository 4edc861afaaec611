"""How a client comes to be subscribed, and how it ceases to be without having asked.

The rule of every path: from `begin(…)` to the message that tells the client, there is no checkpoint. So no publication
falls between a beginning and its subscription, and none overtakes what the client is told.
"""

from collections.abc import Mapping

import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from framecast.accounts.admission import Admission, Grant
from framecast.channels.address import Address, parse_channel
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.options import override
from framecast.channels.subscriptions import Delivery
from framecast.client import metrics
from framecast.client.actions import RefreshSubscription, Subscribe
from framecast.client.member import Member
from framecast.client.replies import payload, subscribe_result, time_to_live
from framecast.client.room import await_room, let_crowd_pass
from framecast.client.subscription import Subscription
from framecast.errors import Refusal
from framecast.protocol import messages
from framecast.protocol.codes import CloseCode, ErrorCode, UnsubscribeCode
from framecast.protocol.messages import Push, PushBody, RefreshResult, Reply, SubscribeRequest, SubscribeResult
from framecast.settings import ChannelOptions

log = structlog.get_logger(__name__)


class Prepared(Struct, frozen=True):
    """A subscription that its scope allows and that was not made yet."""

    address: Address
    begin: Begin
    options: ChannelOptions
    subscription: Subscription
    grant: Grant
    returning: Position | None = None
    join_leave: bool = False
    delta: bool = False


class Subscribing:
    """The subscriptions of one client."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._session = member.session
        self._rooms = member.rooms
        self._hub = member.rooms.hub
        self._rest: tuple[str, ...] = ()

    async def subscribe(self, action: Subscribe) -> None:
        """Carry out the command. Refusal when it is not granted; then nothing is left of it."""
        member, address = self._member, action.address
        grant = await self._rooms.admissions.subscription(
            member.admitted, channel=action.channel, client=self._session.client, token=action.token
        )
        scope = self._rooms.scopes.find(address)
        await await_room(member.newcomer.outbox, self._rooms.settings)
        options = self._options(address, grant)
        begin = await scope.subscribe(member.identity, address, action.data, options)
        ttl_seconds = member.seconds_until(grant.lasts_until)
        subscription = Subscription(action.channel, member.deadline(ttl_seconds), chan_info=grant.info)
        prepared = Prepared(
            address, begin, options, subscription, grant, action.returning, action.join_leave, action.delta
        )
        await let_crowd_pass(member.newcomer.outbox, self._rooms.settings)
        try:
            beginning = begin(action.returning)
            if action.all_or_nothing and not beginning.recovered:
                raise ErrorCode.UNRECOVERABLE_POSITION.refusal()
            self._attach(prepared, beginning)
        except Refusal:
            # The scope may have begun the channel for this client, which may name ever new ones.
            self._hub.unsubscribe(member.connection, address)
            raise
        member.send(Reply(action.id, subscribe=self._result(prepared, beginning, ttl_seconds)))
        self._hub.announce_join(member.connection, address)

    async def refresh(self, action: RefreshSubscription) -> None:
        """Carry out the command: the subscription lasts as long as its new token says. Refusal 103 when it is over."""
        member = self._member
        grant = await self._rooms.admissions.subscription(
            member.admitted, channel=action.channel, client=self._session.client, token=action.token
        )
        if action.address not in self._session.subscriptions:
            # It ended while its token was looked at, and the client was told so.
            raise ErrorCode.PERMISSION_DENIED.refusal()
        ttl_seconds = member.seconds_until(grant.lasts_until)
        standing = self._session.subscriptions[action.address]
        renewed = replace(standing, expires_at=member.deadline(ttl_seconds), chan_info=grant.info)
        self._session.subscribed(action.address, renewed)
        result = RefreshResult(expires=ttl_seconds is not None, ttl=time_to_live(ttl_seconds))
        member.send(Reply(action.id, sub_refresh=result))

    async def prepare(self, admission: Admission, returning: Mapping[str, SubscribeRequest]) -> list[Prepared]:
        """Ask for what a client's token subscribes it to. PeerError 3505 when that is too much.

        A channel that is refused is left out, as if the token did not name it: who wrote the token is not here to be
        told, so the log is. To one who only listens it is told: Refusal.
        """
        if len(admission.channels) > self._rooms.settings.channels_per_client:
            raise CloseCode.CHANNEL_LIMIT.error()
        prepared = []
        for channel, grant in admission.channels.items():
            try:
                address = parse_channel(channel, admission.identity.org_id)
                options = self._options(address, grant)
                begin = await self._rooms.scopes.find(address).subscribe(admission.identity, address, None, options)
            except Refusal as refusal:
                if channel in (self._member.newcomer.listens_to or ()):
                    raise
                log.warning("token_names_refused_channel", channel=channel, error=refusal.message)
                continue
            request = returning.get(channel)
            position = Position(request.epoch or "", request.offset or 0) if request and request.recover else None
            subscription = Subscription(channel, server_side=True, chan_info=grant.info)
            delta = request is not None and bool(request.delta)
            prepared.append(
                Prepared(address, begin, options, subscription, grant, position, join_leave=True, delta=delta)
            )
        return prepared

    def begin_all(self, prepared: list[Prepared]) -> dict[str, SubscribeResult]:
        """Begin what was prepared, for the connect reply; what does not fit that is pushed by `push_rest`.

        Refusal 111, and nothing is left of any, when the hub has no room for one of them or one's channel has ended:
        the client did not choose them, so it is not turned away for good.
        """
        results: dict[str, SubscribeResult] = {}
        room_bytes = self._rooms.settings.room_bytes
        try:
            for one in prepared:
                beginning = one.begin(one.returning)
                room_bytes -= beginning.size_bytes
                if room_bytes < 0:
                    self._rest += (one.subscription.spelling,)
                elif one.address not in self._session.subscriptions:
                    self._attach(one, beginning)
                    results[one.subscription.spelling] = self._result(one, beginning, None)
        except Refusal as refusal:
            for one in prepared:
                self._session.unsubscribed(one.address)
                self._hub.unsubscribe(self._member.connection, one.address)
            raise ErrorCode.TOO_MANY_REQUESTS.refusal(refusal.message) from None
        return results

    @property
    def has_rest(self) -> bool:
        """Whether there is something for `push_rest`."""
        return bool(self._rest)

    async def push_rest(self) -> None:
        """Make the server-side subscriptions that did not fit the connect reply, each when there is room for it."""
        rest, self._rest = self._rest, ()
        for channel in rest:
            await self._push_subscription(channel)

    async def _push_subscription(self, channel: str) -> None:
        member = self._member
        address = parse_channel(channel, member.identity.org_id)
        if address in self._session.subscriptions:
            return
        await await_room(member.newcomer.outbox, self._rooms.settings)
        grant = member.admitted.channels[channel]
        options = self._options(address, grant)
        begin = await self._rooms.scopes.find(address).subscribe(member.identity, address, None, options)
        subscription = Subscription(channel, server_side=True, chan_info=grant.info)
        beginning = begin(None)
        self._attach(Prepared(address, begin, options, subscription, grant, join_leave=True), beginning)
        position = beginning.position if beginning.recoverable else Position("", 0)
        pushed = messages.Subscribe(
            recoverable=beginning.recoverable,
            positioned=beginning.recoverable,
            epoch=position.epoch,
            offset=position.offset,
            data=_data(beginning, grant),
        )
        member.send(Push(PushBody(channel=channel, subscribe=pushed)))
        self._hub.announce_join(member.connection, address)

    def announce(self) -> None:
        """Tell of the server-side subscriptions that the connect reply made."""
        for address, subscription in self._session.subscriptions.items():
            if subscription.server_side:
                self._hub.announce_join(self._member.connection, address)

    def expire(self, now: float) -> None:
        """End the subscriptions whose tokens ran out. PeerError 3005 when the client's own did."""
        for address in self._session.expired(now):
            self._hub.unsubscribe(self._member.connection, address)
            self.ended(address, UnsubscribeCode.EXPIRED)

    def ended(self, address: Address, code: UnsubscribeCode) -> None:
        """The hub delivers nothing more on this subscription: tell the client."""
        subscription = self._session.unsubscribed(address)
        if subscription is None:
            return
        if subscription.server_side and code is UnsubscribeCode.INSUFFICIENT_STATE:
            # SDKs do not subscribe again to what they did not subscribe to; they come back with their positions.
            self._member.end(CloseCode.INSUFFICIENT_STATE)
            return
        pushed = messages.Unsubscribe(code.code, code.reason)
        self._member.send(Push(PushBody(channel=subscription.spelling, unsubscribe=pushed)))

    def _attach(self, prepared: Prepared, beginning: Beginning) -> None:
        """Deliver from now on. Refusal (a limit) changes nothing. The hub comes first because it may refuse."""
        options, subscription = prepared.options, prepared.subscription
        self._hub.subscribe(
            self._member.connection,
            prepared.address,
            subscription.spelling,
            info=self._member.info(subscription.chan_info),
            options=options,
            delivery=Delivery(
                delta=_gets_deltas(prepared, beginning),
                events=_wants_events(options, prepared),
                detailed=beginning.detailed,
                conflate=options.conflate,
            ),
        )
        if subscription.detailed != beginning.detailed:
            subscription = replace(subscription, detailed=beginning.detailed)
        self._session.subscribed(prepared.address, subscription)

    def _options(self, address: Address, grant: Grant) -> ChannelOptions:
        """The channel's options, as the client's token has them."""
        said = grant.override
        options = self._rooms.options.find(address)
        return override(options, presence=said.presence, join_leave=said.join_leave, recovery=said.force_recovery)

    def _result(self, prepared: Prepared, beginning: Beginning, ttl_seconds: float | None) -> SubscribeResult:
        if prepared.returning is not None:
            metrics.RECOVERIES.labels("recovered" if beginning.recovered else "unrecovered").inc()
        self._member.pace.charge_entries(len(beginning.missed))
        codec = self._member.newcomer.codec
        delta = _gets_deltas(prepared, beginning)
        publications = self._rooms.missed.encode(
            beginning.missed,
            codec,
            address=prepared.address,
            epoch=beginning.position.epoch,
            quoted=delta and not codec.BINARY,
            detailed=beginning.detailed,
        )
        return subscribe_result(
            beginning,
            prepared.returning,
            data=_data(beginning, prepared.grant),
            publications=publications,
            delta=delta,
            ttl_seconds=ttl_seconds,
        )


def _gets_deltas(prepared: Prepared, beginning: Beginning) -> bool:
    """Whether publications come as differences, where a client asked for them. Details are no series of such."""
    return prepared.delta and prepared.options.delta and not beginning.detailed


def _wants_events(options: ChannelOptions, prepared: Prepared) -> bool:
    """Whether a subscriber is told of others: by its token, by the channel, by its own wish."""
    if prepared.grant.override.force_push_join_leave is not None:
        return prepared.grant.override.force_push_join_leave
    return options.join_leave == "pushed" or (options.join_leave == "asked" and prepared.join_leave)


def _data(beginning: Beginning, grant: Grant) -> Raw:
    """What the channel has to say first, or else what the token says."""
    return payload(beginning.data or grant.data)
