"""A JSON Web Key Set read (RFC 7517, 5): the public keys that sign, by `kid`. One odd key never costs the others."""

from collections.abc import Mapping

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec import Raw, Struct

from framecast.accounts.tokens.algorithms import MIN_RSA_BITS, Key, rsa_bits

KeySet = Mapping[str, tuple[Key, ...]]
"""kid → the keys that have it; several may, of different kinds."""

_KINDS: dict[tuple[str, str | None], type[RSAKey | ECKey | OKPKey]] = {
    ("RSA", None): RSAKey,
    ("EC", "P-256"): ECKey,
    ("EC", "P-384"): ECKey,
    ("EC", "P-521"): ECKey,
    ("OKP", "Ed25519"): OKPKey,
}
"""By `kty` and `crv`. Secrets (`oct`) are not among them: a set is public."""


class _Set(Struct, frozen=True):
    keys: list[Raw]


class _Member(Struct, frozen=True, omit_defaults=True):
    """What is read of one key. `d` is there to see that a key is private, and no more."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: list[str] | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None
    d: Raw = Raw()


def parse_key_set(body: bytes) -> tuple[KeySet, int]:
    """The keys in `body`, and how many of its keys cannot be used here. ValueError when it is no key set at all.

    Left out are keys without a `kid`, of other kinds or purposes, with too few bits, and private ones: whoever reads
    the set could sign with them.
    """
    try:
        members = msgspec.json.decode(str(body, "utf-8"), type=_Set).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("is no JSON Web Key Set, an object with a list `keys`") from None
    keys: dict[str, tuple[Key, ...]] = {}
    unusable = 0
    for member in members:
        found = _find_key(member)
        if found is None:
            unusable += 1
        else:
            kid, key = found
            keys[kid] = (*keys.get(kid, ()), key)
    return keys, unusable


def _find_key(text: Raw) -> tuple[str, Key] | None:
    try:
        member = msgspec.json.decode(text, type=_Member)
    except (msgspec.DecodeError, RecursionError):
        return None
    kind = _KINDS.get((member.kty, member.crv))
    if kind is None or member.kid is None or member.use not in {None, "sig"} or bytes(member.d):
        return None
    try:
        key = kind.import_key(msgspec.to_builtins(member))
    except (JoseError, ValueError):
        return None
    if isinstance(key, RSAKey) and rsa_bits(key) < MIN_RSA_BITS:
        return None
    return member.kid, key
