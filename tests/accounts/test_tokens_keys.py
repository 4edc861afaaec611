"""Keys from the configuration and from sets: what is no key, or a weak or private one, is told or left out."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from issuer import EC, ED25519, NOW, RSA, SECRET, pem, sign, verifier
from joserfc.jwk import ECKey, OctKey, RSAKey

from framecast.accounts.tokens.key_set import parse_key_set
from framecast.accounts.tokens.verifier import find_verifier
from framecast.errors import ConfigurationError
from framecast.settings import Settings, Tokens

from issuer import key_set, public  # isort: skip


def complaint(**settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        find_verifier(Tokens(**settings))
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_without_a_key_there_is_no_verifier() -> None:
    assert find_verifier(Settings().tokens) is None


@pytest.mark.parametrize("secret", ["x", "x" * 31, "é" * 15])
def test_a_short_secret_is_told_with_what_to_do(secret: str) -> None:
    message = complaint(hmac_secret=secret)
    assert f"has {len(secret.encode())} bytes and must have at least 32" in message
    assert "openssl rand -hex 32" in message
    assert secret not in message.replace("hex", "").split(":", maxsplit=1)[1] or secret == "x"


async def test_a_secret_of_32_bytes_will_do() -> None:
    for secret in ("x" * 32, "é" * 16):
        token = sign({"sub": "u"}, OctKey.import_key(secret))
        assert (await verifier(hmac_secret=secret).connection(token, now=NOW)).user == "u"


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 70_000)
    assert "larger than any key" in complaint(rsa_public_key=str(large))
    assert "No such file" in complaint(rsa_public_key=str(tmp_path / "none"))
    assert "Is a directory" in complaint(rsa_public_key=str(tmp_path))
    assert "tokens.ecdsa_public_key = 'a\\x00b' cannot be read" in complaint(ecdsa_public_key="a\0b")


@pytest.mark.parametrize("text", [pem(RSA), "\n" + pem(EC["P-256"]), pem(RSA, private=True)])
def test_a_pem_key_is_no_secret(text: str) -> None:
    message = complaint(hmac_secret=text)
    assert "tokens.rsa_public_key" in message
    assert "MII" not in message


def test_a_public_key_in_another_form_is_no_secret() -> None:
    line = RSA.public_key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    assert complaint(hmac_secret=line.decode()) == "tokens.hmac_secret is a public key, which everybody may know"


async def test_white_space_before_pem_text_is_nothing() -> None:
    checked = verifier(rsa_public_key="\n " + pem(RSA), ecdsa_public_key="\n" + pem(EC["P-256"]))
    assert (await checked.connection(sign({"sub": "u"}, RSA, "RS256"), now=NOW)).user == "u"


async def test_public_keys_may_stand_in_files(tmp_path: Path) -> None:
    rsa, ec = tmp_path / "rsa.pem", tmp_path / "ec.pem"
    rsa.write_text(pem(RSA))
    ec.write_text(pem(EC["P-256"]))
    checked = verifier(rsa_public_key=str(rsa), ecdsa_public_key=str(ec))
    assert (await checked.connection(sign({"sub": "u"}, RSA, "RS256"), now=NOW)).user == "u"
    assert (await checked.connection(sign({"sub": "u"}, EC["P-256"], "ES256"), now=NOW)).user == "u"


@pytest.mark.parametrize("text", ["-----BEGIN PUBLIC KEY-----", pem(EC["P-256"]), pem(ED25519), pem(RSA)[:-60]])
def test_what_is_no_rsa_key_is_told(text: str) -> None:
    assert complaint(rsa_public_key=text) == "tokens.rsa_public_key holds no RSA public key in PEM text"


@pytest.mark.parametrize(
    "text", ["-----BEGIN PUBLIC KEY-----", pem(RSA), pem(ED25519), pem(ECKey.generate_key("secp256k1"))]
)
def test_what_is_no_ec_key_is_told(text: str) -> None:
    assert "holds no EC public key on P-256, P-384 or P-521" in complaint(ecdsa_public_key=text)


def test_private_keys_are_told() -> None:
    for message in (
        complaint(rsa_public_key=pem(RSA, private=True)),
        complaint(ecdsa_public_key=pem(EC["P-256"], private=True)),
    ):
        assert "holds a private key" in message
        assert "MI" not in message


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_is_told() -> None:
    short = RSAKey.generate_key(1024)
    assert complaint(rsa_public_key=pem(short)) == "tokens.rsa_public_key has 1024 bits and must have at least 2048"
    assert parse_key_set(key_set(public(short, "a"))) == ({}, 1)


@pytest.mark.parametrize(
    "url", ["keys", "/keys.json", "file:///etc/passwd", "ftp://a/b", "https://", "http://[::1/", "https://a:b/"]
)
def test_what_is_no_url_is_told(url: str) -> None:
    assert complaint(jwks_url=url) == f"tokens.jwks_url = {url!r} is no URL of the form https://host/path"


def test_a_password_in_the_url_is_refused_and_not_told() -> None:
    assert "holds a user or password" in complaint(jwks_url="https://me:sesame@example.com/keys")
    for url in ("https://me:sesame@example.com/keys", "https://me:sesame@[::1/"):
        assert "sesame" not in complaint(jwks_url=url)


def test_a_key_set_is_read_by_kid() -> None:
    keys, unusable = parse_key_set(key_set(public(RSA, "a"), public(EC["P-384"], "b"), public(ED25519, "b", use="sig")))
    assert {kid: [key.key_type for key in found] for kid, found in keys.items()} == {"a": ["RSA"], "b": ["EC", "OKP"]}
    assert unusable == 0


ODD = [
    {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "x"},
    public(RSA, None),
    public(RSA, "x", use="enc"),
    public(RSA, "x", kty="EC"),
    public(RSA, "x", n=""),
    public(RSA, "x", n="AQAB"),
    public(RSA, "x", e=65537),
    public(RSA, "x", n="+/+/"),
    public(RSA, "x", key_ops="verify"),
    public(EC["P-256"], "x", x="AA"),
    public(EC["P-256"], "x", crv="P-384"),
    public(EC["P-256"], "x", crv="secp256k1"),
    public(EC["P-256"], "x", crv="P-1"),
    public(ED25519, "x", crv="X25519"),
    public(ED25519, "x", x="AA"),
    {**RSA.as_dict(private=True), "kid": "x"},
    {**EC["P-256"].as_dict(private=True), "kid": "x"},
    {"kty": "RSA", "kid": "x"},
    {},
    1,
    None,
    "x",
]


@pytest.mark.parametrize("member", ODD)
def test_an_odd_key_never_costs_the_others(member: Any) -> None:
    keys, unusable = parse_key_set(key_set(member, public(RSA, "good"), member))
    assert (list(keys), unusable) == (["good"], 2)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b'{"keys":' + b"[" * 9000]
)
def test_what_is_no_key_set_is_told(body: bytes) -> None:
    with pytest.raises(ValueError, match="is no JSON Web Key Set"):
        parse_key_set(body)


def test_an_empty_set_is_a_set() -> None:
    assert parse_key_set(b'{"keys":[]}') == ({}, 0)
