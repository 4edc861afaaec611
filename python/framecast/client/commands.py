"""Carries out what a client asks for: where the session's word becomes a deed in the other rooms.

One command is finished before the next begins. Whatever comes of it, it is answered: a failure in here costs one
command and no connection.
"""

import structlog
import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.client import metrics
from framecast.client.actions import (
    Action,
    AskPresence,
    Call,
    Connect,
    Publish,
    ReadHistory,
    Refresh,
    RefreshSubscription,
    Refuse,
    Subscribe,
    Unsubscribe,
)
from framecast.client.member import Member
from framecast.client.replies import client_info, error_reply, history_result, payload, time_to_live
from framecast.client.room import await_room
from framecast.client.subscribing import Subscribing
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode, ErrorCode
from framecast.protocol.messages import (
    ConnectResult,
    Empty,
    PresenceResult,
    PresenceStatsResult,
    RefreshResult,
    Reply,
    RpcResult,
)

log = structlog.get_logger(__name__)

_COUNTED = (Subscribe, Publish, AskPresence, ReadHistory, Call)
"""What counts as a request of the client's. What ends something, or renews a token, is let be."""


class Commands:
    """The deeds of one connection."""

    __slots__ = ("_member", "_rooms", "_send", "_session", "_subscribing")

    def __init__(self, member: Member, subscribing: Subscribing) -> None:
        self._member = member
        self._session = member.session
        self._rooms = member.rooms
        self._send = member.send
        self._subscribing = subscribing

    @property
    def _who(self) -> dict[str, str | int]:
        """Whom a log line is about. A logger bound to it would be kept by every idle client."""
        return {"client": self._session.client, "connection": self._member.connection}

    async def carry_out(self, action: Action) -> None:
        """Do what a command asks for and answer it, whatever comes of it."""
        # What fail_after is made of, without its generator.
        in_time = trio.CancelScope(deadline=trio.current_time() + self._rooms.settings.command_seconds)
        try:
            with in_time:
                await self._perform(action)
        except PeerError:
            raise
        except Refusal as refusal:
            self._refuse(action, refusal)
        except trio.TooSlowError:
            self._refuse_late(action)
        except Exception:
            # One command's failure is answered, logged and costs no connection.
            log.exception("command_failed", command=type(action).__name__, **self._who)
            self._refuse(action, ErrorCode.INTERNAL.refusal())
        else:
            if in_time.cancelled_caught:
                self._refuse_late(action)
            elif self._subscribing.has_rest:
                await self._finish_connecting()

    async def _finish_connecting(self) -> None:
        """Make what the connect reply had no room for. PeerError 3013 for a client that reads too slowly for it."""
        try:
            with trio.fail_after(self._rooms.settings.command_seconds):
                await self._subscribing.push_rest()
        except (Refusal, trio.TooSlowError) as failure:
            log.debug("server_side_subscriptions_failed", error=repr(failure), **self._who)
            raise CloseCode.TOO_MANY_REQUESTS.error() from None

    def _refuse_late(self, action: Action) -> None:
        log.warning("command_timed_out", command=type(action).__name__, **self._who)
        self._refuse(action, ErrorCode.INTERNAL.refusal())

    def _refuse(self, action: Action, refusal: Refusal) -> None:
        temporary = refusal.temporary
        if isinstance(action, Connect):
            self._session.refused()
            temporary = temporary or self._may_log_in(refusal)
        self._tell_denial(action, refusal)
        metrics.ERROR_REPLIES.labels(str(refusal.code)).inc()
        self._send(error_reply(action.id, refusal.code, refusal.message, temporary=temporary))

    def _tell_denial(self, action: Action, refusal: Refusal) -> None:
        member = self._member
        identity = member.newcomer.visitor if member.admission is None else member.identity
        if isinstance(action, Refuse):
            wanted, resource = action.method, action.channel
        else:
            address: Address | None = getattr(action, "address", None)
            wanted, resource = type(action).__name__.lower(), "" if address is None else str(address)
        self._rooms.denials.note(identity, member.newcomer.place.address, wanted, resource, refusal)

    def _may_log_in(self, refusal: Refusal) -> bool:
        """Whether the client should come again though nobody knows it: in a browser whose user logs in meanwhile.

        SDKs take the error as final otherwise, and a page would have to be loaded again after its session has ended.
        """
        return refusal.code == ErrorCode.UNAUTHORIZED.code and self._member.newcomer.with_cookies

    async def _perform(self, action: Action) -> None:
        if isinstance(action, _COUNTED):
            self._count(self._member.identity)
        match action:
            case Connect():
                await self._connect(action)
            case Subscribe():
                await self._subscribing.subscribe(action)
            case Unsubscribe():
                self._unsubscribe(action)
            case Publish():
                await self._publish(action)
            case AskPresence():
                await self._tell_presence(action)
            case ReadHistory():
                await self._read_history(action)
            case Call():
                await self._call(action)
            case Refresh():
                await self._refresh(action)
            case RefreshSubscription():
                await self._subscribing.refresh(action)
            case Refuse():
                # Raised from here, it would hold this frame and the frame it, until the collector comes by.
                self._refuse(action, action.refusal)

    def _count(self, identity: Identity) -> None:
        """Refusal 111, which SDKs try again by themselves where they can, for who has had its share."""
        try:
            self._rooms.rates.check_request(identity, self._member.newcomer.place.address)
        except Refusal as refusal:
            code = ErrorCode.TOO_MANY_REQUESTS.code
            raise Refusal(code, refusal.message, temporary=True, reason=refusal.reason) from None

    async def _connect(self, action: Connect) -> None:
        member, newcomer, settings = self._member, self._member.newcomer, self._rooms.settings
        request = action.request
        admission = await self._rooms.admissions.connect(newcomer.visitor, request.token or "")
        if newcomer.listens_to is not None:
            admission = admission.subscribed_to(newcomer.listens_to)
        if admission.identity != newcomer.visitor:  # whom the door did not know, and so has not counted
            self._count(admission.identity)
        newcomer.place.sign_in(admission.identity)
        prepared = await self._subscribing.prepare(admission, request.subs or {})
        ttl_seconds = member.seconds_until(admission.lasts_until)
        # No checkpoint from here to the reply: nothing may overtake it.
        member.admission = admission
        self._session.connected(admission.identity.org_id)
        self._session.expires_at = member.deadline(ttl_seconds)
        self._session.ends_at = member.deadline(member.seconds_until(admission.identity.lasts_until))
        result = ConnectResult(
            client=self._session.client,
            version=self._rooms.version,
            subs=self._subscribing.begin_all(prepared),
            expires=ttl_seconds is not None,
            ttl=time_to_live(ttl_seconds),
            ping=settings.ping_seconds,
            pong=newcomer.listens_to is None,
            session="" if newcomer.emulated is None else newcomer.emulated.session,
            node="" if newcomer.emulated is None else newcomer.emulated.node,
        )
        self._send(Reply(action.id, connect=result))
        self._subscribing.announce()

    def _unsubscribe(self, action: Unsubscribe) -> None:
        if action.address is not None:
            self._rooms.hub.unsubscribe(self._member.connection, action.address)
            self._session.unsubscribed(action.address)
        self._send(Reply(action.id, unsubscribe=Empty()))

    async def _publish(self, action: Publish) -> None:
        scope = self._rooms.scopes.find(action.address)
        subscription = self._session.subscriptions.get(action.address)
        info = self._member.info(b"" if subscription is None else subscription.chan_info)
        await scope.publish(self._member.identity, action.address, action.data, info, subscribed=action.subscribed)
        self._send(Reply(action.id, publish=Empty()))

    async def _tell_presence(self, action: AskPresence) -> None:
        options = self._rooms.options.find(action.address)
        _check_may_ask(action.address, "presence", enabled=options.ask_presence, subscribed=action.subscribed)
        await await_room(self._member.newcomer.outbox, self._rooms.settings)
        hub = self._rooms.hub
        if action.counts:
            clients, users = hub.presence_counts(action.address)
            self._send(Reply(action.id, presence_stats=PresenceStatsResult(clients, users)))
        else:
            present = {client: client_info(info) for client, info in hub.presence(action.address).items()}
            self._member.pace.charge_entries(len(present))
            self._send(Reply(action.id, presence=PresenceResult(present)))

    async def _read_history(self, action: ReadHistory) -> None:
        options = self._rooms.options.find(action.address)
        _check_may_ask(action.address, "history", enabled=options.ask_history, subscribed=action.subscribed)
        await await_room(self._member.newcomer.outbox, self._rooms.settings)
        position, page = await self._rooms.hub.page(
            action.address, since=action.since, limit=action.limit, reverse=action.reverse
        )
        self._member.pace.charge_entries(len(page))
        subscription = self._session.subscriptions.get(action.address)
        detailed = subscription is not None and subscription.detailed
        self._send(Reply(action.id, history=history_result(page, position, detailed=detailed)))

    async def _call(self, action: Call) -> None:
        method = self._rooms.methods.get(action.method)
        if method is None:
            raise ErrorCode.METHOD_NOT_FOUND.refusal()
        data = await method(self._member.identity, action.data)
        settings = self._rooms.settings
        if len(data) > settings.room_bytes:
            raise ErrorCode.LIMIT_EXCEEDED.refusal(
                f"limit exceeded: an answer of {len(data)} bytes; {settings.room_bytes} fit a client's queue"
            )
        await await_room(self._member.newcomer.outbox, settings)
        self._send(Reply(action.id, rpc=RpcResult(payload(data))))

    async def _refresh(self, action: Refresh) -> None:
        member = self._member
        admission = await self._rooms.admissions.refresh(member.admitted, action.token)
        ttl_seconds = member.seconds_until(admission.lasts_until)
        member.admission = admission
        self._session.expires_at = member.deadline(ttl_seconds)
        self._send(
            Reply(action.id, refresh=RefreshResult(expires=ttl_seconds is not None, ttl=time_to_live(ttl_seconds)))
        )


def _check_may_ask(address: Address, what: str, *, enabled: bool, subscribed: bool) -> None:
    """Refusal 108 where the channel's options do not have it, 103 for one who is not subscribed."""
    if not enabled:
        raise ErrorCode.NOT_AVAILABLE.refusal()
    if not subscribed:
        raise ErrorCode.PERMISSION_DENIED.refusal(f"permission denied: subscribe to {address} to ask for its {what}")
