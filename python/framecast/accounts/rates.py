"""How much a sender has had, and whether it may have more just now.

A sender is a service token, whoever shows it; a user of an org, whoever says who it is; or an address, where the
identity is nobody in particular. Requests are refused while there is none left. Of bytes nobody knows beforehand how
many come, and a batch that was larger than any allowance could never be sent: so what came is taken in any case, and
nothing more until that is paid for. Refused requests count for nothing, or whoever tries again would never get through.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum

import trio

from framecast import metrics
from framecast.accounts.attempts import network_of
from framecast.accounts.gate import Gate, Visitors
from framecast.accounts.identity import Identity
from framecast.bucket import Bucket
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.settings import Rates as Limits


class Sender(StrEnum):
    """What kind of sender has a limit: the words of a refusal, and of the metric."""

    TOKEN = "token"  # noqa: S105 - a word
    USER = "user"
    ADDRESS = "address"


class What(StrEnum):
    """Of what there may be so much in a second; as the keys of the settings have it."""

    REQUESTS = "requests_per_second"
    BYTES = "bytes_per_second"


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What one sender may have; 0 is no limit."""

    requests: float
    bytes: float


class _Account:
    """What one sender has had."""

    __slots__ = ("allowed", "bytes", "requests")

    def __init__(self, allowed: _Allowed, burst_seconds: float, now: float) -> None:
        self.allowed = allowed
        self.requests: Bucket | None = None
        self.bytes: Bucket | None = None
        if allowed.requests:
            self.requests = Bucket(allowed.requests, max(1.0, allowed.requests * burst_seconds), now)
        if allowed.bytes:
            self.bytes = Bucket(allowed.bytes, allowed.bytes * burst_seconds, now)


Tell = Callable[[Identity, RequestHead, Refusal], None]


def _tell_nobody(identity: Identity, head: RequestHead, refusal: Refusal) -> None:
    del identity, head, refusal


