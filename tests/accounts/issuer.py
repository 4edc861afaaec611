"""Whoever signs tokens: keys of every kind, and real signatures made with them."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from framecast.accounts.tokens.verifier import TokenVerifier, find_verifier
from framecast.errors import PeerError, Refusal
from framecast.settings import Tokens

NOW = 1_800_000_000.0
SECRET = "a secret of more than 32 bytes, in ASCII"

Key = OctKey | RSAKey | ECKey | OKPKey

HMAC = OctKey.import_key(SECRET)
RSA = RSAKey.generate_key(2048)
OTHER_RSA = RSAKey.generate_key(2048)
EC: dict[str, ECKey] = {curve: ECKey.generate_key(curve) for curve in ("P-256", "P-384", "P-521")}
ED25519 = OKPKey.generate_key("Ed25519")


def sign(claims: Mapping[str, Any] | bytes, key: Key = HMAC, alg: str = "HS256", **header: Any) -> str:
    """A token. `claims` as bytes are signed as they are."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA and none
        return jws.serialize_compact({"alg": alg, "typ": "JWT", **header}, payload, key, registry=registry)


def pem(key: RSAKey | ECKey | OKPKey, *, private: bool = False) -> str:
    return key.as_pem(private=private).decode()


def public(key: RSAKey | ECKey | OKPKey, kid: str | None, **more: Any) -> dict[str, Any]:
    """A key as a member of a set."""
    return {**key.as_dict(private=False), **({} if kid is None else {"kid": kid}), **more}


def key_set(*members: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


def verifier(**settings: Any) -> TokenVerifier:
    """With the secret, unless keys are given."""
    if not any("key" in name or "jwks_url" in name or "secret" in name for name in settings):
        settings["hmac_secret"] = SECRET
    found = find_verifier(Tokens(**settings))
    assert found is not None
    return found


async def refusal(of: TokenVerifier, token: str, now: float = NOW) -> int:
    """The code that a connection token is refused with."""
    with pytest.raises((Refusal, PeerError)) as caught:
        await of.connection(token, now=now)
    assert isinstance(caught.value, Refusal | PeerError)
    return caught.value.code


async def subscription_refusal(of: TokenVerifier, token: str, channel: str = "stream/a/b") -> int:
    """The code that a subscription token of user u on client c is refused with."""
    with pytest.raises((Refusal, PeerError)) as caught:
        await of.subscription(token, channel=channel, user="u", client="c", now=NOW)
    assert isinstance(caught.value, Refusal | PeerError)
    return caught.value.code
