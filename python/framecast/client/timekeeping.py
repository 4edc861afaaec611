"""When one connection must be looked at, and what is due then. Sans-io: times are passed in.

First `connect` has to come, then it is answered, however long that takes; from then on the client is pinged, and what
was let in for a time runs out.
"""

import random
from enum import Enum
from math import ceil, inf

from framecast.client.session import Session, State
from framecast.settings import Live

PING_GRID_SECONDS = 1 / 16
"""Pings go out at multiples of this, those of one moment in one go. A power of two, so that adding whole seconds to a
time on the grid gives one on the grid."""


class Due(Enum):
    """What a connection's time has come for."""

    NOTHING = "nothing"
    PING = "a ping"
    STALE = "the end of a client that has not said connect"
    REFUSED = "the end of a client that was refused and stays"
    NO_PONG = "the end of a client that has not answered a ping"


class Timekeeping:
    """The times of one connection. Those of tokens are its session's."""

    __slots__ = ("_answers", "_connect_by", "_leave_by", "_next_ping", "_session", "_settings")

    def __init__(self, session: Session, settings: Live, *, now: float, answers: bool) -> None:
        """`answers` is whether the client answers pings."""
        self._session = session
        self._settings = settings
        self._answers = answers
        self._connect_by = now + settings.connect_seconds
        self._leave_by = inf
        self._next_ping = inf

    def connect_came(self) -> None:
        """The client said `connect`. How long the answer takes is our business: see `Commands.carry_out`."""
        self._connect_by = inf

    def connect_answered(self, now: float) -> None:
        """It was let in, or refused. Idempotent."""
        if self._session.state is State.REFUSED:
            # SDKs leave by themselves as soon as they are refused.
            self._leave_by = min(self._leave_by, now + self._settings.close_seconds)
        elif self._next_ping == inf:
            self._next_ping = _spread(now, self._settings.ping_seconds)

    def next_look(self, *, busy: bool) -> float:
        """When to look next. A client is `busy` while something that came from it was not acted upon."""
        pong_by = inf if busy else self._session.pong_deadline
        return min(self._connect_by, self._leave_by, self._next_ping, pong_by, self._session.expiry_deadline)

    def look(self, now: float, *, busy: bool) -> Due:
        """What is due at `now`; a ping counts as sent."""
        if now >= self._connect_by:
            return Due.STALE
        if now >= self._leave_by:
            return Due.REFUSED
        # What came is looked at before anybody is called silent: a pong may stand in it.
        if now >= self._session.pong_deadline and not busy:
            return Due.NO_PONG
        if now < self._next_ping:
            return Due.NOTHING
        self._next_ping += self._settings.ping_seconds
        if self._answers:
            self._session.pinged(now)
        return Due.PING


def _spread(now: float, interval: float) -> float:
    """The time of a first ping: some time in the second half of the interval.

    Spread out, so that clients who all came back at once are not all pinged at once.
    """
    first, end = ceil((now + interval / 2) / PING_GRID_SECONDS), ceil((now + interval) / PING_GRID_SECONDS)
    return random.randrange(first, end) * PING_GRID_SECONDS  # noqa: S311 - no secret
