"""The rules of one subscriber's session: who may do what when. No I/O, no clock: times are passed in.

`receive` turns one decoded command into what is to be done about it; the caller does it and has the outcome turned
into reply bytes. One command is finished before the next is given in, so no subscription is ever half made here.
"""

from collections import deque
from collections.abc import Mapping
from enum import Enum
from math import inf

from msgspec import Raw

from framecast.channels.address import Address, parse_channel
from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.client.actions import Action, Connect, Publish, Refuse, Subscribe, Unsubscribe
from framecast.errors import PeerError, Refusal
from framecast.protocol import json_codec
from framecast.protocol.codes import TEMPORARY, CloseCode, ErrorCode
from framecast.protocol.messages import (
    METHODS,
    NO_DATA,
    Command,
    ConnectRequest,
    ConnectResult,
    Empty,
    Error,
    Ping,
    Pong,
    Publication,
    PublishRequest,
    Reply,
    SubRefreshRequest,
    SubscribeRequest,
    SubscribeResult,
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


Verdict = Do | ErrorCode | CloseCode

LEGAL_MOVES: Mapping[State, Mapping[str, Verdict]] = {
    State.NEW: dict.fromkeys(METHODS, CloseCode.BAD_REQUEST) | {"connect": Do.CARRY_OUT},
    State.CONNECTED: {
        "connect": CloseCode.BAD_REQUEST,
        "ping": CloseCode.BAD_REQUEST,
        "subscribe": Do.CARRY_OUT,
        "unsubscribe": Do.CARRY_OUT,
        "publish": Do.CARRY_OUT,
        "presence": ErrorCode.NOT_AVAILABLE,
        "presence_stats": ErrorCode.NOT_AVAILABLE,
        "history": ErrorCode.NOT_AVAILABLE,
        "rpc": ErrorCode.METHOD_NOT_FOUND,
        "send": CloseCode.NOT_AVAILABLE,
        "refresh": CloseCode.BAD_REQUEST,
        "sub_refresh": Do.CARRY_OUT,
    },
}
"""What becomes of each method: carried out, answered with an error, or the end. A refused session hears nothing."""


class Session:
    """One subscriber's session. Owned by one connection; its tasks take turns, none waits inside."""

    def __init__(self, client: str, org_id: int, *, settings: Live, version: str) -> None:
        self.client = client
        self.state = State.NEW
        self._org_id = org_id
        self._settings = settings
        self._version = version
        self._spellings: dict[Address, str] = {}
        self._pings: deque[float] = deque()

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
        match LEGAL_MOVES[self.state][item.method]:
            case CloseCode() as close:
                raise close.error()
            case ErrorCode() as error:
                return Refuse(item.id, error.refusal())
        try:
            return self._carry_out(item)
        except Refusal as refusal:
            return Refuse(item.id, refusal)

    def _carry_out(self, command: Command) -> Action:
        match command.request:
            case ConnectRequest():
                return Connect(command.id)
            case SubscribeRequest() as request:
                return self._subscribe(command.id, request)
            case UnsubscribeRequest(channel=channel):
                return Unsubscribe(command.id, self._find_subscription(channel or ""))
            case PublishRequest(channel=channel, data=data):
                if not bytes(data):
                    raise ErrorCode.BAD_REQUEST.refusal("bad request: publish without data")
                return Publish(command.id, self._parse(channel or ""), bytes(data))
            case SubRefreshRequest(channel=channel):
                if self._find_subscription(channel or "") is None:
                    raise ErrorCode.PERMISSION_DENIED.refusal()
        # A subscription that has no token cannot have a new one; and no other request is carried out.
        raise CloseCode.BAD_REQUEST.error()

    def _subscribe(self, number: int, request: SubscribeRequest) -> Subscribe:
        if (request.delta or "") not in DELTA_TYPES:
            raise CloseCode.BAD_REQUEST.error()
        if request.type:
            raise ErrorCode.NOT_AVAILABLE.refusal("not available: only stream subscriptions (type 0)")
        if bytes(request.tf) not in {b"", NULL}:
            raise ErrorCode.BAD_REQUEST.refusal("bad request: tags filters are not allowed")
        channel = request.channel or ""
        address = self._parse(channel)
        if address in self._spellings:
            raise ErrorCode.ALREADY_SUBSCRIBED.refusal()
        if len(self._spellings) >= self._settings.channels_per_client:
            raise ErrorCode.LIMIT_EXCEEDED.refusal()
        data = bytes(request.data)
        returning = Position(request.epoch or "", request.offset or 0) if request.recover else None
        return Subscribe(
            number,
            channel,
            address,
            None if data in {b"", NULL} else data,
            returning,
            all_or_nothing=returning is not None and bool((request.flag or 0) & REJECT_UNRECOVERED),
        )

    def _parse(self, channel: str) -> Address:
        if len(channel.encode()) > MAX_CHANNEL_BYTES:
            raise ErrorCode.BAD_REQUEST.refusal(f"bad request: channel longer than {MAX_CHANNEL_BYTES} bytes")
        return parse_channel(channel, self._org_id)

    def _find_subscription(self, channel: str) -> Address | None:
        """The subscription made under exactly this spelling.

        A client whose second spelling was refused (105) knows that one as its own, refused subscription: giving it up
        must not end the first.
        """
        try:
            address = self._parse(channel)
        except Refusal:
            return None
        return address if self._spellings.get(address) == channel else None

    @property
    def subscriptions(self) -> Mapping[Address, str]:
        """What this client is subscribed to, with its own spelling of each."""
        return self._spellings

    def connected(self, action: Connect) -> bytes:
        """The client was let in."""
        self.state = State.CONNECTED
        result = ConnectResult(client=self.client, version=self._version, ping=self._settings.ping_seconds, pong=True)
        return json_codec.encode(Reply(action.id, connect=result))

    def subscribed(self, action: Subscribe, beginning: Beginning) -> bytes:
        """The subscription stands, with what it begins with.

        To a client that gets all it missed, the offset is the one it asked from: it walks up by the publications
        (centrifuge's client.go; the SDKs take the reply's offset first and the publications after it).
        """
        self._spellings[action.address] = action.channel
        returning = action.returning
        stands_at = returning if returning is not None and beginning.recovered else beginning.position
        result = SubscribeResult(
            data=NO_DATA if beginning.data is None else Raw(beginning.data),
            recoverable=True,
            positioned=True,
            epoch=beginning.position.epoch,
            offset=stands_at.offset,
            publications=tuple(Publication(data=Raw(kept.data), offset=kept.offset) for kept in beginning.missed),
            recovered=beginning.recovered,
            was_recovering=returning is not None,
        )
        return json_codec.encode(Reply(action.id, subscribe=result))

    def unsubscribed(self, action: Unsubscribe) -> bytes:
        """The subscription, if there was one, is over."""
        if action.address is not None:
            self._spellings.pop(action.address, None)
        return json_codec.encode(Reply(action.id, unsubscribe=Empty()))

    def published(self, action: Publish) -> bytes:
        """The publication was handed on."""
        return json_codec.encode(Reply(action.id, publish=Empty()))

    def refused(self, action: Action, refusal: Refusal) -> bytes:
        """The command was not carried out. A refused connect ends the conversation: nothing more is heard."""
        if isinstance(action, Connect):
            self.state = State.REFUSED
        temporary = refusal.temporary or refusal.code in TEMPORARY
        error = Error(refusal.code, refusal.message or "refused", temporary)
        return json_codec.encode(Reply(action.id, error=error))

    def ping(self, now: float) -> bytes:
        """Ask for a sign of life."""
        self._pings.append(now)
        return json_codec.encode(Ping())

    def _pong(self) -> None:
        """The oldest ping was answered. PeerError when none is outstanding."""
        if not self._pings:
            raise CloseCode.BAD_REQUEST.error()
        self._pings.popleft()

    @property
    def pong_deadline(self) -> float:
        """When the oldest outstanding ping must have been answered; never when there is none."""
        return self._pings[0] + self._settings.pong_seconds if self._pings else inf
