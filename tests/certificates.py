"""Authorities and certificates for tests, made when they are needed."""

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Files:
    """A certificate, its key, and the authority that clients must trust; settings take the first two."""

    cert: Path
    key: Path
    authority: Path

    @property
    def overrides(self) -> tuple[str, str]:
        return f"server.tls_cert={self.cert}", f"server.tls_key={self.key}"

    def client_context(self) -> ssl.SSLContext:
        """Of a client that trusts nobody but the authority."""
        return ssl.create_default_context(cafile=self.authority)

    def replace(self, other: "Files") -> None:
        """Put another certificate in this one's place, as a renewal does."""
        self.key.write_bytes(other.key.read_bytes())
        self.cert.write_bytes(other.cert.read_bytes())


def make_certificate(
    folder: Path,
    *,
    authority: trustme.CA | None = None,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
) -> Files:
    """A certificate for this machine, of an authority of its own unless one is given."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or trustme.CA()
    issued = authority.issue_cert(*LOOPBACK, not_before=not_before, not_after=not_after)
    files = Files(folder / "cert.pem", folder / "key.pem", folder / "authority.pem")
    files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.authority)
    return files
