"""AutoMTLS of go-plugin: a key and a certificate of ours for one start of a plugin, and a context that trusts its own.

Either side knows the other's certificate before it connects, ours by the environment, the plugin's by its handshake:
nobody else can be at the other end. Keys are never written to a disk.
"""

import datetime as dt
import os
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAME = "localhost"
"""Which go-plugin's certificates are for."""

_VALID = dt.timedelta(days=3650)
"""A plugin may run for as long as the server does."""

_CLOCK_SLACK = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True, repr=False)
class ClientCertificate:
    """Ours, for one start."""

    pem: bytes
    key_pem: bytes


def make_certificate() -> ClientCertificate:
    """Make a key, and a certificate that is its own issuer, as go-plugin's are. Takes a millisecond or two."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return ClientCertificate(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def trust_only(plugin_certificate: bytes, ours: ClientCertificate) -> ssl.SSLContext:
    """A context that shows our certificate and believes the plugin's alone (DER). ssl.SSLError when that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=plugin_certificate)
    memory = os.memfd_create("framecast-plugin-key")  # ssl loads keys from files only
    try:
        os.write(memory, ours.key_pem + ours.pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context
