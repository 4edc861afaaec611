"""What an Authorization header shows: a token, or a login with its password. Says nothing of whether it is any good.

Clients put the same token into many shapes: ``Bearer TOKEN``, ``Token TOKEN`` (InfluxDB 2), ``Token LOGIN:TOKEN``
(InfluxDB 1.8), and Basic with the token as the password (InfluxDB 1, curl, and whatever knows nothing else).
"""

import base64
import binascii
from dataclasses import dataclass, field

from framecast.accounts.secret import is_token
from framecast.door.head import RequestHead
from framecast.errors import Refusal


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token, of whatever kind."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShownPassword:
    """A login and a password."""

    login: str
    password: str = field(repr=False)


Shown = ShownToken | ShownPassword


def read_authorization(head: RequestHead) -> Shown | None:
    """What the header shows; None without one, and for one that shows neither.

    Refusal 401 for several: one that a proxy looks at, and another that we do.
    """
    values = [value for name, value in head.headers if name == b"authorization"]
    if len(values) > 1:
        raise Refusal(401, "Unauthorized: more than one Authorization header")
    if not values:
        return None
    scheme, _, shown = values[0].partition(b" ")
    match scheme.lower():
        case b"bearer":
            return _token(_decode(shown))
        case b"token":
            text = _decode(shown)
            return _pair(text) if ":" in text else _token(text)
        case b"basic":
            return _read_basic(shown)
    return None


def _read_basic(shown: bytes) -> Shown | None:
    try:
        return _pair(_decode(base64.b64decode(shown.strip(), validate=True)))
    except binascii.Error:
        return None


def _pair(text: str) -> Shown | None:
    login, colon, password = text.partition(":")
    if not colon:
        return None
    return ShownToken(password) if is_token(password) else ShownPassword(login, password)


def _token(text: str) -> ShownToken | None:
    return ShownToken(text) if text else None


def _decode(shown: bytes) -> str:
    """UTF-8, as RFC 7617 asks for; older clients send Latin-1."""
    try:
        return shown.decode().strip()
    except UnicodeDecodeError:
        return shown.decode("latin-1").strip()
