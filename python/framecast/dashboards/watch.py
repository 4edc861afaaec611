"""Notices what is saved in the Grafana beside this server, and tells those who look at it.

That Grafana tells its own Live, which nobody listens to any more. So it is asked, every few seconds, about each
dashboard that somebody is subscribed to here, as one of them. A version that a new subscriber is told is news to the
others as well. Nothing is known between two looks: of several saves the last is told, as one.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from framecast.accounts.identity import Identity
from framecast.channels.hub import Hub
from framecast.dashboards.events import DashboardEvents, Deleted, Saved, dashboard_address
from framecast.errors import Refusal
from framecast.settings import Grafana

MAX_WITNESSES = 16
"""Credentials of one dashboard's subscribers that are remembered, the newest ones, to ask as one of them."""

LOOKS_BEFORE_SUBSCRIBED = 2
"""So many looks a dashboard is kept without a subscriber: one that was told the version is on its way."""

GONE = 0
"""As the version of a dashboard that was deleted; Grafana counts from 1."""

Place = tuple[int, str]
"""Org and uid."""


class View(Protocol):
    """What Grafana shows to one visitor."""

    @property
    def version(self) -> int:
        """The dashboard's."""


class Dashboards(Protocol):
    """Asks Grafana, as a visitor. Refusal 403, 404 or 503, as its answer is."""

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        """What is remembered of its answers counts."""

    async def look(self, identity: Identity, uid: str) -> View:
        """What it says now."""


@dataclass(slots=True)
class _Watched:
    version: int
    """The newest that subscribers were told of."""

    witnesses: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Names of credentials, the newest last."""

    unwatched: int = 0
    """Looks in a row without a subscriber."""


class DashboardWatch:
    """The rules of dashboards' channels (scopes/dashboard.py) that are Grafana's, and its news. One for the server."""

    def __init__(
        self,
        dashboards: Dashboards,
        events: DashboardEvents,
        hub: Hub,
        settings: Grafana,
        *,
        connected: Callable[[], Iterable[Identity]],
    ) -> None:
        """`connected` is everybody who has a connection now: as nobody else Grafana is asked."""
        self._dashboards = dashboards
        self._events = events
        self._hub = hub
        self._settings = settings
        self._connected = connected
        self._watched: dict[Place, _Watched] = {}

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        """As Grafana answers, or the newer one that others were told of meanwhile; they are told of a still newer one.

        So no answer that is remembered takes a subscriber back behind what was told before it came.
        """
        version = await self._dashboards.version(identity, uid, editing=editing)
        if version is None or editing:
            return version
        place = (identity.org_id, uid)
        watched = self._watched.get(place) or self._watch(place, version)
        if watched is None:
            return version
        _remember(watched, identity)
        if version > watched.version:
            await self._tell(place, watched, version)
        return max(version, watched.version)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look, again and again, until cancelled. Never fails because of Grafana."""
        task_status.started()
        while True:
            await trio.sleep(self._settings.watch_seconds)
            await self._look_at_all()

    async def _look_at_all(self) -> None:
        identities: dict[tuple[int, str], Identity] = {}
        for identity in self._connected():
            identities[identity.org_id, identity.credential] = identity
        async with trio.open_nursery() as nursery:
            for place, watched in list(self._watched.items()):
                if self._is_watched(place, watched):
                    org_id, _ = place
                    witness = next(
                        (found for name in reversed(watched.witnesses) if (found := identities.get((org_id, name)))),
                        None,
                    )
                    if witness is not None:
                        nursery.start_soon(self._look, place, watched, witness)

    def _is_watched(self, place: Place, watched: _Watched) -> bool:
        """Whether anybody is subscribed still; where nobody is, it is forgotten after a while."""
        if self._hub.subscriber_count(dashboard_address(*place)):
            watched.unwatched = 0
            return True
        watched.unwatched += 1
        if watched.unwatched > LOOKS_BEFORE_SUBSCRIBED:
            del self._watched[place]
        return False

    async def _look(self, place: Place, watched: _Watched, witness: Identity) -> None:
        known = watched.version
        try:
            version = (await self._dashboards.look(witness, place[1])).version
        except Refusal as refusal:
            if refusal.code == 403:
                watched.witnesses.pop(witness.credential, None)
            if refusal.code != 404:
                return
            version = GONE
        if version != known == watched.version:  # else a subscriber was told a newer one while this was under way
            await self._tell(place, watched, version)

    async def _tell(self, place: Place, watched: _Watched, version: int) -> None:
        """Announce the change to another version, and what must have come between when it is an older one."""
        org_id, uid = place
        known, watched.version = watched.version, version
        if version < known:
            await self._events.announce(org_id, Deleted(uid=uid))
            known = GONE
        if version != GONE:
            await self._events.announce(org_id, Saved(uid=uid, version=version, previous=known or None))

    def _watch(self, place: Place, version: int) -> _Watched | None:
        """None when so many are watched that this one is not: its subscribers are told nothing."""
        if len(self._watched) >= self._settings.max_dashboards:
            return None
        watched = self._watched[place] = _Watched(version)
        return watched


def _remember(watched: _Watched, identity: Identity) -> None:
    watched.witnesses[identity.credential] = None
    watched.witnesses.move_to_end(identity.credential)
    if len(watched.witnesses) > MAX_WITNESSES:
        watched.witnesses.popitem(last=False)
