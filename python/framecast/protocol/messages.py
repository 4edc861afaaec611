"""What clients say and what they are told, free of any wire form.

Payloads (`data`, `conn_info`, `chan_info`) stay raw bytes of JSON text: they are checked to be JSON and never looked
into. The fields named in requests have to fit their types, also those that this server does not read; clients may send
any others. In requests null means absent, as in proto3's JSON mapping; `data` alone can be null.

In results a field that has no default here is always written, the others only when they differ from it: that is the
list of always-written fields the SDKs rely on.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from framecast.protocol.codes import CloseCode

Id = Annotated[int, Meta(ge=0, lt=2**32)]
Offset = Annotated[int, Meta(ge=0, lt=2**53)]
"""JavaScript holds larger ones inexactly, so no server can have sent one."""

Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""As wide as the schema has them, in JSON too: nothing behind the codecs is made for larger ones."""


class Request(Struct, frozen=True):
    """One command's own part."""


class SubscribeRequest(Request, frozen=True):
    """Deliver a channel's publications to this connection."""

    channel: str | None = None
    data: Raw = Raw()
    token: str | None = None
    recover: bool | None = None
    offset: Offset | None = None
    epoch: str | None = None
    positioned: bool | None = None
    recoverable: bool | None = None
    join_leave: bool | None = None
    delta: str | None = None
    tf: Raw = Raw()
    flag: Int64 | None = None
    type: Int32 | None = None


class ConnectRequest(Request, frozen=True):
    """The first command of every connection. `subs` are server-side subscriptions to recover."""

    token: str | None = None
    data: Raw = Raw()
    name: str | None = None
    version: str | None = None
    headers: dict[str, str] | None = None
    subs: dict[str, SubscribeRequest] | None = None
    flag: Int64 | None = None


class PingRequest(Request, frozen=True):
    """A relic: no client may send it."""


class UnsubscribeRequest(Request, frozen=True):
    """End a subscription."""

    channel: str | None = None


class PublishRequest(Request, frozen=True):
    """Publish `data` on a channel."""

    channel: str | None = None
    data: Raw = Raw()


class PresenceRequest(Request, frozen=True):
    """Who is on a channel."""

    channel: str | None = None


class PresenceStatsRequest(Request, frozen=True):
    """How many are on a channel."""

    channel: str | None = None


class StreamPosition(Struct, frozen=True):
    """A place in a channel's history."""

    offset: Offset | None = None
    epoch: str | None = None


class HistoryRequest(Request, frozen=True):
    """Read a channel's history."""

    channel: str | None = None
    limit: Int32 | None = None
    since: StreamPosition | None = None
    reverse: bool | None = None


class RpcRequest(Request, frozen=True):
    """Call a method."""

    method: str | None = None
    data: Raw = Raw()


class SendRequest(Request, frozen=True):
    """A message that wants no reply."""

    data: Raw = Raw()


class RefreshRequest(Request, frozen=True):
    """A new token for the connection."""

    token: str | None = None


class SubRefreshRequest(Request, frozen=True):
    """A new token for a subscription."""

    channel: str | None = None
    token: str | None = None


class Envelope(Struct, frozen=True):
    """A command as it stands on the wire. The methods' order is their rank when a command names several."""

    id: Id | None = None
    connect: ConnectRequest | None = None
    ping: PingRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    rpc: RpcRequest | None = None
    send: SendRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


METHODS = Envelope.__struct_fields__[1:]
_WITH_CHANNEL = (
    SubscribeRequest,
    UnsubscribeRequest,
    PublishRequest,
    PresenceRequest,
    PresenceStatsRequest,
    HistoryRequest,
    SubRefreshRequest,
)


class Command(Struct, frozen=True):
    """One command of a client, known to name its method and, where one is needed, a channel."""

    id: int
    method: str
    request: Request


class Pong(Struct, frozen=True):
    """The answer to a ping: an empty command."""


def read_command(envelope: Envelope) -> Command | Pong:
    """Find out what a command is. PeerError 3501 when it names no method, or no channel where one is needed.

    Without an id it is a pong whatever else it holds, unless it is a `send`, which never has one.
    """
    number = envelope.id or 0
    for method in METHODS:
        request = getattr(envelope, method)
        if request is None:
            continue
        if number == 0 and method != "send":
            return Pong()
        if isinstance(request, _WITH_CHANNEL) and not request.channel:
            raise CloseCode.BAD_REQUEST.error()
        return Command(number, method, request)
    if number:
        raise CloseCode.BAD_REQUEST.error()
    return Pong()


