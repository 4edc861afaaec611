"""The rules of one subscriber's session: who may do what when. No I/O, no clock: times are passed in.

`receive` turns one decoded command into what is to be done about it; the caller does it and tells the session what
came of it. One command is finished before the next is given in, so no subscription is ever half made here.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from math import inf

from msgspec import Raw

from framecast.channels.address import Address, parse_channel
from framecast.channels.broker import Position
from framecast.client.actions import (
    Action,
    AskPresence,
    Call,
    Connect,
    Publish,
    ReadHistory,
    Refresh,
    RefreshSubscription,
    Refuse,
    Subscribe,
    Unsubscribe,
)
from framecast.client.subscription import Subscription
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode, ErrorCode
from framecast.protocol.messages import (
    METHODS,
    Command,
    ConnectRequest,
    HistoryRequest,
    Pong,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    RpcRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from framecast.settings import Live

MAX_CHANNEL_BYTES = 255
"""With the org prefix; centrifuge's default and Grafana's."""

REJECT_UNRECOVERED = 2
"""The bit of a subscribe command's `flag`."""

DELTA_TYPES = frozenset({"", "fossil"})
NULL = b"null"


class State(Enum):
    """How far a session has come."""

    NEW = "not connected"
    CONNECTED = "connected"
    REFUSED = "refused"


class Do(Enum):
    """The one verdict that takes a closer look."""

    CARRY_OUT = "carry out"


Verdict = Do | CloseCode

LEGAL_MOVES: Mapping[State, Mapping[str, Verdict]] = {
    State.NEW: dict.fromkeys(METHODS, CloseCode.BAD_REQUEST) | {"connect": Do.CARRY_OUT},
    State.CONNECTED: dict.fromkeys(METHODS, Do.CARRY_OUT)
    | {"connect": CloseCode.BAD_REQUEST, "ping": CloseCode.BAD_REQUEST, "send": CloseCode.NOT_AVAILABLE},
}
"""What becomes of each method: carried out, or the end. A refused session hears nothing."""


