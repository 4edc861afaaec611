"""The claims that JWT itself names (RFC 7519, 4.1): from when until when a token is good, for whom, and from whom."""

from typing import TypeVar

import msgspec
from msgspec import Struct

from framecast.accounts.tokens.refused import Reason, TokenRefusedError, quote
from framecast.settings import Tokens

ClaimsT = TypeVar("ClaimsT")

LAST_SECOND = 253_402_300_799
"""The end of the year 9999. A time beyond is in milliseconds by mistake, and the token would never expire."""


class Registered(Struct, frozen=True):
    """As they stand in a token, all but the user, whose claim's name is a setting. Times are Unix seconds."""

    exp: float | None = None
    nbf: float | None = None
    aud: str | list[str] | None = None
    iss: str | None = None


def check_registered(text: str, settings: Tokens, now: float) -> Registered:
    """The registered claims of `text`, good at `now`. TokenRefusedError with what is wrong; `exp` first."""
    claims = read_claims(text, Registered)
    for name, second in (("exp", claims.exp), ("nbf", claims.nbf)):
        _check_second(name, second)
    leeway = settings.leeway_seconds
    if claims.exp is not None and now >= claims.exp + leeway:
        raise TokenRefusedError(Reason.EXPIRED, f"since {now - claims.exp:.0f} s")
    if claims.nbf is not None and now < claims.nbf - leeway:
        raise TokenRefusedError(Reason.NOT_YET, f"begins in {claims.nbf - now:.0f} s (`nbf`)")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
    if settings.audience and settings.audience not in audiences:
        raise TokenRefusedError(Reason.AUDIENCE, f"`aud` is {quote(', '.join(audiences))}, not tokens.audience")
    if settings.issuer and claims.iss != settings.issuer:
        raise TokenRefusedError(Reason.ISSUER, f"`iss` is {quote(claims.iss or '')}, not tokens.issuer")
    return claims


def find_end(exp: float | None, expire_at: float | None, settings: Tokens, now: float) -> float | None:
    """Until when what a token grants is good: `expire_at` where it has one (0 is for ever), else `exp`.

    Always after `now`: leeway is added, as it is when `exp` is checked. TokenRefusedError when it is over.
    """
    _check_second("expire_at", expire_at)
    end = exp if expire_at is None else expire_at or None
    if end is None:
        return None
    end += settings.leeway_seconds
    if now >= end:
        raise TokenRefusedError(Reason.EXPIRED, f"since {now - end:.0f} s (`expire_at`)")
    return end


def read_claims(text: str, kind: type[ClaimsT]) -> ClaimsT:
    """The claims of `text` that `kind` names. TokenRefusedError when one has another type, or for no JSON object."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:  # it says the place and the types, and no value
        raise TokenRefusedError(Reason.CLAIMS, str(error)) from None
    except RecursionError:
        raise TokenRefusedError(Reason.CLAIMS, "nested too deeply") from None


def _check_second(name: str, second: float | None) -> None:
    if second is not None and second > LAST_SECOND:
        raise TokenRefusedError(Reason.CLAIMS, f"`{name}` is beyond the year 9999: it must be in seconds")