NO_DATA = Raw()
"""For a payload that a result may lack: this very object is left out, any other is written."""


class Error(Struct, frozen=True, omit_defaults=True):
    """A refused command. SDKs need the message too."""

    code: int
    message: str
    temporary: bool = False


class ClientInfo(Struct, frozen=True, omit_defaults=True):
    """Who published, joined or is present."""

    user: str
    client: str
    conn_info: Raw = NO_DATA
    chan_info: Raw = NO_DATA


class Publication(Struct, frozen=True, omit_defaults=True):
    """One publication. Offset 0 means that the channel keeps no history."""

    data: Raw
    info: ClientInfo | None = None
    offset: Offset = 0
    epoch: str = ""
    tags: dict[str, str] = {}
    delta: bool = False
    time: int = 0


class SubscribeResult(Struct, frozen=True, omit_defaults=True):
    """A granted subscription. All fields may be missing, the object itself may not.

    `publications` may be what a codec's `encode_publications` made for that codec.
    """

    data: Raw = NO_DATA
    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: tuple[Publication, ...] | Raw = ()
    recovered: bool = False
    offset: Offset = 0
    positioned: bool = False
    was_recovering: bool = False
    delta: bool = False


class ConnectResult(Struct, frozen=True, omit_defaults=True):
    """A granted connection. SDKs need `client`; `ping` 0 means that no pings will come.

    `session` and `node` say where commands go that cannot come by the same transport; `time` is Unix milliseconds.
    """

    client: str
    version: str = ""
    data: Raw = NO_DATA
    subs: dict[str, SubscribeResult] = {}
    expires: bool = False
    ttl: int = 0
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class Empty(Struct, frozen=True):
    """The result of unsubscribe, publish and a ping."""


class PresenceResult(Struct, frozen=True):
    """Who is on a channel, by client."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(Struct, frozen=True):
    """How many are on a channel."""

    num_clients: int
    num_users: int


class HistoryResult(Struct, frozen=True):
    """A piece of a channel's history and its newest position."""

    publications: tuple[Publication, ...]
    epoch: str
    offset: Offset


class RpcResult(Struct, frozen=True, omit_defaults=True):
    """What a method returned."""

    data: Raw = NO_DATA


class RefreshResult(Struct, frozen=True, omit_defaults=True):
    """How long the new token lasts."""

    expires: bool = False
    ttl: int = 0


class Reply(Struct, frozen=True, omit_defaults=True):
    """The answer to the command with this id: an error or one result.

    ValueError for id 0: SDKs take it for a push or a ping, and the command would wait for ever.
    """

    id: Id
    error: Error | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: Empty | None = None
    publish: Empty | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: RefreshResult | None = None

    def __post_init__(self) -> None:
        if self.id == 0:
            raise ValueError("a reply needs the id of its command")


class Presence(Struct, frozen=True):
    """Somebody came or went."""

    info: ClientInfo


class Unsubscribe(Struct, frozen=True):
    """The server ended a subscription; the Python SDK needs the reason too."""

    code: int
    reason: str


class Message(Struct, frozen=True):
    """Something for this client alone."""

    data: Raw


class Subscribe(Struct, frozen=True, omit_defaults=True):
    """The server subscribed this client to a channel."""

    data: Raw = NO_DATA
    recoverable: bool = False
    epoch: str = ""
    offset: Offset = 0
    positioned: bool = False


class Disconnect(Struct, frozen=True, omit_defaults=True):
    """The connection is over, where a transport has no close code. SDKs decide by `code` whether to come back."""

    code: int
    reason: str
    reconnect: bool = False


class PushBody(Struct, frozen=True, omit_defaults=True):
    """One of the things a server says unasked; with nothing set, a ping of a transport of one direction.

    `connect` is the first thing a unidirectional client hears.
    """

    channel: str = ""
    pub: Publication | None = None
    join: Presence | None = None
    leave: Presence | None = None
    unsubscribe: Unsubscribe | None = None
    message: Message | None = None
    subscribe: Subscribe | None = None
    connect: ConnectResult | None = None
    disconnect: Disconnect | None = None
    refresh: RefreshResult | None = None


class Push(Struct, frozen=True):
    """What a server says unasked, as it stands on the wire."""

    push: PushBody


class Ping(Struct, frozen=True):
    """An empty reply. Clients take any object without id and push for one, so nothing else may look like it."""