class Session:
    """One subscriber's session. Owned by one connection; its tasks take turns, none waits inside."""

    __slots__ = (
        "_first_expiry",
        "_org_id",
        "_pings",
        "_publishable",
        "_settings",
        "_subscriptions",
        "client",
        "ends_at",
        "expires_at",
        "state",
    )

    def __init__(self, client: str, *, settings: Live, publishable: Callable[[Raw], bytes]) -> None:
        """`publishable` is the codec's: it makes a payload fit for others."""
        self.client = client
        self.state = State.NEW
        self.expires_at = inf
        """When the client's token has run out, on the caller's clock."""
        self.ends_at = inf
        """When what the door let the client in by has run out: nothing that it could bring helps then."""
        self._org_id = 0
        self._settings = settings
        self._publishable = publishable
        self._subscriptions: dict[Address, Subscription] = {}
        self._first_expiry = inf
        """Of the subscriptions': there may be many, and few have one."""
        self._pings: tuple[float, ...] = ()
        """Those not answered yet, the oldest first. Rarely more than one: an empty deque has 600 bytes."""

    def receive(self, item: Command | Pong | PeerError) -> Action | None:
        """Say what is to be done about one decoded command; None for nothing.

        PeerError when the command, or its moment, breaks the protocol. A refused session ignores everything.
        """
        if self.state is State.REFUSED:
            return None
        if isinstance(item, PeerError):
            raise item
        if isinstance(item, Pong):
            self._pong()
            return None
        verdict = LEGAL_MOVES[self.state][item.method]
        if isinstance(verdict, CloseCode):
            raise verdict.error()
        try:
            return self._read(item)
        except Refusal as refusal:
            channel = getattr(item.request, "channel", None)
            return Refuse(item.id, refusal, item.method, channel or "")

    def _read(self, command: Command) -> Action:  # noqa: PLR0911 - a table
        number = command.id
        match command.request:
            case ConnectRequest() as request:
                return Connect(number, request)
            case SubscribeRequest() as request:
                return self._read_subscribe(number, request)
            case UnsubscribeRequest(channel=channel):
                return Unsubscribe(number, self._find_own(channel or ""))
            case PublishRequest() as request:
                return self._read_publish(number, request)
            case PresenceRequest(channel=channel) | PresenceStatsRequest(channel=channel) as request:
                address = self._parse(channel or "")
                counts = isinstance(request, PresenceStatsRequest)
                return AskPresence(number, address, address in self._subscriptions, counts)
            case HistoryRequest() as request:
                return self._read_history(number, request)
            case RpcRequest(method=method, data=data):
                return Call(number, method or "", self._publishable(data) if bytes(data) else b"")
            case RefreshRequest(token=token):
                return self._read_refresh(number, token or "")
            case SubRefreshRequest() as request:
                return self._read_sub_refresh(number, request)
        # Every method that is carried out has a case of its own above.
        raise CloseCode.BAD_REQUEST.error()

    def _read_subscribe(self, number: int, request: SubscribeRequest) -> Subscribe:
        if (request.delta or "") not in DELTA_TYPES:
            raise CloseCode.BAD_REQUEST.error()
        if request.type:
            raise ErrorCode.NOT_AVAILABLE.refusal("not available: only stream subscriptions (type 0)")
        if bytes(request.tf) not in {b"", NULL}:
            raise ErrorCode.BAD_REQUEST.refusal("bad request: tags filters are not allowed")
        channel = request.channel or ""
        address = self._parse(channel)
        if address in self._subscriptions:
            raise ErrorCode.ALREADY_SUBSCRIBED.refusal()
        if len(self._subscriptions) >= self._settings.channels_per_client:
            raise ErrorCode.LIMIT_EXCEEDED.refusal()
        data = bytes(request.data)
        returning = Position(request.epoch or "", request.offset or 0) if request.recover else None
        return Subscribe(
            number,
            channel,
            address,
            None if data in {b"", NULL} else self._publishable(request.data),
            returning,
            all_or_nothing=returning is not None and bool((request.flag or 0) & REJECT_UNRECOVERED),
            token=request.token or "",
            join_leave=bool(request.join_leave),
            delta=bool(request.delta),
        )

    def _read_publish(self, number: int, request: PublishRequest) -> Publish:
        if not bytes(request.data):
            raise ErrorCode.BAD_REQUEST.refusal("bad request: publish without data")
        address = self._parse(request.channel or "")
        return Publish(number, address, self._publishable(request.data), address in self._subscriptions)

    def _read_history(self, number: int, request: HistoryRequest) -> ReadHistory:
        address = self._parse(request.channel or "")
        since = None
        if request.since is not None:
            since = Position(request.since.epoch or "", request.since.offset or 0)
        return ReadHistory(
            number, address, address in self._subscriptions, since, request.limit or 0, bool(request.reverse)
        )

    def _read_refresh(self, number: int, token: str) -> Refresh:
        if not token or self.expires_at == inf:
            raise CloseCode.BAD_REQUEST.error()
        return Refresh(number, token)

    def _read_sub_refresh(self, number: int, request: SubRefreshRequest) -> RefreshSubscription:
        channel = request.channel or ""
        address = self._find_own(channel)
        if address is None:
            raise ErrorCode.PERMISSION_DENIED.refusal()
        if not request.token:
            raise ErrorCode.BAD_REQUEST.refusal("bad request: sub_refresh without a token")
        if self._subscriptions[address].expires_at == inf:
            raise CloseCode.BAD_REQUEST.error()
        return RefreshSubscription(number, channel, address, request.token)

    def _parse(self, channel: str) -> Address:
        if len(channel.encode()) > MAX_CHANNEL_BYTES:
            raise ErrorCode.BAD_REQUEST.refusal(f"bad request: channel longer than {MAX_CHANNEL_BYTES} bytes")
        return parse_channel(channel, self._org_id)

    def _find_own(self, channel: str) -> Address | None:
        """The client's own subscription made under exactly this spelling.

        A client whose second spelling was refused (105) knows that one as its own, refused subscription: giving it up
        must not end the first.
        """
        try:
            address = self._parse(channel)
        except Refusal:
            return None
        subscription = self._subscriptions.get(address)
        if subscription is None or subscription.spelling != channel or subscription.server_side:
            return None
        return address

    def connected(self, org_id: int) -> None:
        """The client was let in, as one of this org."""
        self.state = State.CONNECTED
        self._org_id = org_id

    def refused(self) -> None:
        """The client was not let in, which ends the conversation: nothing more is heard."""
        self.state = State.REFUSED

    @property
    def subscriptions(self) -> Mapping[Address, Subscription]:
        """What this client is subscribed to."""
        return self._subscriptions

    def subscribed(self, address: Address, subscription: Subscription) -> None:
        """The subscription stands, or lasts until another time."""
        before = self._subscriptions.get(address)
        self._subscriptions[address] = subscription
        self._find_first_expiry(before)
        self._first_expiry = min(self._first_expiry, subscription.expires_at)

    def unsubscribed(self, address: Address) -> Subscription | None:
        """The subscription, if there was one, is over; what it was."""
        removed = self._subscriptions.pop(address, None)
        self._find_first_expiry(removed)
        return removed

    def _find_first_expiry(self, gone: Subscription | None) -> None:
        if gone is not None and gone.expires_at < inf:
            self._first_expiry = min((one.expires_at for one in self._subscriptions.values()), default=inf)

    @property
    def expiry_deadline(self) -> float:
        """When the first thing has run out, and has had its time to be refreshed if it can be; or never."""
        return min(self.ends_at, min(self.expires_at, self._first_expiry) + self._settings.expired_seconds)

    def expired(self, now: float) -> list[Address]:
        """Subscriptions that ran out and were not refreshed in time. PeerError 3005 when the client's own token did."""
        patience = self._settings.expired_seconds
        if self.ends_at <= now or self.expires_at + patience <= now:
            raise CloseCode.CONNECTION_EXPIRED.error()
        return [address for address, one in self._subscriptions.items() if one.expires_at + patience <= now]

    def pinged(self, now: float) -> None:
        """A sign of life was asked for."""
        self._pings += (now,)

    def _pong(self) -> None:
        """The oldest ping was answered. PeerError when none is outstanding."""
        if not self._pings:
            raise CloseCode.BAD_REQUEST.error()
        self._pings = self._pings[1:]

    @property
    def pong_deadline(self) -> float:
        """When the oldest outstanding ping must have been answered; never when there is none."""
        return self._pings[0] + self._settings.pong_seconds if self._pings else inf
