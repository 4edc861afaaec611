"""Wrong credentials: counted by kind, told to the operator now and then, and limited for whoever sends many.

A limit for wrong ones is no limit for good ones: a thousand agents behind one address go on while one beside them has a
token that was revoked. Only passwords are refused unread past it, because looking at one is what costs.
"""

import hashlib
import math
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

import structlog
import trio

from framecast import metrics
from framecast.errors import Refusal
from framecast.settings import Accounts

log = structlog.get_logger(__name__)

IPV6_NETWORK = ((1 << 64) - 1) << 64
"""One customer has a /64 at least, and all addresses in it."""


class Kind(StrEnum):
    """What was no good: the words by which refused credentials are counted."""

    TOKEN = "token"  # noqa: S105 - a word
    PASSWORD = "password"  # noqa: S105 - a word
    SESSION = "session"
    OTHER = "other"


class WrongCredentialError(Refusal):
    """For a credential that is no good; counted and told already. 401 or 429."""


class Allowance:
    """So many at once and as many again in `seconds`, for each of the `max_keys` keys that were last in use."""

    def __init__(self, most: int, seconds: float, max_keys: int) -> None:
        self._most = most
        self._rate = most / seconds
        self._max_keys = max_keys
        self._left: dict[str, tuple[float, float]] = {}
        """How many were left, and when; the longest unused first."""

    def __len__(self) -> int:
        return len(self._left)

    def wait_seconds(self, key: str, now: float) -> float:
        """How long until there is one left; 0 when there is."""
        return max(0.0, (1.0 - self._left_at(key, now)) / self._rate)

    def take(self, key: str, now: float) -> None:
        """Use one up, if there is one left."""
        left = self._left_at(key, now)
        self._left.pop(key, None)
        if len(self._left) >= self._max_keys:
            del self._left[next(iter(self._left))]
        self._left[key] = (left - 1.0 if left >= 1.0 else left, now)

    def _left_at(self, key: str, now: float) -> float:
        left, when = self._left.get(key, (float(self._most), now))
        return min(self._most, left + (now - when) * self._rate)


class Attempts:
    """Takes note of wrong credentials. One for the server; waits for nothing."""

    def __init__(self, limits: Accounts, clock: Callable[[], float] = trio.current_time) -> None:
        self._limits = limits
        self._clock = clock
        seconds, kept = limits.attempts_seconds, limits.attempts_kept
        self._addresses = Allowance(limits.attempts_per_address, seconds, kept)
        self._logins = Allowance(limits.attempts_per_login, seconds, kept)
        self._told_at: dict[Kind, float] = {}
        self._untold: dict[Kind, int] = {}

    def wrong(self, kind: Kind, address: str, message: str) -> Refusal:
        """What to refuse a wrong credential from `address` with: 401, or 429 from one that sent too many."""
        self._note(kind, address, message)
        return self.judge(address, f"Unauthorized: {message}")

    def judge(self, address: str, message: str) -> Refusal:
        """The same for a wrong credential that was counted and told elsewhere."""
        now, place = self._clock(), network_of(address)
        wait = self._addresses.wait_seconds(place, now)
        if wait > 0:
            return _too_many(wait)
        self._addresses.take(place, now)
        return WrongCredentialError(401, message)

    def wrong_password(self, login: str, address: str) -> Refusal:
        """The same for a password, which counts against its login too."""
        self._logins.take(name_of(login), self._clock())
        return self.wrong(Kind.PASSWORD, address, "login or password is wrong")

    def note_wrong_connect(self) -> None:
        """A service token in a `connect` command that is no good. It ends the connection, and those are limited."""
        self._note(Kind.TOKEN, "", "the token of a connect command is unknown, revoked or expired")

    def note_ended_session(self, address: str) -> None:
        """A cookie of no session: as a rule of one that ended, and nothing to be guessed."""
        self._note(Kind.SESSION, address, "the session has ended, or there never was one")

    def check_password_may_be_tried(self, login: str, address: str) -> None:
        """Refusal 429 while so many were wrong from `address`, or for `login`, that no more are looked at."""
        now = self._clock()
        wait = max(
            self._addresses.wait_seconds(network_of(address), now), self._logins.wait_seconds(name_of(login), now)
        )
        if wait > 0:
            self._note(Kind.PASSWORD, address, "too many were wrong before")
            raise _too_many(wait)

    def _note(self, kind: Kind, address: str, message: str) -> None:
        metrics.refused_credentials.labels(kind.value).inc()
        now = self._clock()
        if now - self._told_at.get(kind, -math.inf) < self._limits.complaint_seconds:
            self._untold[kind] = self._untold.get(kind, 0) + 1
            return
        self._told_at[kind] = now
        log.info(
            "credentials refused",
            kind=kind.value,
            address=address,
            reason=message,
            unlogged=self._untold.pop(kind, 0),
        )


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network that one customer has."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) & IPV6_NETWORK))


def name_of(login: str) -> str:
    """What counts as one login, whatever its letters' case. A stranger chooses it, and its length must cost nothing."""
    return hashlib.sha256(login.casefold().encode("utf-8", "surrogatepass")).hexdigest()


def _too_many(wait: float) -> Refusal:
    return WrongCredentialError(
        429,
        f"too many wrong credentials came from this address or for this login; try again in {math.ceil(wait)} s",
        temporary=True,
        retry_seconds=wait,
    )
