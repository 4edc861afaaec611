"""What is told of a dashboard on its channel ``grafana/dashboard/uid/{uid}``, and the one way to tell it.

An event has the keys of both shapes that Grafana's front end has known (grafana-live §6), without the dashboard itself,
and the version before: whoever holds that can tell whether it missed one. Who asked for patches gets the change too, at
the same offset. The store is the truth, events are the news of it: one is told after its change is committed, never
for a change that failed, and where it cannot be told, its channel begins anew, so that everybody asks for the version.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from msgspec import UNSET, Raw, UnsetType

from framecast.channels.address import Address
from framecast.channels.broker import Draft
from framecast.channels.hub import Hub
from framecast.errors import Refusal

log = structlog.get_logger(__name__)

SAVED: Final = "saved"
DELETED: Final = "deleted"
EDITING_STARTED: Final = "editing-started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A dashboard has a new version, and that is committed."""

    uid: str
    version: int
    previous: int | None = None
    """The version that it replaces; None for a dashboard that is new."""

    message: str = ""
    login: str = ""
    """Who saved it; "" for nobody in particular."""

    patch: bytes | None = None
    """What turns the one version into the other, a JSON Patch (RFC 6902) on one line; None when there is none, and
    subscribers load the dashboard again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A dashboard is gone, and that is committed."""

    uid: str
    login: str = ""
    """Who deleted it; "" for nobody in particular."""


class _User(msgspec.Struct, frozen=True):
    login: str


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """All keys that an event may have, in their order."""

    uid: str
    action: str
    rv: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    previous: int | UnsetType = UNSET
    message: str | UnsetType = UNSET
    sessionId: str | UnsetType = UNSET  # noqa: N815 - Grafana's name
    user: _User | UnsetType = UNSET
    patch: Raw | UnsetType = UNSET


class _Told(msgspec.Struct, frozen=True):
    """What of an event says which version there is."""

    action: str
    version: int | None = None


class DashboardEvents:
    """Tells the subscribers of dashboards what became of them."""

    def __init__(self, hub: Hub, *, max_event_bytes: int) -> None:
        """An event with a patch beyond `max_event_bytes` would reach no subscriber: it is told without the patch."""
        self._hub = hub
        self._max_event_bytes = max_event_bytes

    async def announce(self, org_id: int, change: Saved | Deleted) -> None:
        """Tell of one change, which is committed. Changes of one dashboard in the order of their commits.

        Never fails, as the change has taken place already. Whoever calls it must not be cancelled between the commit
        and this: subscribers who are there would not learn of the change.
        """
        event = _describe(change)
        detail = None
        if isinstance(change, Saved) and change.patch is not None:
            detail = msgspec.json.encode(msgspec.structs.replace(event, patch=Raw(change.patch)))
            if len(detail) > self._max_event_bytes:
                detail = None
        address = dashboard_address(org_id, change.uid)
        try:
            await self._hub.publish([Draft(address.key, msgspec.json.encode(event), rows=1, detail=detail)])
        except Refusal as refusal:
            log.warning("dashboard change not told", channel=str(address), org=org_id, error=refusal.message)
            self._hub.forget(address)


def dashboard_address(org_id: int, uid: str) -> Address:
    """The channel of one dashboard."""
    return Address(org_id, "grafana", "dashboard", f"uid/{uid}")


def editing_started(uid: str, *, session_id: str | None, login: str) -> bytes:
    """The event that somebody has begun to edit a dashboard."""
    event = _Event(
        uid=uid,
        action=EDITING_STARTED,
        sessionId=UNSET if session_id is None else session_id,
        user=_user(login),
    )
    return msgspec.json.encode(event)


def version_after(version: int | None, events: Iterable[bytes]) -> int | None:
    """Which version there is behind `events`, told in this order, if it was `version` some time while they were told.

    None: the dashboard is gone. An event may be older than what was read, as the store is asked at its own time.
    """
    for event in events:
        told = msgspec.json.decode(event, type=_Told)
        if told.action == DELETED:
            version = None
        elif told.action == SAVED and told.version is not None:
            version = max(version or 0, told.version)
    return version


def _describe(change: Saved | Deleted) -> _Event:
    if isinstance(change, Deleted):
        return _Event(uid=change.uid, action=DELETED, user=_user(change.login))
    return _Event(
        uid=change.uid,
        action=SAVED,
        rv=str(change.version),
        version=change.version,
        previous=UNSET if change.previous is None else change.previous,
        message=change.message,
        user=_user(change.login),
    )


def _user(login: str) -> _User | UnsetType:
    return _User(login) if login else UNSET
