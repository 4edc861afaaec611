"""A token taken apart, before anything in it is believed: three parts of base64url (RFC 7515, 7.1)."""

import base64
import binascii
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from framecast.accounts.tokens.refused import Reason, TokenRefusedError


class Header(Struct, frozen=True):
    """What says how a token is signed. Other parameters are ignored (RFC 7515, 4)."""

    alg: str
    kid: str | None = None
    crit: Raw = Raw()


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token of whom nobody knows yet who made it. `signed` is the text that the signature is over."""

    header: Header
    signed: bytes
    payload: bytes
    signature: bytes


def parse_compact(token: str, *, max_bytes: int) -> Unverified:
    """Take `token` apart. TokenRefusedError when it is longer than `max_bytes` or not a signed token at all.

    Strict: no padding, no line break, no other spelling of the same bytes. A token with critical header parameters is
    refused, as we know none (RFC 7515, 4.1.11); that includes the unencoded payloads of RFC 7797.
    """
    if len(token) > max_bytes:
        raise TokenRefusedError(Reason.TOO_LONG, f"{len(token)} characters, more than tokens.token_bytes = {max_bytes}")
    try:
        parts = token.encode("ascii").split(b".")
    except UnicodeEncodeError:
        raise TokenRefusedError(Reason.MALFORMED, "holds characters that no token has") from None
    if len(parts) != 3:
        raise TokenRefusedError(Reason.MALFORMED, f"{len(parts)} parts between dots, not 3")
    header = _parse_header(_decode_part(parts[0], "header"))
    return Unverified(
        header=header,
        signed=parts[0] + b"." + parts[1],
        payload=_decode_part(parts[1], "payload"),
        signature=_decode_part(parts[2], "signature"),
    )


def _decode_part(part: bytes, name: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error:
        decoded = b""
    # Python passes over what is not in the alphabet, and over bits behind the end: written again, they are missed.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise TokenRefusedError(Reason.MALFORMED, f"the {name} is not base64url")
    return decoded


def _parse_header(text: bytes) -> Header:
    try:
        header = msgspec.json.decode(str(text, "utf-8"), type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefusedError(Reason.MALFORMED, "the header is no JSON object with `alg`") from None
    if bytes(header.crit):
        raise TokenRefusedError(Reason.MALFORMED, "the header has critical parameters (`crit`), of which none is known")
    return header
