"""Who is connected: counts against the limits, and the way to all clients of one user.

Only those who are served hold a place. SDKs take the refusal (3504) as final, so nobody must get it who is not one too
many. Who was not let in yet holds a place on sufferance: strangers who say nothing, or are refused, must not keep those
out who may come in.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

import trio

from framecast.accounts.connected import Hits
from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.protocol.codes import CloseCode
from framecast.settings import Live

User = tuple[int, str]
"""Org and login: two orgs' users are never one."""

NOBODY = ""


class Place:
    """One served client's place, given back at the end of a block. Made by `Roster.place`."""

    __slots__ = ("_roster", "address", "end", "identity", "user")

    def __init__(self, roster: "Roster", address: str) -> None:
        self._roster = roster
        self.address = address
        self.user: User | None = None
        self.identity: Identity | None = None
        """Whose it is, once the client was let in."""
        self.end: Callable[[CloseCode], None] | None = None
        """Ends the client's connection, while it has one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._roster.leave(self)

    def sign_in(self, identity: Identity) -> None:
        """The client is let in, as this user.

        PeerError 3504 when the user has as many clients as may be, 3013 when the place was given to another meanwhile.
        """
        self._roster.sign_in(self, identity)


class Roster:
    """The places of all subscribers, whatever their transport. Belongs to the Trio thread."""

    def __init__(self, limits: Live, stopping: trio.Event) -> None:
        self._limits = limits
        self._stopping = stopping
        self._places: set[Place] = set()
        self._newcomers: dict[Place, None] = {}
        """Those of them who were not let in yet, the longest there first."""
        self._by_address: Counter[str] = Counter()
        self._by_user: dict[User, set[Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def check_open(self) -> None:
        """Refusal 503 while Live is switched off or ending, for a request that has not been accepted yet."""
        if self._limits.max_connections == 0:
            raise Refusal(503, "Live is switched off on this server (live.max_connections = 0)")
        if self._stopping.is_set():
            raise Refusal(503, "this server is shutting down", temporary=True)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell everybody when the server goes down (3001). Must outlive the connections."""
        task_status.started()
        await self._stopping.wait()
        for place in tuple(self._places):
            if place.end is not None:
                place.end(CloseCode.SHUTDOWN)

    def place(self, address: str) -> AbstractContextManager[Place | None]:
        """Take a place for a client from `address`, until the block ends; None when no place is free (3504).

        The newcomer who had the longest time to be let in makes room, and is told to come again (3013).
        """
        limits = self._limits
        free = True
        if 0 <= limits.max_connections_per_address <= self._by_address.get(address, 0):
            free = self._make_room(address)
        elif 0 <= limits.max_connections <= len(self._places):
            free = self._make_room(None)
        if not free:
            return nullcontext()
        place = Place(self, address)
        self._places.add(place)
        self._newcomers[place] = None
        self._by_address[address] += 1
        return place

    def _make_room(self, address: str | None) -> bool:
        """End a newcomer, one from `address` if that is not None. False when there is none."""
        for place in self._newcomers:
            if place.end is not None and address in {None, place.address}:
                self.leave(place)
                place.end(CloseCode.TOO_MANY_REQUESTS)
                return True
        return False

    def sign_in(self, place: Place, identity: Identity) -> None:
        """See `Place.sign_in`. Who has no name is not counted: anonymous viewers are no one user."""
        if place not in self._places:
            raise CloseCode.TOO_MANY_REQUESTS.error()
        if identity.login == NOBODY:
            self._newcomers.pop(place, None)
            place.identity = identity
            return
        user = (identity.org_id, identity.login)
        others = self._by_user.get(user, set())
        if 0 <= self._limits.max_connections_per_user <= len(others):
            raise CloseCode.CONNECTION_LIMIT.error()
        self._newcomers.pop(place, None)
        place.user = user
        place.identity = identity
        self._by_user.setdefault(user, set()).add(place)

    def disconnect(self, org_id: int, login: str, close: CloseCode) -> int:
        """End all connections of a user; how many there were."""
        places = tuple(self._by_user.get((org_id, login), ()))
        for place in places:
            if place.end is not None:
                place.end(close)
        return len(places)

    def identities(self) -> list[Identity]:
        """Of all clients that were let in."""
        return [place.identity for place in self._places if place.identity is not None]

    def end(self, hits: Hits, *, may_return: bool) -> None:
        """End the clients whose identities `hits` names, with 3005 for those who `may_return`, and else for good."""
        close = CloseCode.CONNECTION_EXPIRED if may_return else CloseCode.FORCE_DISCONNECT
        for place in tuple(self._places):
            if place.identity is not None and place.end is not None and hits(place.identity):
                place.end(close)

    def leave(self, place: Place) -> None:
        """The client has gone, or made room for another one. Idempotent."""
        if place not in self._places:
            return
        self._places.discard(place)
        self._newcomers.pop(place, None)
        self._by_address[place.address] -= 1
        if not self._by_address[place.address]:
            del self._by_address[place.address]
        if place.user is not None:
            others = self._by_user[place.user]
            others.discard(place)
            if not others:
                del self._by_user[place.user]
