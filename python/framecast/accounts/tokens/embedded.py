"""JSON inside a token that is handed on inside our messages: it must be JSON on one line, or it would break them."""

import base64
import binascii

import msgspec
from msgspec import Raw

from framecast.accounts.tokens.refused import Reason, TokenRefusedError

_NULL = b"null"


def read_embedded(name: str, plain: Raw, in_base64: str | None, *, max_bytes: int) -> bytes:
    """`in_base64` when there is one, else `plain`, without white space between its tokens; b"" when there is neither.

    `name` is the plain claim's. null is nothing. TokenRefusedError for what is no base64 (RFC 4648, 4, padded, nothing
    else in it), no JSON, or longer than `max_bytes`. That base64 holds JSON is a rule of ours: Centrifugo lets it be
    any bytes, which no JSON client can be sent.
    """
    text = _decode(name, in_base64) if in_base64 else bytes(plain)
    if not text:
        return b""
    try:
        str(text, "utf-8")
        compact = msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefusedError(Reason.CLAIMS, f"`{name}` is no JSON") from None
    if len(compact) > max_bytes:
        raise TokenRefusedError(Reason.CLAIMS, f"`{name}` has {len(compact)} bytes, more than {max_bytes}")
    return b"" if compact == _NULL else compact


def _decode(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        raise TokenRefusedError(Reason.CLAIMS, f"`b64{name}` is no base64") from None
