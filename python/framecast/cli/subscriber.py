"""The client's side of the Centrifuge protocol v2 in JSON, as far as watching needs it. No I/O, no clock.

Protocol: https://centrifugal.dev/docs/transports/client_protocol. Commands and replies are JSON objects, one a line,
several may share a WebSocket message. The empty object is a ping, and the pong.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from framecast.protocol.codes import client_reconnects, client_resubscribes

PING_GRACE_SECONDS = 10.0
"""How much later than announced a ping may come; the same in all SDKs."""


class ProtocolError(Exception):
    """The server sent what cannot be understood: the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The server took us in; `silence_seconds` without a ping means that the connection is dead (None: no pings)."""

    silence_seconds: float | None


@dataclass(frozen=True, slots=True)
class ConnectRefused:
    """The server did not take us in. Unless `temporary`, trying again is pointless."""

    code: int
    message: str
    temporary: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription is live. `again`: it was before, on another connection; `recovered`: nothing was missed."""

    channel: str
    data: Any
    again: bool
    recovered: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A publication arrived."""

    channel: str
    data: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """A channel was refused or taken from us; when `temporary`, `Subscriber.subscribe` may be tried later."""

    channel: str
    code: int
    message: str
    temporary: bool


Event = Connected | ConnectRefused | Subscribed | Published | Ended


@dataclass(slots=True)
class _Subscription:
    live_before: bool = False
    recoverable: bool = False
    epoch: str = ""
    offset: int = 0


@dataclass(slots=True)
class Subscriber:
    """Lives longer than a connection: knows what to subscribe to and from where to recover."""

    channels: list[str]
    token: str | None = None
    last_rows: int | None = None
    """So many rows of a channel's past are asked for at first; None: all there are."""
    _wanted: dict[str, _Subscription] = field(init=False)
    _waiting: dict[int, str] = field(init=False, default_factory=dict)  # command id → channel, "" for connect
    _last_id: int = field(init=False, default=0)
    _pong: bool = field(init=False, default=False)
    _outgoing: list[dict[str, Any]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._wanted = {channel: _Subscription() for channel in self.channels}

    @property
    def active(self) -> bool:
        """Whether any channel is still wanted."""
        return bool(self._wanted)

    def open(self) -> None:
        """A new connection: connect and subscribe to everything, in one message as the SDKs do."""
        self._waiting.clear()
        self._outgoing.clear()
        self._pong = False
        request: dict[str, Any] = {"name": "framecast"}
        if self.token:
            request["token"] = self.token
        self._command("", {"connect": request})
        for channel in self._wanted:
            self.subscribe(channel)

    def subscribe(self, channel: str) -> None:
        """Ask for a channel (again); where possible, for what was missed too."""
        known = self._wanted[channel]
        request: dict[str, Any] = {"channel": channel, "recoverable": True}
        if self.last_rows is not None and not known.live_before:
            request["data"] = {"rows": self.last_rows}
        if known.recoverable:
            request |= {"recover": True, "epoch": known.epoch, "offset": known.offset}
        self._command(channel, {"subscribe": request})

    def take_outgoing(self) -> bytes | None:
        """The next message to send, if any."""
        if not self._outgoing:
            return None
        text = b"\n".join(msgspec.json.encode(command) for command in self._outgoing)
        self._outgoing.clear()
        return text

    def receive(self, message: str | bytes) -> list[Event]:
        """Understand one WebSocket message. ProtocolError when that is impossible."""
        events: list[Event] = []
        raw = message.encode() if isinstance(message, str) else message
        for line in raw.split(b"\n"):
            if not line:
                continue
            try:
                reply = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ProtocolError(f"the server sent something that is not JSON: {error}") from None
            if not isinstance(reply, dict):
                raise ProtocolError("the server sent JSON that is no object")
            events.extend(self._understand(reply))
        return events

    def _command(self, channel: str, command: dict[str, Any]) -> None:
        self._last_id += 1
        self._waiting[self._last_id] = channel
        self._outgoing.append({"id": self._last_id, **command})

    def _understand(self, reply: dict[str, Any]) -> list[Event]:
        if not reply:
            if self._pong:
                self._outgoing.append({})
            return []
        if "id" not in reply:
            push = reply.get("push")
            return self._understand_push(push) if isinstance(push, dict) else []
        channel = self._waiting.pop(reply["id"], None) if isinstance(reply["id"], int) else None
        if channel is None:
            return []
        error = reply.get("error")
        if isinstance(error, dict):
            return [self._refused(channel, error)]
        if channel == "":
            result = _object(reply, "connect")
            self._pong = result.get("pong") is True
            ping = result.get("ping")
            return [Connected(ping + PING_GRACE_SECONDS if isinstance(ping, int) and ping > 0 else None)]
        return self._subscribed(channel, _object(reply, "subscribe"))

    def _refused(self, channel: str, error: dict[str, Any]) -> Event:
        code = error.get("code")
        code = code if isinstance(code, int) else 0
        message = str(error.get("message", ""))
        temporary = error.get("temporary") is True
        if channel == "":
            return ConnectRefused(code, message, temporary)
        return self._end(channel, code, message, temporary=temporary)

    def _end(self, channel: str, code: int, message: str, *, temporary: bool) -> Ended:
        if not temporary:
            self._wanted.pop(channel, None)
        return Ended(channel, code, message, temporary)

    def _subscribed(self, channel: str, result: dict[str, Any]) -> list[Event]:
        known = self._wanted.get(channel)
        if known is None:
            return []
        recovered = result.get("recovered") is True
        events: list[Event] = [Subscribed(channel, result.get("data"), known.live_before, recovered)]
        known.live_before = True
        known.recoverable = result.get("recoverable") is True
        known.epoch = str(result.get("epoch", ""))
        known.offset = _offset(result) or 0
        publications = result.get("publications")
        missed = [each for each in publications if isinstance(each, dict)] if isinstance(publications, list) else []
        events.extend(self._published(channel, known, publication) for publication in missed)
        return events

    def _published(self, channel: str, known: _Subscription, publication: dict[str, Any]) -> Published:
        known.offset = _offset(publication) or known.offset
        return Published(channel, publication.get("data"))

    def _understand_push(self, push: dict[str, Any]) -> list[Event]:
        channel = push.get("channel")
        known = self._wanted.get(channel) if isinstance(channel, str) else None
        if known is None or not isinstance(channel, str):
            return []
        if isinstance(push.get("pub"), dict):
            return [self._published(channel, known, push["pub"])]
        if isinstance(push.get("unsubscribe"), dict):
            reason = push["unsubscribe"]
            code = reason.get("code")
            code = code if isinstance(code, int) else 0
            again = client_resubscribes(code)
            return [self._end(channel, code, str(reason.get("reason", "")), temporary=again)]
        return []


def may_reconnect(close_code: int) -> bool:
    """The rule of all SDKs for a WebSocket close code.

    1009 is final as well, our message was too big: the same one would be sent again.
    """
    return client_reconnects(close_code) and close_code != 1009


def _object(reply: dict[str, Any], key: str) -> dict[str, Any]:
    value = reply.get(key)
    return value if isinstance(value, dict) else {}


def _offset(holder: dict[str, Any]) -> int | None:
    offset = holder.get("offset")
    return offset if isinstance(offset, int) else None
