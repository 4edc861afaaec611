"""HTTP and WebSocket by hand over plain sockets, or over TLS: what is sent is exactly what a test says, right or wrong.

Independent of h11, wsproto and everything else that the server is made of.
"""

import base64
import hashlib
import json
import random
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_NO_BODY = {204, 304}
_mask_source = random.Random(7)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")


class ConnectionEnded(Exception):  # noqa: N818 - what some tests wait for
    """The server closed or reset the connection; `rest` is what had come of the thing that was being read."""

    def __init__(self, rest: bytes) -> None:
        super().__init__(rest)
        self.rest = rest


class Connection:
    """One TCP connection, read in whole answers or frames; with `tls` what is said goes through that."""

    def __init__(self, stream: trio.SocketStream, tls: trio.SSLStream[trio.SocketStream] | None = None) -> None:
        self.stream = stream
        self.tls = tls
        self._talk: trio.abc.Stream = tls or stream
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        await self._talk.send_all(data)

    async def answer(self) -> Answer:
        """The next answer, final or not (100 and 101 are answers too)."""
        head = (await self._until(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, *_ = status_line.split(" ")
        assert version == "HTTP/1.1", status_line
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(status), headers, await self._body(int(status), headers))

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status < 200 or status in _NO_BODY:
            assert "content-length" not in headers or status == 304, headers
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(await self._until(b"\r\n"), 16):
                body += await self._exactly(size)
                assert await self._exactly(2) == b"\r\n"
            assert await self._until(b"\r\n") == b"\r\n"
            return body
        return await self._exactly(int(headers["content-length"]))

    async def frame(self) -> Frame:
        """The next WebSocket frame; the server's frames are whole and unmasked here."""
        first, second = await self._exactly(2)
        assert first & 0x80, "a fragmented message"
        assert not first & 0x70, "a reserved bit: no extension was agreed on"
        assert not second & 0x80, "a masked frame from a server"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._exactly(8))
        return Frame(first & 0x0F, await self._exactly(length))

    async def message(self) -> Frame:
        """The next frame that is neither ping nor pong; pings are answered as Telegraf does, with an empty pong."""
        while True:
            frame = await self.frame()
            if frame.opcode == PING:
                await self.send(encode_frame(PONG, b""))
            elif frame.opcode != PONG:
                return frame

    async def upgrade(self, head: bytes) -> None:
        """Send an upgrade's head; the server must agree to it as it stands."""
        await self.send(head)
        answer = await self.answer()
        assert answer.status == 101, answer
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        check_accepted(answer, key.partition(b":")[2].strip())

    async def push(self, stream: str, body: bytes, *, query: str = "") -> None:
        """Push over HTTP; every line must be accepted."""
        await self.send(request("POST", f"/api/live/push/{stream}{query}", body, host="127.0.0.1"))
        answer = await self.answer()
        assert (answer.status, answer.headers["framecast-rejected"]) == (204, "0"), answer

    async def send_message(self, payload: bytes, opcode: int = BINARY) -> None:
        await self.send(b"".join(encode_message(payload, opcode)))

    async def until_heard(self, text: bytes, count: int) -> None:
        """Wait until that has come so often, or the server has closed or reset the connection."""
        try:
            while self._buffer.count(text) < count:
                await self._receive()
        except ConnectionEnded:
            return

    async def until_closed(self) -> bytes:
        """Everything until the server closes or resets the connection."""
        try:
            while True:
                await self._receive()
        except ConnectionEnded:
            return bytes(self._buffer)

    async def _until(self, end: bytes) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            await self._receive()
        return self._take(at + len(end))

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._receive()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _receive(self) -> None:
        try:
            data = await self._talk.receive_some(65_536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise ConnectionEnded(bytes(self._buffer))
        self._buffer += data


@asynccontextmanager
async def connect(
    address: str, *, receive_buffer_bytes: int | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Connection]:
    """Open a connection to HOST:PORT; a small receive buffer makes a reader slow at once. `tls` for a server of TLS."""
    host, _, port = address.rpartition(":")
    raw = trio.socket.socket()
    if receive_buffer_bytes is not None:
        raw.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer_bytes)
    try:
        await raw.connect((host, int(port)))
    except BaseException:
        raw.close()
        raise
    async with trio.SocketStream(raw) as stream:
        if tls is None:
            yield Connection(stream)
        else:
            secured = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
            await secured.do_handshake()
            yield Connection(stream, secured)


def request(method: str, target: str, body: bytes = b"", *, host: str, headers: dict[str, str] | None = None) -> bytes:
    """One request as bytes, with a Content-Length when it has a body."""
    fields = {"Host": host, **(headers or {})}
    if body or method in {"POST", "PUT", "PATCH"}:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def upgrade_request(target: str, *, host: str, headers: dict[str, str] | None = None) -> bytes:
    """A WebSocket handshake as a plain client makes it; `headers` are added or replace."""
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    return request("GET", target, host=host, headers=fields)


def check_accepted(answer: Answer, key: bytes) -> None:
    expected = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    assert answer.headers["sec-websocket-accept"] == expected
    assert "sec-websocket-extensions" not in answer.headers


def encode_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """One masked frame, as clients must send them."""
    head = bytes([0x80 * final | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([0x80 | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
    mask = _mask_source.randbytes(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    masked = (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
    return head + mask + masked


def encode_message(payload: bytes, opcode: int = BINARY, *, frame_bytes: int = 4096) -> Iterator[bytes]:
    """One message in frames of `frame_bytes` and a last one of the rest, as Telegraf's WebSocket library cuts it."""
    starts = range(0, len(payload), frame_bytes)
    for start in starts:
        last = start == starts[-1]
        yield encode_frame(opcode if start == 0 else 0, payload[start : start + frame_bytes], final=last)


async def subscribe(connection: Connection, place: str, channel: str) -> list[Any]:
    """Become a subscriber; the replies to `connect` and `subscribe`."""
    await connection.upgrade(upgrade_request("/api/live/ws", host=place))
    commands = f'{{"id":1,"connect":{{}}}}\n{{"id":2,"subscribe":{{"channel":"{channel}"}}}}'
    await connection.send(encode_frame(TEXT, commands.encode()))
    replies: list[Any] = []
    while len(replies) < 2:
        replies += [json.loads(line) for line in (await connection.message()).payload.splitlines()]
    assert ["error" in reply for reply in replies] == [False, False]
    return replies
