"""Only who holds a key can sign, each key for its own algorithms, and whatever else is sent is refused for good."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import (
    EC,
    ED25519,
    HMAC,
    NOW,
    OTHER_RSA,
    RSA,
    SECRET,
    Key,
    pem,
    refusal,
    sign,
    subscription_refusal,
    verifier,
)
from joserfc.jwk import ECKey, OctKey

from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.errors import PeerError, Refusal

CLAIMS = {"sub": "u"}


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def hmac_sha256(secret: bytes, signed: str) -> str:
    return part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


@pytest.mark.parametrize(
    ("key", "alg", "settings"),
    [
        *((HMAC, alg, {"hmac_secret": SECRET}) for alg in ("HS256", "HS384", "HS512")),
        *((RSA, alg, {"rsa_public_key": pem(RSA)}) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (EC["P-256"], "ES256", {"ecdsa_public_key": pem(EC["P-256"])}),
        (EC["P-384"], "ES384", {"ecdsa_public_key": pem(EC["P-384"])}),
        (EC["P-521"], "ES512", {"ecdsa_public_key": pem(EC["P-521"])}),
    ],
)
async def test_each_algorithm_is_accepted_with_its_key(key: Key, alg: str, settings: dict[str, str]) -> None:
    checked = verifier(**settings)
    assert (await checked.connection(sign(CLAIMS, key, alg), now=NOW)).user == "u"
    forged = sign(CLAIMS, key, alg)
    head, _, signature = forged.split(".")
    assert await refusal(checked, f"{head}.{part({'sub': 'admin'})}.{signature}") == 3500


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (OctKey.import_key("another secret of more than 32 bytes"), "HS256"),
        (OTHER_RSA, "RS256"),
        (OTHER_RSA, "PS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (EC["P-384"], "ES384"),
        (ED25519, "EdDSA"),
        (ED25519, "Ed25519"),
        (ECKey.generate_key("secp256k1"), "ES256K"),
    ],
)
async def test_the_keys_of_others_are_refused(key: Key, alg: str) -> None:
    checked = verifier(hmac_secret=SECRET, rsa_public_key=pem(RSA), ecdsa_public_key=pem(EC["P-256"]))
    assert await refusal(checked, sign(CLAIMS, key, alg)) == 3500
    assert await subscription_refusal(checked, sign({**CLAIMS, "channel": "stream/a/b"}, key, alg)) == 103


async def test_several_keys_are_accepted_side_by_side() -> None:
    checked = verifier(hmac_secret=SECRET, rsa_public_key=pem(RSA), ecdsa_public_key=pem(EC["P-256"]))
    for key, alg in ((HMAC, "HS512"), (RSA, "RS256"), (EC["P-256"], "ES256")):
        assert (await checked.connection(sign(CLAIMS, key, alg, kid="any"), now=NOW)).user == "u"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS255", "RSA-OAEP", "hs256"])
async def test_no_token_goes_without_a_known_algorithm(alg: str) -> None:
    signed = sign(CLAIMS)
    for signature in ("", "AA", signed.split(".")[2]):
        assert await refusal(verifier(), f"{part({'alg': alg})}.{part(CLAIMS)}.{signature}") == 3500


@pytest.mark.parametrize("text", [pem(RSA), pem(RSA).strip(), RSA.as_der(private=False).decode("latin-1")])
async def test_a_public_key_is_no_secret(text: str) -> None:
    both = verifier(rsa_public_key=pem(RSA), hmac_secret=SECRET)
    alone = verifier(rsa_public_key=pem(RSA))
    signed = f"{part({'alg': 'HS256'})}.{part({'sub': 'admin'})}"
    token = f"{signed}.{hmac_sha256(text.encode('latin-1'), signed)}"  # the library refuses to sign so
    assert await refusal(both, token) == 3500
    assert await refusal(alone, token) == 3500


async def test_the_curve_decides_which_hash() -> None:
    checked = verifier(ecdsa_public_key=pem(EC["P-384"]))
    assert await refusal(checked, sign(CLAIMS, EC["P-256"], "ES256")) == 3500
    assert (await checked.connection(sign(CLAIMS, EC["P-384"], "ES384"), now=NOW)).user == "u"


async def test_a_longer_token_than_allowed_is_refused_unread() -> None:
    token = sign({"sub": "u", "meta": "x" * 1000})
    assert (await verifier(token_bytes=len(token)).connection(token, now=NOW)).user == "u"
    assert await refusal(verifier(token_bytes=len(token) - 1), token) == 3500


async def test_unknown_header_parameters_are_ignored_and_critical_ones_refused() -> None:
    assert (await verifier().connection(sign(CLAIMS, kid="k", x5t="abc", foo={"bar": 1}), now=NOW)).user == "u"
    signed = f"{part({'alg': 'HS256', 'crit': ['exp'], 'exp': 1})}.{part(CLAIMS)}"
    signature = hmac_sha256(SECRET.encode(), signed)
    assert await refusal(verifier(), f"{signed}.{signature}") == 3500


SPELLINGS = [
    lambda token: token + "=",
    lambda token: token + "\n",
    lambda token: " " + token,
    lambda token: token + ".",
    lambda token: token.replace(".", "..", 1),
    lambda token: token.replace(".", "\u3002"),
    lambda token: "." + token,
    lambda token: token.split(".")[0] + "=." + token.split(".", 1)[1],
    lambda token: token[:-1] + chr(ord(token[-1]) + 1),  # the same bytes: two bits stand behind their end
    lambda token: token.rsplit(".", 1)[0],
    lambda token: token.rsplit(".", 1)[0] + ".",
]


@pytest.mark.parametrize("spell", SPELLINGS)
async def test_a_token_has_one_spelling(spell: Callable[[str], str]) -> None:
    token = sign(CLAIMS)
    assert (await verifier().connection(token, now=NOW)).user == "u"
    assert await refusal(verifier(), spell(token)) == 3500
    assert await subscription_refusal(verifier(), spell(token)) == 103


DEEP = b"[" * 3000
BROKEN_HEADERS: list[Any] = [[], ["alg"], "alg", None, {}, {"alg": 1}, {"alg": ["HS256"]}, {"alg": "HS256", "kid": 1}]


@pytest.mark.parametrize("header", [*BROKEN_HEADERS, b"", b"{", b"\xff", b'{"alg":"HS256","x":' + DEEP, DEEP])
async def test_a_broken_header_is_refused(header: Any) -> None:
    signed = f"{part(header)}.{part(CLAIMS)}"
    assert await refusal(verifier(), f"{signed}.{hmac_sha256(SECRET.encode(), signed)}") == 3500


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"sub"', b"null", b"{", b"{}{}", b'{"sub":"\xff"}', b'{"x":' + DEEP])
async def test_claims_that_are_no_object_are_refused_however_well_signed(payload: bytes) -> None:
    assert await refusal(verifier(), sign(payload)) == 3500
    assert await subscription_refusal(verifier(), sign(payload)) == 103


EVERYTHING = verifier(hmac_secret=SECRET, rsa_public_key=pem(RSA), ecdsa_public_key=pem(EC["P-256"]))
GOOD = [
    sign({"sub": "u", "channels": ["stream/a/b"], "info": {"a": 1}, "exp": NOW + 5}),
    sign({"sub": "u", "channel": "stream/a/b", "b64data": "e30="}, RSA, "PS256"),
    sign({"sub": "u"}, EC["P-256"], "ES256"),
]
PARTS = st.sampled_from([piece for token in GOOD for piece in token.split(".")] + ["", "e30", "eyJhbGciOiJub25lIn0"])
CHANGES = st.tuples(st.integers(0, 400), st.characters(max_codepoint=0x2FF))


def mutate(token: str, changes: list[tuple[int, str]]) -> str:
    letters = list(token)
    for place, letter in changes:
        letters[place % len(letters)] = letter
    return "".join(letters)


async def check_only_told_errors(checked: TokenVerifier, token: str) -> None:
    for refused in (
        lambda: checked.connection(token, now=NOW),
        lambda: checked.subscription(token, channel="stream/a/b", user="u", client="c", now=NOW),
    ):
        try:
            await refused()
        except (Refusal, PeerError) as answer:
            assert answer.code in {103, 109, 3500}
        else:
            assert token in GOOD


@given(st.one_of(st.text(), st.text("abcZ09-_.=", max_size=80), st.lists(PARTS, max_size=4).map(".".join)))
async def test_no_text_raises_anything_else(token: str) -> None:
    await check_only_told_errors(EVERYTHING, token)


@given(st.sampled_from(GOOD), st.lists(CHANGES, max_size=3))
async def test_no_changed_token_is_accepted_or_raises_anything_else(token: str, changes: list[tuple[int, str]]) -> None:
    await check_only_told_errors(EVERYTHING, mutate(token, changes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = st.sampled_from(
    [
        "sub",
        "exp",
        "nbf",
        "aud",
        "iss",
        "info",
        "b64info",
        "data",
        "b64data",
        "channels",
        "subs",
        "channel",
        "expire_at",
    ]
)


@given(st.dictionaries(NAMES, JSON))
async def test_no_signed_claims_raise_anything_else(claims: dict[str, Any]) -> None:
    token = sign(claims)
    for checked in (
        lambda: EVERYTHING.connection(token, now=NOW),
        lambda: EVERYTHING.subscription(token, channel="", user="", client="", now=NOW),
    ):
        try:
            await checked()
        except (Refusal, PeerError) as answer:
            assert answer.code in {103, 109, 3500}
