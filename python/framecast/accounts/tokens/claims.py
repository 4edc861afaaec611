"""What a token grants, free of its spelling: checked, sized, ready to be embedded in messages.

The claims are those of Centrifugo's connection and subscription tokens (its pages "Client JWT authentication" and
"Channel JWT authorization"), so that whoever signs for it signs for us. Only for tokens whose signature is good.
"""

from collections.abc import Mapping

from msgspec import Raw, Struct

from framecast.accounts.tokens.embedded import read_embedded
from framecast.accounts.tokens.refused import Reason, TokenRefusedError
from framecast.accounts.tokens.registered import Registered, find_end, read_claims
from framecast.accounts.tokens.standing import Standing, read_standing
from framecast.settings import Tokens

MAX_NAME_BYTES = 255
"""Of a user's id and of a channel, as in Centrifuge: both are kept and sent on."""


class Override(Struct, frozen=True):
    """What one subscription has otherwise than its channel; None is as the channel has it."""

    presence: bool | None = None
    join_leave: bool | None = None
    force_push_join_leave: bool | None = None
    force_positioning: bool | None = None
    force_recovery: bool | None = None


class SubscriptionOptions(Struct, frozen=True):
    """A subscription that the server makes by itself. `info` and `data` are JSON on one line, b"" is none."""

    info: bytes = b""
    data: bytes = b""
    override: Override = Override()


class ConnectionClaims(Struct, frozen=True):
    """Who connects. `user` "" is anonymous; `info` is JSON on one line, b"" is none.

    `expires_at` is in Unix seconds, after the moment of verifying, `tokens.leeway_seconds` included; None is never.
    `channels` are spelled as in the token, and any number: they are checked by nobody yet.
    """

    user: str
    standing: Standing
    info: bytes
    expires_at: float | None
    channels: Mapping[str, SubscriptionOptions]


class SubscriptionClaims(Struct, frozen=True):
    """That a user may subscribe to `channel`; the fields are as in ConnectionClaims and SubscriptionOptions."""

    channel: str
    info: bytes
    data: bytes
    expires_at: float | None
    override: Override


class _Switch(Struct, frozen=True):
    value: bool = False


class _Overrides(Struct, frozen=True):
    presence: _Switch | None = None
    join_leave: _Switch | None = None
    force_push_join_leave: _Switch | None = None
    force_positioning: _Switch | None = None
    force_recovery: _Switch | None = None


class _Granted(Struct, frozen=True):
    info: Raw = Raw()
    b64info: str | None = None
    data: Raw = Raw()
    b64data: str | None = None
    override: _Overrides | None = None


class _Connection(_Granted, frozen=True):
    expire_at: float | None = None
    channels: list[str] | None = None
    subs: dict[str, _Granted] | None = None
    channel: str | None = None


class _Subscription(_Granted, frozen=True):
    channel: str | None = None
    client: str | None = None
    expire_at: float | None = None


def read_connection(text: str, registered: Registered, settings: Tokens, now: float) -> ConnectionClaims:
    """The claims of a connection token. TokenRefusedError when `text` is none, or when its `expire_at` is over."""
    claims = read_claims(text, _Connection)
    if claims.channel:
        raise TokenRefusedError(Reason.MISMATCH, "a subscription token (it has a `channel`) was used to connect")
    channels = {name: SubscriptionOptions() for name in claims.channels or ()}
    channels |= {name: _read_options(granted, settings) for name, granted in (claims.subs or {}).items()}
    for name in channels:
        _check_name("a channel", name)
    return ConnectionClaims(
        user=read_user(text, settings.user_claim),
        standing=read_standing(text, settings),
        info=read_embedded("info", claims.info, claims.b64info, max_bytes=settings.info_bytes),
        expires_at=find_end(registered.exp, claims.expire_at, settings, now),
        channels=channels,
    )


def read_subscription(
    text: str, registered: Registered, settings: Tokens, now: float, *, channel: str, user: str, client: str
) -> SubscriptionClaims:
    """The claims of a token for this channel, user and client. TokenRefusedError as above, MISMATCH when it is not."""
    claims = read_claims(text, _Subscription)
    if claims.channel != channel:
        raise TokenRefusedError(Reason.MISMATCH, "made for another channel, or for none")
    if read_user(text, settings.user_claim) != user:
        raise TokenRefusedError(Reason.MISMATCH, "made for another user")
    if claims.client and claims.client != client:
        raise TokenRefusedError(Reason.MISMATCH, "made for another client")
    options = _read_options(claims, settings)
    return SubscriptionClaims(
        channel=channel,
        info=options.info,
        data=options.data,
        expires_at=find_end(registered.exp, claims.expire_at, settings, now),
        override=options.override,
    )


def read_user(text: str, claim: str) -> str:
    """The user's id; "" when there is no such claim. TokenRefusedError when it is no text, or too long."""
    told = read_claims(text, dict[str, Raw]).get(claim)
    if told is None or bytes(told) == b"null":
        return ""
    user = read_claims(str(told, "utf-8"), str)
    _check_name(f"`{claim}`", user)
    return user


def _read_options(granted: _Granted, settings: Tokens) -> SubscriptionOptions:
    return SubscriptionOptions(
        info=read_embedded("info", granted.info, granted.b64info, max_bytes=settings.info_bytes),
        data=read_embedded("data", granted.data, granted.b64data, max_bytes=settings.token_bytes),
        override=_read_override(granted.override),
    )


def _read_override(told: _Overrides | None) -> Override:
    switches = {name: getattr(told, name, None) for name in Override.__struct_fields__}
    return Override(**{name: switch and switch.value for name, switch in switches.items()})


def _check_name(what: str, name: str) -> None:
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise TokenRefusedError(Reason.CLAIMS, f"{what} has {size} bytes, more than {MAX_NAME_BYTES}")
