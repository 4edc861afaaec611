"""A certificate and its key are taken whole or not at all, and what is wrong with them is said."""

import contextlib
import datetime as dt
import re
import shutil
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from certificates import Files, make_certificate
from framecast.configuration import load_settings
from framecast.door.certificate import Certificate, load_certificate
from framecast.errors import ConfigurationError
from framecast.preflight import check_settings
from framecast.settings import Server

PASSWORD = "what nobody may be told"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("made"))


@pytest.fixture
def files(made: Files, tmp_path: Path) -> Files:
    """A copy to be spoiled."""
    copies = [Path(shutil.copy(path, tmp_path)) for path in (made.cert, made.key, made.authority)]
    return Files(*copies)


def server_of(files: Files, **others: str) -> Server:
    return Server(tls_cert=str(files.cert), tls_key=str(files.key), **others)  # type: ignore[arg-type] # all are texts


def load(files: Files, **others: str) -> Certificate:
    certificate = load_certificate(server_of(files, **others))
    assert certificate is not None
    return certificate


def encrypt(key: Path) -> None:
    plain = load_pem_private_key(key.read_bytes(), None)
    wrapped = BestAvailableEncryption(PASSWORD.encode())
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, wrapped))


def swap(files: Files) -> None:
    cert, key = files.cert.read_bytes(), files.key.read_bytes()
    files.cert.write_bytes(key)
    files.key.write_bytes(cert)


def test_without_settings_there_is_none() -> None:
    assert load_certificate(Server()) is None


def test_a_good_pair_is_taken_and_says_for_whom_and_how_long_it_is(files: Files) -> None:
    certificate = load(files)
    assert certificate.names == ("localhost", "127.0.0.1", "::1")
    assert certificate.not_before < NOW < certificate.not_after
    assert certificate.find_fault(NOW) == ""
    for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert agrees(certificate, files, newest)


