"""JSON Web Tokens as an application would sign them, by the standard alone (RFC 7515, RFC 7519)."""

import base64
import hashlib
import hmac
import json

SECRET = "a secret of the end-to-end tests, long enough for HS256"


def signed(secret: str = SECRET, **claims: object) -> str:
    """A token with these claims, signed with HS256."""
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _encode(json.dumps(claims).encode())
    signature = hmac.digest(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
