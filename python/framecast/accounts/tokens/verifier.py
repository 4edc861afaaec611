"""Whether a token is good, in the protocol's words: the one door of this room.

Errors are those of Centrifugo, seen on the wire: an expired token is error 109, and SDKs bring a new one; any other bad
connection token closes with 3500. A bad subscription token is error 103, unless it is a good one for something else,
which is no accident: 3500. What cannot be known just now is error 100, and SDKs try again. Requests are answered in
HTTP's words: 401, or 503.
"""

import trio
from joserfc.jwk import OctKey

from framecast.accounts.tokens.algorithms import Key, find_family, fits, is_signed_by
from framecast.accounts.tokens.claims import ConnectionClaims, SubscriptionClaims, read_connection, read_subscription
from framecast.accounts.tokens.compact import Unverified, parse_compact
from framecast.accounts.tokens.complaints import Complaints
from framecast.accounts.tokens.key_source import KeySource
from framecast.accounts.tokens.refused import Reason, TokenRefusedError
from framecast.accounts.tokens.registered import Registered, check_registered
from framecast.accounts.tokens.static_keys import read_static_keys
from framecast.errors import PeerError, Refusal
from framecast.protocol.codes import CloseCode, ErrorCode
from framecast.settings import Tokens


def find_verifier(settings: Tokens) -> "TokenVerifier | None":
    """A verifier, or None when no key is set. ConfigurationError for a key that cannot be used."""
    keys = read_static_keys(settings)
    source = KeySource(settings) if settings.jwks_url else None
    return TokenVerifier(settings, keys, source) if keys or source else None


class TokenVerifier:
    """Checks tokens against the configured keys. One for the server; any task may ask it."""

    def __init__(self, settings: Tokens, keys: tuple[Key, ...], source: KeySource | None) -> None:
        self._settings = settings
        self._keys = keys
        self._source = source
        self._complaints = Complaints(settings.complaint_seconds)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the key set fresh until cancelled; returns at once where there is none to fetch."""
        if self._source is None:
            task_status.started()
        else:
            await self._source.run(task_status=task_status)

    async def connection(self, token: str, *, now: float) -> ConnectionClaims:
        """Who connects with `token` at `now`, in Unix seconds.

        Refusal 109 when it has expired, 100 when its key cannot be had just now; PeerError 3500 when it is not good.
        May wait for the key set, `tokens.fetch_seconds` at most.
        """
        try:
            text, registered = await self._read(token, now)
            return read_connection(text, registered, self._settings, now)
        except TokenRefusedError as refused:
            self._complaints.note("connection", refused)
            raise _answer(refused, otherwise=CloseCode.INVALID_TOKEN.error()) from None

    async def request(self, token: str, *, now: float) -> ConnectionClaims:
        """Who sends a request with `token`, as `connection`. Refusal 401 when it is not good, 503 without its key."""
        try:
            text, registered = await self._read(token, now)
            return read_connection(text, registered, self._settings, now)
        except TokenRefusedError as refused:
            self._complaints.note("request", refused)
            raise _answer_request(refused.reason) from None

    async def subscription(self, token: str, *, channel: str, user: str, client: str, now: float) -> SubscriptionClaims:
        """What `token` grants on `channel`, as the client spells it, to the connection `client` of `user`.

        Refusals as above, and 103 when it is not good; PeerError 3500 when it is another channel's, user's or client's.
        """
        try:
            text, registered = await self._read(token, now)
            return read_subscription(text, registered, self._settings, now, channel=channel, user=user, client=client)
        except TokenRefusedError as refused:
            self._complaints.note("subscription", refused)
            raise _answer(refused, otherwise=ErrorCode.PERMISSION_DENIED.refusal()) from None

    async def _read(self, token: str, now: float) -> tuple[str, Registered]:
        """The claims as text, once the signature is known to be good and the time to be right."""
        unverified = parse_compact(token, max_bytes=self._settings.token_bytes)
        await self._check_signature(unverified)
        try:
            text = str(unverified.payload, "utf-8")
        except UnicodeDecodeError:
            raise TokenRefusedError(Reason.CLAIMS, "the claims are not UTF-8") from None
        return text, check_registered(text, self._settings, now)

    async def _check_signature(self, token: Unverified) -> None:
        """Try the configured keys first, which costs no waiting, and then those of the set that the token names."""
        name = token.header.alg
        family = find_family(name)
        fitting = [key for key in self._keys if fits(key, name)]
        if any(is_signed_by(token, key) for key in fitting):
            return
        if self._source is not None and token.header.kid is not None and family is not OctKey:
            fitting = [key for key in await self._source.find(token.header.kid) if fits(key, name)]
            if any(is_signed_by(token, key) for key in fitting):
                return
        if fitting:
            raise TokenRefusedError(Reason.SIGNATURE, f"no key for {name} made the signature")
        raise TokenRefusedError(Reason.ALGORITHM, f"there is no key for {name}, or none with the token's `kid`")


def _answer(refused: TokenRefusedError, *, otherwise: Refusal | PeerError) -> Refusal | PeerError:
    match refused.reason:
        case Reason.EXPIRED:
            return ErrorCode.TOKEN_EXPIRED.refusal()
        case Reason.KEYS_UNAVAILABLE:
            return ErrorCode.INTERNAL.refusal()
        case Reason.MISMATCH:
            return CloseCode.INVALID_TOKEN.error()
    return otherwise


def _answer_request(reason: Reason) -> Refusal:
    if reason is Reason.KEYS_UNAVAILABLE:
        return Refusal(503, "the keys for this token cannot be had just now: try again", temporary=True)
    why = "it has expired" if reason is Reason.EXPIRED else "the server's log says why"
    return Refusal(401, f"Unauthorized: this token is no good: {why}")