def test_the_oldest_version_is_a_setting(files: Files) -> None:
    certificate = load(files, tls_min_version="1.3")
    assert agrees(certificate, files, ssl.TLSVersion.TLSv1_3)
    assert not agrees(certificate, files, ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("kind", [ed25519.Ed25519PrivateKey.generate, partial(ec.generate_private_key, ec.SECP384R1())])
def test_other_kinds_of_keys_are_taken(tmp_path: Path, kind: Callable[[], Any]) -> None:
    files = sign_oneself(tmp_path, kind())
    assert agrees(load(files), files, ssl.TLSVersion.TLSv1_3)


def test_a_kind_of_key_that_cannot_be_used_is_told_with_those_that_can(tmp_path: Path) -> None:
    files = sign_oneself(tmp_path, ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(ConfigurationError, match=r"cannot be used: .*keys may be of P-256"):
        load(files)


def test_a_key_with_a_password_needs_it_and_is_not_asked_for(files: Files) -> None:
    encrypt(files.key)
    assert load(files, tls_key_password=PASSWORD).names
    for password, words in (("", "has a password: give it as server.tls_key_password"), ("wrong", "belong to it?")):
        with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
            load(files, tls_key_password=password)
        assert PASSWORD not in str(caught.value)


def test_a_password_for_a_key_that_has_none_changes_nothing(files: Files) -> None:
    assert load(files, tls_key_password=PASSWORD).names


def agrees(certificate: Certificate, files: Files, newest: ssl.TLSVersion) -> bool:
    """Whether a client of that version, which trusts the authority, and this certificate come to terms."""
    context = files.client_context()
    context.maximum_version = newest
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    session = certificate.server.begin()
    while session.handshaking:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        try:
            session.receive(outgoing.read())
        except ValueError:
            return False
        incoming.write(session.take_output())
    client.do_handshake()
    return client.version() == newest.name.replace("_", ".")


def sign_oneself(folder: Path, key: Any) -> Files:
    """A certificate that its own key has signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    files = Files(folder / "cert.pem", folder / "key.pem", folder / "cert.pem")
    files.cert.write_bytes(made.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


Spoil = Callable[[Files], object]


@pytest.mark.parametrize(
    ("spoil", "key", "words"),
    [
        (lambda files: files.cert.unlink(), "tls_cert", "cannot be read: No such file or directory"),
        (lambda files: files.key.unlink(), "tls_key", "cannot be read: No such file or directory"),
        (lambda files: files.cert.write_bytes(b""), "tls_cert", "holds no certificate"),
        (lambda files: files.key.write_bytes(b""), "tls_key", "holds no private key"),
        (lambda files: files.cert.write_bytes(b"x" * 1_048_577), "tls_cert", "is larger than any certificate"),
        (lambda files: files.cert.write_bytes(files.cert.read_bytes()[:200]), "tls_cert", "that cannot be read"),
        (lambda files: files.key.write_bytes(files.key.read_bytes()[:100]), "tls_key", "is the file whole?"),
        (lambda files: (files.cert.unlink(), files.cert.mkdir()), "tls_cert", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_no_good_is_named_with_its_key(files: Files, spoil: Spoil, key: str, words: str) -> None:
    spoil(files)
    with pytest.raises(ConfigurationError) as caught:
        load(files)
    [mistake] = caught.value.mistakes
    path = files.cert if key == "tls_cert" else files.key
    assert mistake.startswith(f"server.{key} = {str(path)!r} ")
    assert words in mistake


def test_both_files_are_told_at_once_and_so_is_that_they_are_swapped(files: Files) -> None:
    swap(files)
    with pytest.raises(ConfigurationError) as caught:
        load(files)
    assert len(caught.value.mistakes) == 2
    assert "are tls_cert and tls_key swapped?" in caught.value.mistakes[0]


def test_a_key_of_another_certificate_is_refused(files: Files, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="is not the key of the first certificate"):
        load(Files(files.cert, other.key, files.authority))


def test_a_chain_that_was_cut_in_the_middle_is_refused(files: Files) -> None:
    with files.cert.open("ab") as chain:
        chain.write(files.authority.read_bytes()[:300])
    with pytest.raises(ConfigurationError, match="tls_cert"):
        load(files)


@pytest.mark.parametrize(("given", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_one_without_the_other_is_refused(given: str, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"server\.{given} is set and server\.{missing} is not"):
        load_certificate(Server(**{given: "/x"}))  # type: ignore[arg-type] # a text


def test_what_is_out_of_its_time_is_taken_and_told_with_the_date(tmp_path: Path) -> None:
    old = load(make_certificate(tmp_path / "old", not_before=NOW - 2 * DAY, not_after=NOW - DAY))
    assert old.find_fault(NOW).startswith(f"it has expired at {NOW - DAY:%Y-%m-%d %H:%M} UTC")
    early = load(make_certificate(tmp_path / "early", not_before=NOW + DAY, not_after=NOW + 2 * DAY))
    assert early.find_fault(NOW).startswith(f"it is not valid before {NOW + DAY:%Y-%m-%d %H:%M} UTC")
    assert early.find_fault(NOW + DAY) == ""


def test_the_preflight_tells_of_it_without_a_server(files: Files) -> None:
    check_settings(load_settings(environment={}, overrides=files.overrides))
    files.key.unlink()
    with pytest.raises(ConfigurationError, match=r"server\.tls_key = .* cannot be read"):
        check_settings(load_settings(environment={}, overrides=files.overrides))


def test_the_password_may_stand_in_a_file_and_is_shown_nowhere(files: Files, tmp_path: Path) -> None:
    encrypt(files.key)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    overrides = (*files.overrides, f"server.tls_key_password_file={tmp_path / 'password'}")
    settings = load_settings(environment={}, overrides=overrides)
    check_settings(settings)
    assert PASSWORD not in repr(settings)
