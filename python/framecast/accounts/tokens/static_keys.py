"""The keys that stand in the configuration: a secret, an RSA and an EC public key. Read once, at start."""

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from framecast.accounts.tokens.algorithms import MIN_RSA_BITS, Key, rsa_bits
from framecast.configuration.bounded_file import read_bounded
from framecast.errors import ConfigurationError
from framecast.settings import Tokens

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: as long as the hash of HS256. Shorter ones are guessed offline from one token."""

MAX_FILE_BYTES = 64 * 1024
PEM = "-----BEGIN "


def read_static_keys(settings: Tokens) -> tuple[Key, ...]:
    """All keys that `settings` hold. ConfigurationError names the key that cannot be used, and never shows a secret."""
    keys: list[Key] = []
    if settings.hmac_secret:
        keys.append(_import_secret(settings.hmac_secret.encode()))
    if settings.rsa_public_key:
        keys.append(_import_rsa(settings.rsa_public_key))
    if settings.ecdsa_public_key:
        keys.append(_import_ec(settings.ecdsa_public_key))
    return tuple(keys)


def _import_secret(secret: bytes) -> OctKey:
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"tokens.hmac_secret has {len(secret)} bytes and must have at least {MIN_SECRET_BYTES}: make one with "
            "`openssl rand -hex 32`, for whoever signs the tokens too"
        )
    if PEM.encode() in secret:
        raise ConfigurationError(
            "tokens.hmac_secret is a key in PEM text, which others may know: put a public key into "
            "tokens.rsa_public_key or tokens.ecdsa_public_key"
        )
    try:
        return OctKey.import_key(secret)
    except ValueError:  # what the library takes for a public key in another form
        raise ConfigurationError("tokens.hmac_secret is a public key, which everybody may know") from None


def _import_rsa(given: str) -> RSAKey:
    where = "tokens.rsa_public_key"
    pem = _read_pem(where, given)
    try:
        key = RSAKey.import_key(pem)
    except (JoseError, ValueError, TypeError):  # TypeError: a private key with a passphrase
        raise ConfigurationError(f"{where} holds no RSA public key in PEM text") from None
    if key.is_private:
        raise _told_private(where)
    if rsa_bits(key) < MIN_RSA_BITS:
        raise ConfigurationError(f"{where} has {rsa_bits(key)} bits and must have at least {MIN_RSA_BITS}")
    return key


def _import_ec(given: str) -> ECKey:
    where = "tokens.ecdsa_public_key"
    pem = _read_pem(where, given)
    try:
        key = ECKey.import_key(pem)
        curve = key.curve_name
    except (JoseError, ValueError, TypeError, KeyError):  # KeyError: a curve that the library has no name for
        curve = ""
    if curve not in {"P-256", "P-384", "P-521"}:
        raise ConfigurationError(f"{where} holds no EC public key on P-256, P-384 or P-521 in PEM text")
    if key.is_private:
        raise _told_private(where)
    return key


def _told_private(where: str) -> ConfigurationError:
    return ConfigurationError(f"{where} holds a private key: this server needs the public one only, make it another")


def _read_pem(where: str, given: str) -> bytes:
    """PEM text begins as no path does."""
    return given.encode() if given.lstrip().startswith(PEM) else _read_file(where, given)


def _read_file(where: str, path: str) -> bytes:
    return read_bounded(path, where=f"{where} = {path!r}", max_bytes=MAX_FILE_BYTES, kind="key")
