"""WebSocket upgrades: checked here, completely, before any WebSocket library sees a byte of them.

wsproto raises what it likes on hostile extension and subprotocol headers, and trio-websocket waits for ever on a
handshake it refused. So they only ever get a head written here from checked parts, without extensions: our frames
are encoded once for all subscribers, which rules out permessage-deflate.
"""

import base64
import binascii
import contextlib
import hashlib
import re

import trio
import trio_websocket

from framecast.door.crumbs import PIECES_PER_TURN, FrameMeter
from framecast.door.head import RequestHead
from framecast.door.replay import ReplayedStream
from framecast.errors import Refusal

_KEY_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_SUBPROTOCOL = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_RECEIVE_BYTES = 4_096
"""Clients' messages are small, and the library handles in one go what one read brings."""
_QUEUED_MESSAGES = 0
"""By the library, which counts no bytes: who reads does so always, and bounds what it holds (client/inbox.py)."""
_UNREADABLE = frozenset({1002, 1007})
_MAX_REASON_BYTES = 123
_CLOSE_FRAME = b"\x88"


def check_upgrade(head: RequestHead, rest: bytes) -> None:
    """Refuse, with 400 or 426, a WebSocket request that is not one of RFC 6455. `rest` is what came after the head."""
    if head.method != "GET" or head.version != "1.1":
        raise Refusal(400, "a WebSocket begins with GET and HTTP/1.1")
    if not head.has_token(b"connection", b"upgrade"):
        raise Refusal(400, "Upgrade without Connection: Upgrade (does a proxy in between drop it?)")
    if head.find(b"sec-websocket-version") != b"13":
        raise Refusal(426, "only WebSocket version 13 is spoken here")
    if not _is_key(head.find(b"sec-websocket-key")):
        raise Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    if head.find(b"transfer-encoding") is not None or head.find(b"content-length") not in {None, b"0"}:
        raise Refusal(400, "a WebSocket request has no body")
    if rest:
        raise Refusal(400, "bytes came after the WebSocket request, before it was answered")


def offered_subprotocols(head: RequestHead) -> list[str]:
    """The subprotocols a client offers, in its order; what is no token is left out."""
    offers = [part.strip() for part in (head.find(b"sec-websocket-protocol") or b"").split(b",")]
    return [offer.decode("ascii") for offer in offers if _SUBPROTOCOL.fullmatch(offer)]


def encode_switch(head: RequestHead) -> bytes:
    """The 101 that accepts a checked upgrade, without extensions or a subprotocol."""
    digest = hashlib.sha1((head.find(b"sec-websocket-key") or b"") + _KEY_SALT, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


async def accept_websocket(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    head: RequestHead,
    *,
    subprotocol: str | None = None,
    max_message_bytes: int,
    handshake_seconds: float,
) -> trio_websocket.WebSocketConnection:
    """Accept a checked upgrade; the connection's reader runs in `nursery`.

    `subprotocol` must be one of `offered_subprotocols`. TooSlowError when the answer could not be sent in time,
    ConnectionClosed when the peer has left.
    """
    replayed = _WatchedStream(stream, _clean_head(head, subprotocol))
    with trio.fail_after(handshake_seconds):
        request = await trio_websocket.wrap_server_stream(
            nursery,
            replayed,
            message_queue_size=_QUEUED_MESSAGES,
            max_message_size=max_message_bytes,
            receive_buffer_size=_RECEIVE_BYTES,
        )
        replayed.websocket = await request.accept(subprotocol=subprotocol)
        return replayed.websocket


class _WatchedStream(ReplayedStream):
    """What trio-websocket 0.12 leaves open towards a peer that means ill.

    It closes the stream right after a frame it cannot read, without the close frame of RFC 6455 §7.1.7: that is said
    here, before closing. It handles all frames of a read in one go, and keeps the fragments of a message without a
    limit to their number: so it gets few frames at a time, and the end of the stream when a message comes in crumbs.
    """

    websocket: trio_websocket.WebSocketConnection | None = None
    _said = False
    _waiting: bytes | bytearray = b""

    def __init__(self, stream: trio.abc.Stream, head: bytes) -> None:
        super().__init__(stream, head)
        self._meter = FrameMeter()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive the head, then no more frames at once than make one turn."""
        if self.replaying:
            return await super().receive_some(max_bytes)
        received = self._waiting
        if received:
            await trio.sleep(0)  # noqa: ASYNC115 - trio.lowlevel is for door/outbound.py alone
        else:
            received = await super().receive_some(max_bytes)
        end = self._meter.follow(received, PIECES_PER_TURN)
        self._waiting = received[end:]
        if not self._meter.crumbs:
            return received[:end]
        if self.websocket is not None:
            await self._say(1008, "too many tiny fragments")
        return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, and notice a close frame."""
        self._said = self._said or data[:1] == _CLOSE_FRAME
        await super().send_all(data)

    async def aclose(self) -> None:
        """Say why, where that has not been done, and close."""
        closed = self.websocket.closed if self.websocket is not None else None
        if closed is not None and closed.code in _UNREADABLE:
            await self._say(closed.code, closed.reason or "")
        await super().aclose()

    async def _say(self, code: int, reason: str) -> None:
        if not self._said:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.send_all(_close_frame(code, reason))


def _close_frame(code: int, reason: str) -> bytes:
    payload = code.to_bytes(2, "big") + reason.encode()[:_MAX_REASON_BYTES]
    return _CLOSE_FRAME + bytes([len(payload)]) + payload


def _clean_head(head: RequestHead, subprotocol: str | None) -> bytes:
    lines = [
        f"GET {head.target} HTTP/1.1".encode(),
        b"Host: " + (head.find(b"host") or b""),
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + (head.find(b"sec-websocket-key") or b""),
    ]
    if subprotocol is not None:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("ascii"))
    return b"\r\n".join([*lines, b"", b""])


def _is_key(key: bytes | None) -> bool:
    try:
        return key is not None and len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
