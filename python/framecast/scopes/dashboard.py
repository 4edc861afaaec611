"""``grafana/dashboard/uid/{uid}``: what becomes of one dashboard, told to everybody who looks at it.

Events of saves and deletes come from the room of dashboards (dashboards/events.py); clients may tell that they have
begun to edit, and nothing else. A subscriber that returns gets the events it missed. Every other begins with the
version that there is, so that a device that slept, or whose server was started again, knows whether its own is old.

**Why no change falls between that version and the first event.** The version is in the database, and asking for it
takes time in which others save. So first it is noted where the channel stands, then the version is read, and when the
subscription is made, without a checkpoint, what was told meanwhile is added to it. A change that was told before the
note was committed before it, so the version knows it. One that was told since is added. One that is told later reaches
the subscriber, which may know its version already, and passes by what is not newer.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Protocol

import msgspec

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory, Kept
from framecast.channels.hub import Hub
from framecast.dashboards.events import EDITING_STARTED, editing_started, version_after
from framecast.errors import Refusal
from framecast.protocol.codes import ErrorCode
from framecast.scopes.turns import Turns
from framecast.settings import ChannelOptions

UID_PATH = "uid/"

MAX_SESSION_ID = 128
"""Characters; Grafana's are UUIDs."""


class DashboardRules(Protocol):
    """What is asked of whoever has the dashboards: the room of dashboards, or a Grafana beside this server."""

    async def version(self, identity: Identity, uid: str, *, editing: bool = False) -> int | None:
        """The newest version that is committed, in the org of `identity`; None where there is no such dashboard.

        Refusal for one who may not see it, or not edit it where it is about `editing`, beyond what its role says; that
        is asked before (scopes/permitted.py). 503, to be tried again, where nobody can say.
        """


class _Wish(msgspec.Struct, frozen=True):
    """The subscribe data: other keys mean nothing here."""

    patch: bool = False


class _Notice(msgspec.Struct, frozen=True):
    """What a client may publish: other keys are dropped."""

    uid: str
    action: str
    sessionId: Annotated[str, msgspec.Meta(max_length=MAX_SESSION_ID)] | None = None  # noqa: N815 - Grafana's name


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out before the subscription is made."""

    uid: str
    version: int
    since: Position
    """Where the channel stood before the version was read."""

    detailed: bool
    """Whether the subscriber asked for patches."""


class DashboardScope:
    """The channels of all dashboards. Who may what in their org is asked before (scopes/permitted.py)."""

    def __init__(self, hub: Hub, dashboards: DashboardRules) -> None:
        self._hub = hub
        self._dashboards = dashboards
        self._turns = Turns()

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Allow it for a dashboard that is there. Refusal 404 else, 400 for a wish that is none."""
        uid = _uid_of(address)
        detailed = _wants_patches(data)
        await self._turns.wait(self._hub.history(address))
        history = await self._hub.open(address)
        with ExitStack() as failing:
            failing.callback(self._hub.give_up, address)
            since = history.position
            version = await self._find_version(identity, address, uid, editing=False)
            failing.pop_all()
        return partial(self._begin, history, options or history.options, _Known(uid, version, since, detailed))

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Tell everybody, the publisher too, that it has begun to edit; what it sent is written anew.

        Refusal 404 where there is no such dashboard, 403 for other news of it and where the channel's options let
        nobody publish, 400 for what is no notice or is one of another dashboard.
        """
        uid = _uid_of(address)
        self._hub.options.check_publish(address, subscribed=subscribed)
        notice = _read_notice(data, uid)
        await self._find_version(identity, address, uid, editing=True)
        event = editing_started(uid, session_id=notice.sessionId, login=identity.login)
        await self._hub.publish_message(address, event, info)

    async def _find_version(self, identity: Identity, address: Address, uid: str, *, editing: bool) -> int:
        version = await self._dashboards.version(identity, uid, editing=editing)
        if version is None:
            raise _not_found(address)
        return version

    def _begin(
        self, history: ChannelHistory, options: ChannelOptions, known: _Known, returning: Position | None
    ) -> Beginning:
        self._hub.check_current(history)
        missed = _missed(history, options, returning)
        if missed is not None:
            return Beginning(history.position, recovered=True, missed=missed, detailed=known.detailed)
        told = history.missed_since(known.since)
        version = None if told is None else version_after(known.version, (kept.data for kept in told))
        if version is None:
            raise ErrorCode.TOO_MANY_REQUESTS.refusal(
                "too many requests: the dashboard was deleted just now, or changed too often, try again"
            )
        return Beginning(
            history.position,
            msgspec.json.encode({"uid": known.uid, "version": version}),
            recoverable=options.recovery != "off",
            detailed=known.detailed,
        )


def _missed(history: ChannelHistory, options: ChannelOptions, returning: Position | None) -> Sequence[Kept] | None:
    """Exactly the events that a subscriber missed; None where it has to be told the version instead.

    Who names no epoch was never told one. A cache keeps the newest state alone, and no event is one.
    """
    if returning is None or not returning.epoch or options.recovery != "stream":
        return None
    return history.missed_since(returning)


def _uid_of(address: Address) -> str:
    """The dashboard that a channel is of. Refusal 404 for a path of another form."""
    uid = address.path.removeprefix(UID_PATH)
    if uid == address.path or not uid or "/" in uid:
        raise _not_found(address)
    return uid


def _not_found(address: Address) -> Refusal:
    return Refusal(
        404, f"Not Found: {address} is no dashboard's channel (grafana/dashboard/uid/UID of one that is there)"
    )


def _wants_patches(data: bytes | None) -> bool:
    """Read ``{"patch": true}``. Data that is no object is a client's own and means nothing here."""
    if data is None or not data.lstrip().startswith(b"{"):
        return False
    try:
        return msgspec.json.decode(data, type=_Wish).patch
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Bad Request: patch of the subscribe data must be true or false: {error}") from None


def _read_notice(data: bytes, uid: str) -> _Notice:
    try:
        notice = msgspec.json.decode(data, type=_Notice)
    except msgspec.ValidationError as error:
        raise Refusal(
            400,
            f"Bad Request: no notice of a dashboard: {error}; "
            f'send {{"uid": "{uid}", "action": "{EDITING_STARTED}", "sessionId": "…"}}',
        ) from None
    if notice.uid != uid:
        raise Refusal(400, f"Bad Request: the channel is that of the dashboard {uid!r}, and the message names another")
    if notice.action != EDITING_STARTED:
        raise Refusal(403, f"Forbidden: clients may publish {EDITING_STARTED!r} only; the server tells what was saved")
    return notice
