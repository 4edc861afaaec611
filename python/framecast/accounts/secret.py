"""Secrets of our making: the text that a program or a browser shows, and what the server remembers of it.

A secret is 256 bits of chance. So a plain hash is enough to keep it by, and nobody finds one by trying.
"""

import hashlib
import secrets
import string

TOKEN_PREFIX = "fct_"  # noqa: S105 - what every service token begins with, for those who look for leaked ones
_ALPHABET = string.ascii_letters + string.digits
_CHARACTERS = 43
"""62 ** 43 is more than 2 ** 256."""


def make_token() -> str:
    """A new service token. Letters and digits behind the prefix: a double click selects it whole."""
    return TOKEN_PREFIX + make_secret()


def make_secret() -> str:
    """A new secret without a prefix, for a cookie."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CHARACTERS))


def is_token(text: str) -> bool:
    """Whether this wants to be a service token of ours."""
    return text.startswith(TOKEN_PREFIX)


def hash_secret(text: str) -> bytes:
    """What is kept of a secret, and looked up by. Takes any text that a stranger may send."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
