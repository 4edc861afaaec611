"""WebSocket upgrades: checked and answered here, completely, so that no WebSocket library sees a byte of them.

hypercorn's raises what it likes on hostile extension and subprotocol headers. No extension is accepted: our frames are
encoded once for all subscribers, which rules out permessage-deflate.
"""

import base64
import binascii
import hashlib
import re

from framecast.door.head import RequestHead
from framecast.errors import Refusal

_KEY_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_SUBPROTOCOL = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_upgrade(head: RequestHead, rest: bytes, *, with_body: bool) -> None:
    """Refuse, with 400 or 426, a WebSocket request that is not one of RFC 6455.

    `rest` is what came after the head, and `with_body` whether the head announced a body.
    """
    if head.method != "GET" or head.version != "1.1":
        raise Refusal(400, "a WebSocket begins with GET and HTTP/1.1")
    if not head.has_token(b"connection", b"upgrade"):
        raise Refusal(400, "Upgrade without Connection: Upgrade (does a proxy in between drop it?)")
    if head.find(b"sec-websocket-version") != b"13":
        raise Refusal(426, "only WebSocket version 13 is spoken here")
    if not _is_key(head.find(b"sec-websocket-key")):
        raise Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    if with_body:
        raise Refusal(400, "a WebSocket request has no body")
    if rest:
        raise Refusal(400, "bytes came after the WebSocket request, before it was answered")


def offered_subprotocols(head: RequestHead) -> list[str]:
    """The subprotocols a client offers, in its order; what is no token is left out."""
    named = head.find(b"sec-websocket-protocol")
    if named is None:
        return []
    offers = [part.strip() for part in named.split(b",")]
    return [offer.decode("ascii") for offer in offers if _SUBPROTOCOL.fullmatch(offer)]


def encode_switch(head: RequestHead, subprotocol: str | None = None) -> bytes:
    """The 101 that accepts a checked upgrade, without extensions; `subprotocol` is one of `offered_subprotocols`."""
    digest = hashlib.sha1((head.find(b"sec-websocket-key") or b"") + _KEY_SALT, usedforsecurity=False).digest()
    chosen = b"" if subprotocol is None else b"\r\nSec-WebSocket-Protocol: " + subprotocol.encode("ascii")
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + chosen + b"\r\n\r\n"
    )


def _is_key(key: bytes | None) -> bool:
    try:
        return key is not None and len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
