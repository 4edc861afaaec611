"""A naive twin of a session with everything behind it: a few dictionaries that say what each step must give."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

from client.forms import Content
from client.world import DETAILED
from framecast.protocol.codes import UnsubscribeCode
from framecast.protocol.messages import METHODS

PATIENCE_SECONDS = 25.0
CHANNELS_PER_CLIENT = 3
ME, OTHER = "c1", "c9"
ALL = "1/grafana/full/x"
"""The one channel with a real past."""

LASTS = {"": inf, "soon": 100.0, "later": 1_000.0, "ever": inf, "served": inf, "seat": inf, "told": inf, "hello": inf}
"""When tokens run out, of those that are good."""

REFUSED = {"expired": 109, "denied": 103}
SERVED = ("stream/a/s", "1/grafana/full/x")
"""What the token `served` subscribes its client to."""

JOIN_LEAVE = {"full": "asked", "told": "pushed"}
WITHOUT_CHANNEL = frozenset({"connect", "ping", "rpc", "send", "refresh"})
SNAPSHOTS: dict[str, Content] = {"1/stream/tg/cpu": {"schema": {"fields": []}, "data": {"values": []}}}
REASONS = {code.code: code.reason for code in UnsubscribeCode}


class End(Exception):  # noqa: N818 - what is to happen, no failure
    """The connection is to end so."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class No(Exception):  # noqa: N818 - as above
    """The command is to be refused so."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Sub:
    """One subscription."""

    spelling: str
    expires: float = inf
    served: bool = False
    events: bool = False
    told: Any = None
    """What its token says of the client, as others saw it first."""
    known: Any = None
    """The same since it was refreshed."""
    detailed: bool = False
    """Whether it gets the details of publications."""


@dataclass
class Naive:
    """What is known of one client."""

    now: float = 0.0
    connected: bool = False
    refused: bool = False
    expires: float = inf
    pings: int = 0
    other_is_there: bool = False
    subs: dict[str, Sub] = field(default_factory=dict)
    past: list[Content] = field(default_factory=list)
    details: list[Any] = field(default_factory=list)
    """Of the same publications; None for those that have none."""

    def hear_all(self, commands: Iterable[Content | None]) -> Iterator[Content]:
        """The same of one message after the other, up to the end."""
        for command in commands:
            yield from self.hear(command)

    def hear(self, command: Content | None) -> list[Content]:
        """Everything that is to be said to one command; None is garbage."""
        if self.refused:
            return []
        if command is None:
            raise End(3501)
        number = command.get("id", 0)
        method = next((method for method in METHODS if method in command), None)
        if method is None and number:
            raise End(3501)
        if method is None or (number == 0 and method != "send"):
            return self._pong()
        request = command[method]
        if method not in WITHOUT_CHANNEL and not request.get("channel"):
            raise End(3501)
        if method == "ping" or (method == "connect") == self.connected:
            raise End(3501)
        if method == "send":
            raise End(3508)
        try:
            said: list[Content] = getattr(self, f"_{method}")(request)
        except No as no:
            self.refused = method == "connect"
            return [{"id": number, "error": no.code}]
        for line in said:
            if method in line:
                line["id"] = number
        return said

    def _pong(self) -> list[Content]:
        if not self.pings:
            raise End(3501)
        self.pings -= 1
        return []

    def _connect(self, request: Content) -> list[Content]:
        token = request.get("token", "")
        self.expires = self._token(token)
        if token == "crowd":
            raise End(3505)
        self.connected = True
        result: Content = {"client": ME, "version": "framecast test", "ping": 25, "pong": True}
        result |= self._ttl(self.expires)
        if token == "served":
            result["subs"] = {}
            for channel in SERVED:
                key = "1/" + bare(channel)
                wish = request.get("subs", {}).get(channel, {})
                self.subs[key] = Sub(channel, served=True, events="full" in key)
                result["subs"][channel] = self._begin(key, wish, {}, detailed=False)
        joins = [line for sub in list(self.subs.values()) for line in self._tell("join", sub)]
        return [{"connect": result}, *joins]

    def _subscribe(self, request: Content) -> list[Content]:
        if request.get("delta", "") not in {"", "fossil"}:
            raise End(3501)
        if request.get("type"):
            raise No(108)
        key = self._key(request)
        if key in self.subs:
            raise No(105)
        if len(self.subs) >= CHANNELS_PER_CLIENT:
            raise No(106)
        token = request.get("token", "")
        expires = self._token(token)
        if not key.startswith(("1/stream/", "1/grafana/")):
            raise No(404)
        detailed = request.get("data") == DETAILED
        result = self._begin(key, request, {"hello": 1} if token == "hello" else {}, detailed=detailed)
        if request.get("recover") and request.get("flag", 0) & 2 and not result.get("recovered"):
            raise No(112)
        info = {"seat": 3} if token == "seat" else None
        option = JOIN_LEAVE.get(key.split("/")[2], "off")
        wants = option == "pushed" or (option == "asked" and request.get("join_leave", False))
        events = wants or token == "told"
        sub = Sub(request["channel"], expires, events=events, told=info, known=info, detailed=detailed)
        self.subs[key] = sub
        return [{"subscribe": result | self._ttl(expires)}, *self._tell("join", sub)]

    def _begin(self, key: str, request: Content, hello: Content, *, detailed: bool) -> Content:
        """What a subscription begins with."""
        asked = (request.get("epoch", ""), request.get("offset", 0)) if request.get("recover") else None
        result: Content = {"was_recovering": True} if asked else {}
        data = SNAPSHOTS.get(key) or hello
        if "/none/" in key:
            return result | ({"data": data} if data else {})
        missed: list[Content] | None = None
        if key == ALL:
            epoch, top = "PAST", len(self.past)
            if asked and asked[0] in {"", epoch} and asked[1] <= top:
                missed = self._read(detailed=detailed)[asked[1] :]
        else:
            epoch, top = "EPOCH", 9
            if asked and asked[0] == epoch:
                missed, data = [{"data": {"data": n}, "offset": n} for n in (8, 9)], hello
        result |= {"recoverable": True, "positioned": True, "epoch": epoch, "offset": top}
        if missed is not None and asked:
            result |= {"recovered": True, "publications": missed, "offset": asked[1]}
        return result | ({"data": data} if data else {})

    def _read(self, *, detailed: bool) -> list[Content]:
        """The past as readers of one form see it."""
        both = zip(self.past, self.details, strict=True)
        return [pub if detail is None or not detailed else pub | {"data": detail} for pub, detail in both]

    def _unsubscribe(self, request: Content) -> list[Content]:
        key = self._own(request)
        if key is not None:
            del self.subs[key]
        return [{"unsubscribe": {}}]

    def _publish(self, request: Content) -> list[Content]:
        if "data" not in request:
            raise No(107)
        key = self._key(request)
        if key.startswith("1/ds/"):
            raise No(404)
        if not key.startswith("1/grafana/"):
            raise No(403)
        sub = self.subs.get(key)
        signed = "/signed/" in key or key == ALL
        info = self._info(ME, sub.known if sub else None) if signed else None
        return [*self.published(key, request["data"], info), {"publish": {}}]

    def _presence(self, request: Content) -> list[Content]:
        return [{"presence": {"presence": self._present(request)}}]

    def _presence_stats(self, request: Content) -> list[Content]:
        count = len(self._present(request))
        return [{"presence_stats": {"num_clients": count, "num_users": count}}]

    def _present(self, request: Content) -> Content:
        key = self._key(request)
        self._check(key)
        other = {OTHER: {"user": "bob", "client": OTHER}} if self.other_is_there else {}
        return {ME: self._info(ME, self.subs[key].told)} | other

    def _history(self, request: Content) -> list[Content]:
        key, since, limit = self._key(request), request.get("since"), request.get("limit", 0)
        self._check(key)
        backwards = request.get("reverse", False)
        if limit < -1 or (since is not None and backwards and not since.get("offset")):
            raise No(107)
        if since is not None and since.get("epoch", "") not in {"", "PAST"}:
            raise No(112)
        past = self._read(detailed=self.subs[key].detailed)
        page = past[::-1] if backwards else past
        if since is not None:
            at = since.get("offset", 0)
            page = [one for one in page if (one["offset"] < at if backwards else one["offset"] > at)]
        page = page if limit == -1 else page[:limit]
        return [{"history": {"publications": page, "epoch": "PAST", "offset": len(self.past)}}]

    def _check(self, key: str) -> None:
        if "/full/" not in key:
            raise No(108)
        if key not in self.subs:
            raise No(103)

    def _rpc(self, request: Content) -> list[Content]:
        if request.get("method") != "echo":
            raise No(104)
        return [{"rpc": {"data": request["data"]} if "data" in request else {}}]

    def _refresh(self, request: Content) -> list[Content]:
        if not request.get("token") or self.expires == inf:
            raise End(3501)
        self.expires = self._token(request["token"])
        return [{"refresh": self._ttl(self.expires)}]

    def _sub_refresh(self, request: Content) -> list[Content]:
        key = self._own(request)
        if key is None:
            raise No(103)
        if not request.get("token"):
            raise No(107)
        sub = self.subs[key]
        if sub.expires == inf:
            raise End(3501)
        sub.expires = self._token(request["token"])
        sub.known = {"seat": 3} if request["token"] == "seat" else None
        return [{"sub_refresh": self._ttl(sub.expires)}]

    def _token(self, token: str) -> float:
        if token == "bad":
            raise End(3500)
        if token in REFUSED:
            raise No(REFUSED[token])
        return LASTS.get(token, inf)

    def _ttl(self, expires: float) -> Content:
        return {} if expires == inf else {"expires": True, "ttl": max(1, int(expires - self.now))}

    def _key(self, request: Content) -> str:
        channel = request["channel"]
        if len(channel) > 255:
            raise No(107)
        if channel.startswith("2/"):
            raise No(103)
        if bare(channel).count("/") < 2:
            raise No(400)
        return "1/" + bare(channel)

    def _own(self, request: Content) -> str | None:
        return next(
            (key for key, sub in self.subs.items() if sub.spelling == request["channel"] and not sub.served), None
        )

    def _info(self, client: str, seat: Any) -> Content:
        info: Content = {"user": "alice", "client": client, "conn_info": {"n": 1}}
        return info if seat is None else info | {"chan_info": seat}

    def _tell(self, event: str, sub: Sub) -> list[Content]:
        key = next(key for key, one in self.subs.items() if one is sub)
        if not sub.events or key.split("/")[2] not in JOIN_LEAVE:
            return []
        return [{"push": {"channel": sub.spelling, event: {"info": self._info(ME, sub.told)}}}]

    # What others do.

    def published(self, key: str, data: Any, info: Content | None = None, detail: Any = None) -> list[Content]:
        """Somebody has published."""
        pub: Content = {"data": data} | ({"info": info} if info else {})
        if key == ALL:
            pub["offset"] = len(self.past) + 1
            self.past.append(pub)
            self.details.append(detail)
        sub = self.subs.get(key)
        if sub and sub.detailed and detail is not None:
            pub = pub | {"data": detail}
        return [{"push": {"channel": sub.spelling, "pub": pub}}] if sub else []

    def other_moves(self) -> list[Content]:
        """Somebody has joined, or left."""
        self.other_is_there = not self.other_is_there
        event = "join" if self.other_is_there else "leave"
        sub = self.subs.get(ALL)
        if sub is None or not sub.events:
            return []
        return [{"push": {"channel": sub.spelling, event: {"info": {"user": "bob", "client": OTHER}}}}]

    def ended(self, key: str, code: int) -> list[Content]:
        """The hub has ended a subscription."""
        sub = self.subs.pop(key, None)
        if sub is None:
            return []
        if sub.served and code == 2500:
            raise End(3010)
        return [{"push": {"channel": sub.spelling, "unsubscribe": {"code": code, "reason": REASONS[code]}}}]

    def passed(self, seconds: float) -> list[Content]:
        """Time has passed, and was minded."""
        self.now += seconds
        if self.expires + PATIENCE_SECONDS <= self.now:
            raise End(3005)
        over = [key for key, sub in self.subs.items() if sub.expires + PATIENCE_SECONDS <= self.now]
        return [line for key in over for line in self.ended(key, 2501)]


def bare(channel: str) -> str:
    """The channel without its org."""
    for prefix in ("1/", "default/", "org-1/"):
        channel = channel.removeprefix(prefix)
    return channel
