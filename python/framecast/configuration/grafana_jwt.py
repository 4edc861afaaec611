"""What Grafana's ``[auth.jwt]`` says of keys and claims, as our ``[tokens]`` says it.

What would let in more tokens here than there is refused, never left out.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from framecast.configuration.layer import Given
from framecast.errors import ConfigurationError

MAX_KEY_BYTES = 64 * 1024
_PEM = re.compile(r"-----BEGIN (?P<kind>(?:RSA )?PUBLIC KEY)-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=kind)-----")
_RSA, _EC = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06072a8648ce3d0201")
"""How the DER text of a SubjectPublicKeyInfo names the two (RFC 3279, 2.3): the object identifier of the algorithm."""

_HEAD_BYTES = 24
"""Of that text; the identifier stands at its front."""


def find_key_setting(given: Given) -> str:
    """The key of `[tokens]` for the key file that is `given`. ConfigurationError when it holds no key for any."""
    path = given.value
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_KEY_BYTES).decode("latin-1")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{path!r} (from {given.source}) cannot be read: {reason}") from None
    found = _PEM.search(text)
    head = b"" if found is None else _decode(found["body"])[:_HEAD_BYTES]
    if found is not None and (found["kind"].startswith("RSA") or _RSA in head):
        return "rsa_public_key"
    if _EC in head:
        return "ecdsa_public_key"
    raise ConfigurationError(
        f"{path!r} (from {given.source}) holds no public key of RSA or EC in PEM text; a key of another kind can come "
        "from a key set (tokens.jwks_url)"
    )


def _decode(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()))
    except binascii.Error:
        return b""


def read_expected_claims(given: Given) -> Iterator[tuple[str, str]]:
    """Keys of `[tokens]` and what they must be, of the JSON object that tokens must match there.

    ConfigurationError for a claim that cannot be demanded here: a token without it would get in.
    """
    try:
        claims = msgspec.json.decode(given.value, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the claims (from {given.source}) are no JSON object: {error}") from None
    for claim, value in claims.items():
        match claim, value:
            case "iss", str(issuer) if issuer:
                yield "issuer", issuer
            case "aud", (str(audience) | [str(audience)]) if audience:
                yield "audience", audience
            case _:
                raise ConfigurationError(
                    f"claim {claim!r} = {msgspec.json.encode(value).decode()} (from {given.source}) cannot be demanded "
                    "of tokens here, only one text as iss and one as aud: a token without it would get in"
                )