class Rates:
    """Counts what senders ask and push. One for the server; waits for nothing."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float] = trio.current_time, *, tell: Tell = _tell_nobody
    ) -> None:
        """`tell` is told of what a gate refuses for a rate; the rooms behind it tell the rest."""
        self._limits = limits
        self._tell = tell
        self._clock = clock
        self._usual = {
            Sender.TOKEN: _Allowed(limits.token_requests_per_second, limits.token_bytes_per_second),
            Sender.USER: _Allowed(limits.user_requests_per_second, limits.user_bytes_per_second),
            Sender.ADDRESS: _Allowed(limits.address_requests_per_second, limits.address_bytes_per_second),
        }
        self._usually_limited = any(usual.requests or usual.bytes for usual in self._usual.values())
        self._accounts: dict[Sender, OrderedDict[Hashable, _Account]] = {kind: OrderedDict() for kind in Sender}
        """The longest unused first."""

    def __len__(self) -> int:
        return sum(map(len, self._accounts.values()))

    def check_request(self, identity: Identity, address: str) -> None:
        """Count one request, or command. Refusal 429, and it is not counted, when there is none left."""
        account = self._find(identity, address)
        if account is not None:
            self._take_request(account, identity)

    def check_push(self, identity: Identity, address: str) -> bool:
        """Count one push whose body is still to be read; whether that is to be noted when it was.

        Refusal 429 as well while bytes have to be paid for.
        """
        account = self._find(identity, address)
        if account is None:
            return False
        wait = 0.0 if account.bytes is None else account.bytes.wait(0, self._clock())
        if wait:
            raise self._refusal(identity, What.BYTES, wait)
        self._take_request(account, identity)
        return account.bytes is not None

    def note_pushed(self, identity: Identity, address: str, size_bytes: int) -> None:
        """A body of so many bytes came."""
        account = self._find(identity, address)
        if account is not None and account.bytes is not None:
            account.bytes.take(size_bytes, self._clock())

    def take_message(self, identity: Identity, address: str, size_bytes: int) -> float:
        """A message of so many bytes came on a push WebSocket: for how many seconds to read no further one."""
        account = self._find(identity, address)
        if account is None:
            return 0.0
        now = self._clock()
        rest = {
            What.REQUESTS: 0.0 if account.requests is None else account.requests.take(1, now),
            What.BYTES: 0.0 if account.bytes is None else account.bytes.take(size_bytes, now),
        }
        longest = max(rest, key=rest.__getitem__)
        if rest[longest]:
            metrics.rate_limited.labels(_kind_of(identity).value, longest.value, "slowed").inc()
        return rest[longest]

    def rest_left(self, identity: Identity, address: str) -> float:
        """For how many seconds still, as its limits are now: they may be others than behind its last message."""
        account = self._find(identity, address)
        if account is None:
            return 0.0
        now = self._clock()
        buckets = (bucket for bucket in (account.requests, account.bytes) if bucket is not None)
        return max(bucket.wait(0, now) for bucket in buckets)  # there is one, or nothing would be kept of the sender

    def counting(self, gate: Gate) -> Gate:
        """The gate, with each request that gets through it counted. Refusal 429 beside those of the gate."""

        async def pass_(head: RequestHead) -> Identity:
            identity = await gate(head)
            self._check_told(identity, head)
            return identity

        return pass_

    def counting_known(self, visitors: Visitors) -> Visitors:
        """The same for a gate that lets strangers pass, who are counted when they say who they are."""

        async def pass_(head: RequestHead) -> Identity | None:
            identity = await visitors(head)
            if identity is not None:
                self._check_told(identity, head)
            return identity

        return pass_

    def _check_told(self, identity: Identity, head: RequestHead) -> None:
        try:
            self.check_request(identity, head.peer)
        except Refusal as refusal:
            self._tell(identity, head, refusal)
            raise

    def _take_request(self, account: _Account, identity: Identity) -> None:
        if account.requests is None:
            return
        now = self._clock()
        wait = account.requests.wait(1, now)
        if wait:
            raise self._refusal(identity, What.REQUESTS, wait)
        account.requests.take(1, now)

    def _find(self, identity: Identity, address: str) -> _Account | None:
        """What the sender has had; None for one without limits, of whom nothing is kept."""
        if not self._usually_limited and identity.quota is None:
            return None
        kind = _kind_of(identity)
        allowed = self._allowed(kind, identity)
        if not (allowed.requests or allowed.bytes):
            return None
        accounts, key = self._accounts[kind], _key_of(kind, identity, address)
        account = accounts.get(key)
        if account is None and len(accounts) >= self._limits.kept:
            accounts.popitem(last=False)
        if account is None or account.allowed != allowed:  # a token's own may change, and what it had is forgotten
            account = accounts[key] = _Account(allowed, self._limits.burst_seconds, self._clock())
        accounts.move_to_end(key)
        return account

    def _allowed(self, kind: Sender, identity: Identity) -> _Allowed:
        usual, quota = self._usual[kind], identity.quota
        if quota is None:
            return usual
        requests, bytes_ = quota.requests_per_second, quota.bytes_per_second
        if requests is None and bytes_ is None:
            return usual
        return _Allowed(usual.requests if requests is None else requests, usual.bytes if bytes_ is None else bytes_)

    def _refusal(self, identity: Identity, what: What, wait: float) -> Refusal:
        kind, quota = _kind_of(identity), identity.quota
        allowed = self._allowed(kind, identity)
        metrics.rate_limited.labels(kind.value, what.value, "refused").inc()
        own = None if quota is None else getattr(quota, what.value)
        most = allowed.requests if what is What.REQUESTS else allowed.bytes
        named = f"rates.{kind}_{what}" if own is None else f"the token's own {what}"
        much = f"send {most:g} requests" if what is What.REQUESTS else f"push {most:g} bytes"
        seconds = math.ceil(wait)
        return Refusal(
            429,
            f"Too Many Requests: this {kind} may {much} a second on the average ({named}): try again in {seconds} s",
            temporary=True,
            reason="rate_limit",
            retry_seconds=wait,
            details={"limit": named, "allowed": most, "retryAfterSeconds": seconds},
        )


def _kind_of(identity: Identity) -> Sender:
    if identity.credential.startswith("token:"):
        return Sender.TOKEN
    return Sender.USER if identity.login else Sender.ADDRESS


def _key_of(kind: Sender, identity: Identity, address: str) -> Hashable:
    if kind is Sender.TOKEN:
        return identity.credential
    return (identity.org_id, identity.login) if kind is Sender.USER else network_of(address)
