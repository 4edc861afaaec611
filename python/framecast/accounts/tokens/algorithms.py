"""Which algorithm goes with which key, so that no key is ever used for what it was not made for.

An algorithm is named by the token, that is by a stranger: it chooses among the keys that are meant for it, and never
how a key is read. `none` is no algorithm here, and a public key is never a secret (RFC 8725, 2.1 and 3.1).
"""

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from framecast.accounts.tokens.compact import Unverified
from framecast.accounts.tokens.refused import Reason, TokenRefusedError, quote

Key = OctKey | RSAKey | ECKey | OKPKey

_FAMILIES: dict[type[Key], tuple[str, ...]] = {
    OctKey: ("HS256", "HS384", "HS512"),
    RSAKey: ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ECKey: ("ES256", "ES384", "ES512"),
    OKPKey: ("EdDSA", "Ed25519"),  # RFC 8037's name and RFC 9864's
}
_FAMILY_OF = {algorithm: family for family, algorithms in _FAMILIES.items() for algorithm in algorithms}

MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""


def find_family(algorithm: str) -> type[Key]:
    """The kind of key that `algorithm` needs. TokenRefusedError for one that is not among ours."""
    family = _FAMILY_OF.get(algorithm)
    if family is None:
        raise TokenRefusedError(Reason.ALGORITHM, f"alg {quote(algorithm)} is not accepted")
    return family


def fits(key: Key, algorithm: str) -> bool:
    """Whether `key` is made for `algorithm`: its kind, its curve, and what its set says of it (`use`, `alg`)."""
    if not isinstance(key, find_family(algorithm)):  # the library looks too; on this all stands
        return False
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
        key.check_key_op("verify")
    except JoseError:
        return False
    return True


def is_signed_by(token: Unverified, key: Key) -> bool:
    """Whether the holder of `key` signed `token`; the key must fit the token's algorithm."""
    name = token.header.alg
    return fits(key, name) and JWSRegistry.algorithms[name].verify(token.signed, token.signature, key)


def rsa_bits(key: RSAKey) -> int:
    """The size of an RSA key's modulus."""
    return key.public_key.key_size
