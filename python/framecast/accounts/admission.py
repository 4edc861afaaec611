"""Who a subscriber turns out to be: what the door knew of it, and what the tokens say that it brings along.

A token is proof enough, whether it is a service token of ours or one that `[tokens]` has the key for: then the door
lets strangers pass, and `connect` decides. Where neither is taken, a token is ignored, as Grafana Live ignores it.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from framecast.accounts.attempts import Attempts
from framecast.accounts.directory.directory import Directory
from framecast.accounts.identity import Identity
from framecast.accounts.secret import is_token
from framecast.accounts.tokens.claims import ConnectionClaims, Override
from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.protocol.codes import CloseCode, ErrorCode

UNCHANGED = Override()


class Grant(Struct, frozen=True):
    """What is known of one subscription beside the channel's own rules."""

    info: bytes = b""
    """JSON that others see of the client on this channel; b"" for none."""

    data: bytes = b""
    """JSON for the client, where the channel has nothing to say; b"" for none."""

    lasts_until: float | None = None
    """Unix seconds; None for ever."""

    override: Override = UNCHANGED
    """What the subscription has otherwise than its channel."""


NOTHING = Grant()


class Admission(Struct, frozen=True):
    """A subscriber that was let in."""

    identity: Identity
    conn_info: bytes = b""
    """JSON that others see of the client; b"" for none."""

    lasts_until: float | None = None
    """Unix seconds; None for ever."""

    channels: Mapping[str, Grant] = {}
    """What it is subscribed to without asking."""

    def subscribed_to(self, channels: Iterable[str]) -> "Admission":
        """The same with these channels besides."""
        return replace(self, channels=dict.fromkeys(channels, NOTHING) | dict(self.channels))


class Admissions:
    """Decides on every `connect`, and on every token that comes later."""

    def __init__(
        self,
        verifier: TokenVerifier | None,
        unix_seconds: Callable[[], float],
        *,
        directory: Directory | None = None,
        attempts: Attempts | None = None,
    ) -> None:
        """Without `directory` there are no accounts; with `attempts`, service tokens are taken."""
        self._verifier = verifier
        self._unix_seconds = unix_seconds
        self._directory = directory
        self._attempts = attempts

    async def connect(self, visitor: Identity | None, token: str) -> Admission:
        """Let a visitor in, whom the door knows or whose token says who it is.

        Refusal 101 for somebody unknown, 109 for an expired token; PeerError 3500 for one that is no good, and for a
        visitor whose credential was revoked since the door. Nothing is waited for between looking that up and the
        answer: whoever is let in is on the roster by the next checkpoint.
        """
        if is_token(token):
            if self._directory is not None and self._attempts is not None:
                return self._admit_service(self._directory, self._attempts, token)
            token = ""
        if self._verifier is None or not token:
            if visitor is None:
                raise ErrorCode.UNAUTHORIZED.refusal("unauthorized: bring a token, this server lets nobody else in")
            if self._directory is not None and not self._directory.stands(visitor):
                raise CloseCode.INVALID_TOKEN.error()
            return Admission(visitor)
        claims = await self._verifier.connection(token, now=self._unix_seconds())
        return _admit(self._identify(claims), claims)

    async def refresh(self, admission: Admission, token: str) -> Admission:
        """Let a subscriber stay for as long as a new token says. Refusal and PeerError as `connect`.

        PeerError 3500 for a token of somebody else, 3011 for one that grants something else: the client comes back with
        it. What a new token says of channels counts from the next connection on.
        """
        if self._verifier is None:
            raise CloseCode.BAD_REQUEST.error()
        claims = await self._verifier.connection(token, now=self._unix_seconds())
        if claims.user != admission.identity.login:
            raise CloseCode.INVALID_TOKEN.error()
        identity = self._identify(claims)
        if identity != admission.identity:
            raise CloseCode.FORCE_RECONNECT.error()
        return replace(_admit(identity, claims), channels=admission.channels)

    def _admit_service(self, directory: Directory, attempts: Attempts, token: str) -> Admission:
        identity = directory.tokens.find_secret(token, directory.clock())
        if identity is None:
            attempts.note_wrong_connect()
            raise CloseCode.INVALID_TOKEN.error()
        return Admission(identity)

    def _identify(self, claims: ConnectionClaims) -> Identity:
        """Who the claims say it is. PeerError 3500 for no org of ours."""
        standing = claims.standing
        if self._directory is not None and standing.org_id not in self._directory.orgs:
            raise CloseCode.INVALID_TOKEN.error()
        return Identity(standing.org_id, claims.user, standing.role, server_admin=standing.server_admin)

    async def subscription(self, admission: Admission, *, channel: str, client: str, token: str) -> Grant:
        """What the token of a subscription says; nothing where there is none.

        Refusal 109 for an expired token, 103 for one that is no good; PeerError 3500 for another channel's or user's.
        """
        if self._verifier is None or not token:
            return NOTHING
        claims = await self._verifier.subscription(
            token, channel=channel, user=admission.identity.login, client=client, now=self._unix_seconds()
        )
        return Grant(claims.info, claims.data, claims.expires_at, claims.override)


def _admit(identity: Identity, claims: ConnectionClaims) -> Admission:
    channels = {
        channel: Grant(options.info, options.data, None, options.override)
        for channel, options in claims.channels.items()
    }
    return Admission(identity, claims.info, claims.expires_at, channels)
