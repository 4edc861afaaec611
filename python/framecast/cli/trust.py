"""Which servers that speak TLS the commands believe, and why they do not believe one.

The system's authorities count, or those of the file that SSL_CERT_FILE names. There is no switch to believe anybody.
"""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from framecast.cli.failure import CommandError

VARIABLE = "SSL_CERT_FILE"
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_… of OpenSSL: there is no issuer that is known, or the certificate is its own."""


def trust(url: str) -> ssl.SSLContext | bool:
    """What httpx is to verify the server of `url` with. CommandError when SSL_CERT_FILE is of no use.

    Made for https only: it takes some time.
    """
    return trusting_context() if urlsplit(url).scheme == "https" else True


def trusting_context() -> ssl.SSLContext:
    """What is trusted. CommandError as above: without that check it would be passed over in silence."""
    named = os.environ.get(VARIABLE)
    if named:
        try:
            ssl.create_default_context(cafile=named)
        except OSError as error:  # SSLError is one
            reason = "it holds no certificate as PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise CommandError(f"{VARIABLE} = {Path(named)} cannot be used: {reason}", status=2) from None
    return ssl.create_default_context()


def trusted_certificates() -> str:
    """The same as PEM, for a TLS that is not OpenSSL's. CommandError as above.

    Of a file all of it: it may hold a server's own certificate, no authority's, which OpenSSL does not list.
    """
    context, named = trusting_context(), os.environ.get(VARIABLE)
    if named:
        return Path(named).read_text(errors="replace")
    return "".join(map(ssl.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True)))


def find_distrust(error: BaseException) -> str | None:
    """Why the server's certificate was not believed, if that is what is behind an error, and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = f"its certificate is not trusted: {cause.verify_message.rstrip('.')}"
            if cause.verify_code in _UNKNOWN_ISSUER:
                words += f" (is its authority one of your own? {VARIABLE}=authority.pem names it)"
            return words
        cause = cause.__cause__ or cause.__context__
    return None
