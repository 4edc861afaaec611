"""What JSON Web Tokens are checked with, and what they make of whoever shows one."""

from typing import Annotated

from msgspec import Meta

from framecast.settings.units import KIB, MIB, Guarded, Positive, RoleName, Seconds, Secret


class Tokens(Guarded, frozen=True, forbid_unknown_fields=True):
    """JSON Web Tokens of subscribers and of requests (tokens.md).

    Switched off until there is a key: a secret, a public key or the URL of a key set. Files are read once, at start.
    """

    hmac_secret: Secret = ""
    """What HS256, HS384 and HS512 tokens are signed with, at least 32 bytes of text (`openssl rand -hex 32`)."""

    rsa_public_key: str = ""
    """For RS256 to RS512 and PS256 to PS512, 2048 bits or more: PEM text (`-----BEGIN …`), or the path of a file."""

    ecdsa_public_key: str = ""
    """For ES256, ES384 or ES512, as its curve (P-256, P-384, P-521) says: PEM text, or the path of a file."""

    jwks_url: str = ""
    """Where a JSON Web Key Set is fetched (https or http): RSA, EC and Ed25519 keys, chosen by a token's `kid`."""

    jwks_seconds: Seconds = 3_600.0
    """A fetched key set is fetched again after this long; before that only for a `kid` that it does not have."""

    jwks_stale_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 86_400.0
    """How much longer the last key set is used while no newer one can be had: withdrawn keys may live so long."""

    jwks_retry_seconds: Seconds = 10.0
    """From the end of a fetch to the begin of the next, whatever clients send."""

    jwks_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 128 * KIB
    """Of one key set; some hundreds of keys."""

    fetch_seconds: Seconds = 5.0
    """For one fetch of the key set, redirects included, and for a client that waits for it."""

    audience: str = ""
    """What a token's `aud` must be or hold; empty: it is not looked at."""

    issuer: str = ""
    """What a token's `iss` must be; empty: it is not looked at."""

    user_claim: Annotated[str, Meta(min_length=1)] = "sub"
    """The claim that is the user's id."""

    org_claim: str = ""
    """The claim with the id of the user's org, which must be one of this server. Empty: all are in `org`."""

    org: Positive = 1
    """The org of users whose token names none."""

    role_claim: str = ""
    """The claim with the user's role in the org: `Viewer`, `Editor` or `Admin`, or the token is no good. Empty: all
    have `role`."""

    role: RoleName = "Viewer"
    """The role of users whose token names none."""

    server_admin_claim: str = ""
    """The claim that makes a server admin when it is `true`. Empty: no token does."""

    requests: bool = True
    """Tokens let in requests too, in `Authorization: Bearer`, in `header` and in the query's `auth_token`; else only
    subscribers, with their `connect` command."""

    header: Annotated[str, Meta(pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]*$")] = ""
    """Another header in which requests bring a token, `X-JWT-Assertion` for example. Empty: none."""

    leeway_seconds: Annotated[float, Meta(ge=0, le=600)] = 5.0
    """How far the clock of whoever signs tokens may be off: a token is good so much earlier and longer."""

    token_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 16 * KIB
    """Of one token; a longer one is refused unread."""

    info_bytes: Annotated[int, Meta(ge=0, le=MIB)] = 4 * KIB
    """Of `info` in a token, as JSON: it is sent along with everything its user publishes."""

    complaint_seconds: Seconds = 60.0
    """One log line about refused tokens per reason in this time."""
