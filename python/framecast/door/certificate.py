"""The certificate that the server shows, and its key: read from their files, checked, and made into what TLS needs.

Never goes on with half of it: either both files are good and belong together, or `ConfigurationError` says which is
not, and why. What a key or its password is stands in no message.
"""

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from framecast._core import TlsServer
from framecast.configuration.bounded_file import read_bounded
from framecast.errors import ConfigurationError, Mistakes
from framecast.settings import MIB, Server

MAX_BYTES = MIB
"""Of one file; a chain of certificates has some kilobytes."""

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """One certificate with its key, ready to be shown to new connections."""

    server: TlsServer
    serial: str
    names: tuple[str, ...]
    """Hosts and addresses that it is for."""
    not_before: dt.datetime
    not_after: dt.datetime

    def find_fault(self, now: dt.datetime) -> str:
        """Why clients refuse it at that time; empty when they do not, for all that is known here."""
        if now < self.not_before:
            return f"it is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC: is this machine's clock right?"
        if now >= self.not_after:
            return f"it has expired at {self.not_after:%Y-%m-%d %H:%M} UTC: renew it, then send SIGHUP"
        return ""


def load_certificate(server: Server) -> Certificate | None:
    """The certificate that the settings name; None when they name none. ConfigurationError for what cannot be used.

    Reads files, and so may wait for a disk.
    """
    if not server.tls_cert and not server.tls_key:
        return None
    if not server.tls_cert or not server.tls_key:
        given, missing = ("tls_cert", "tls_key") if server.tls_cert else ("tls_key", "tls_cert")
        raise ConfigurationError(
            f"server.{given} is set and server.{missing} is not: TLS needs both of them, or neither"
        )
    mistakes = Mistakes()
    with mistakes.collected():
        chain = _read_chain(server.tls_cert)
    with mistakes.collected():
        key = _read_key(server.tls_key, server.tls_key_password)
    mistakes.tell()
    leaf = chain[0]
    if _encode_public(leaf.public_key()) != _encode_public(key.public_key()):
        raise ConfigurationError(
            f"server.tls_key = {server.tls_key!r} is not the key of the first certificate in server.tls_cert = "
            f"{server.tls_cert!r}: name the two files that were made together, the server's own certificate first"
        )
    return Certificate(
        server=_make_server(chain, key, server),
        serial=f"{leaf.serial_number:x}",
        names=_names_of(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def _read_chain(path: str) -> list[x509.Certificate]:
    where = f"server.tls_cert = {path!r}"
    content = _read(path, where)
    if _CERTIFICATE not in content:
        hint = (
            "it holds a key: are tls_cert and tls_key swapped?" if b"PRIVATE KEY-----" in content else "give it as PEM"
        )
        raise ConfigurationError(f"{where} holds no certificate (-----BEGIN CERTIFICATE-----): {hint}")
    try:
        chain = x509.load_pem_x509_certificates(content)
        chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{where} holds a certificate that cannot be read: {_first_line(error)}") from None
    if len(chain) != content.count(_CERTIFICATE):
        raise ConfigurationError(f"{where} holds a certificate, number {len(chain) + 1}, that is not whole")
    return chain


def _read_key(path: str, password: str) -> PrivateKeyTypes:
    where = f"server.tls_key = {path!r}"
    content = _read(path, where)
    if b"PRIVATE KEY-----" not in content:
        raise ConfigurationError(f"{where} holds no private key (-----BEGIN PRIVATE KEY-----): give it as PEM")
    encrypted = b"ENCRYPTED" in content
    if encrypted and not password:
        raise ConfigurationError(
            f"{where} has a password: give it as server.tls_key_password (or in a file, server.tls_key_password_file), "
            "or take it off the key"
        )
    try:
        return load_pem_private_key(content, password.encode() if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What the library says may repeat what it has read.
        why = "does server.tls_key_password belong to it?" if encrypted else "is the file whole?"
        raise ConfigurationError(f"{where} holds a key that cannot be read: {why}") from None


def _read(path: str, where: str) -> bytes:
    return read_bounded(path, where=where, max_bytes=MAX_BYTES, kind="certificate or key")


def _make_server(chain: list[x509.Certificate], key: PrivateKeyTypes, server: Server) -> TlsServer:
    """The core too sees to it that they belong together."""
    try:
        return TlsServer(
            [certificate.public_bytes(Encoding.DER) for certificate in chain],
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            oldest=server.tls_min_version,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"server.tls_cert = {server.tls_cert!r} with server.tls_key = {server.tls_key!r} cannot be used: {error}; "
            "keys may be of P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits"
        ) from None


def _encode_public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    return (*hosts, *(str(address) for address in names.get_values_for_type(x509.IPAddress)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["it is damaged"])[0]
