"""A client that hears by an HTTP stream and speaks by requests of its own, read by h11 and made by hand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import h11
import trio
from prometheus_client import REGISTRY

from end_to_end.wire import Answer, connect, request

STREAM = "/api/live/http_stream"
SSE = "/api/live/sse"
EMULATION = "/api/live/emulation"
UNI_SSE = "/api/live/uni_sse"
CONNECT = '{"id":1,"connect":{}}'
WAYS = [(STREAM, "POST"), (SSE, "POST"), (SSE, "GET")]
READ_BYTES = 65_536


class Listener:
    """One stream of a server's answer, in pieces, messages or whole."""

    def __init__(self, place: str, stream: trio.SocketStream) -> None:
        self.place = place
        self.stream = stream
        self.session = self.node = ""
        self._http = h11.Connection(h11.CLIENT)
        self._http.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
        self._http.send(h11.EndOfMessage())
        self._heard = bytearray()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers, names in lower case."""
        event = await self._event()
        assert isinstance(event, h11.Response)
        return event.status_code, {name.decode(): value.decode() for name, value in event.headers}

    async def piece(self) -> bytes:
        """What comes next of the body; empty at its end, ConnectionEnded when it is broken off."""
        event = await self._event()
        if isinstance(event, h11.EndOfMessage):
            return b""
        assert isinstance(event, h11.Data), event
        return bytes(event.data)

    async def line(self) -> bytes:
        """The next line of the body that is not empty; b"" at the end."""
        while True:
            end = self._heard.find(b"\n")
            if end < 0:
                piece = await self.piece()
                if not piece:
                    assert not self._heard, f"a line that was broken off: {bytes(self._heard[:200])!r}"
                    return b""
                self._heard += piece
                continue
            line = bytes(self._heard[:end]).rstrip(b"\r")
            del self._heard[: end + 1]
            if line:
                return line

    async def message(self) -> Any:
        """The next message; None at the end of the stream."""
        line = await self.line()
        return json.loads(line.removeprefix(b"data: ")) if line else None

    async def binary(self) -> bytes:
        """The next message behind its length."""
        while True:
            length = at = 0
            for at, byte in enumerate(self._heard):
                length |= (byte & 0x7F) << 7 * at
                if byte < 0x80:
                    break
            end = at + 1 + length
            if self._heard and self._heard[at] < 0x80 and len(self._heard) >= end:
                message = bytes(self._heard[at + 1 : end])
                del self._heard[:end]
                return message
            piece = await self.piece()
            assert piece, f"the end, in the middle of a message: {bytes(self._heard[:200])!r}"
            self._heard += piece

    async def rest(self) -> list[Any]:
        """All messages to the end of the stream."""
        messages = []
        while (message := await self.message()) is not None:
            messages.append(message)
        return messages

    async def connected(self) -> Any:
        """The reply to `connect`, which says how to speak."""
        reply = await self.message()
        self.session, self.node = reply["connect"]["session"], reply["connect"]["node"]
        return reply

    async def say(self, *commands: str, **headers: str) -> Answer:
        """Send a frame beside the stream."""
        return await emulate(self.place, self.session, self.node, "\n".join(commands), **headers)

    async def ask(self, *commands: str) -> Any:
        """Send a frame that is taken, and hear the next message."""
        answer = await self.say(*commands)
        assert answer.status == 204, answer
        return await self.message()

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self.stream.receive_some(READ_BYTES))
        return event


async def ask(place: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request on a connection of its own, its answer whole."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connect(place) as connection:
        await connection.send(request(method, path, body, host=place, headers=fields))
        return await connection.answer()


async def emulate(place: str, session: str, node: str, frame: str, **headers: str) -> Answer:
    body = json.dumps({"session": session, "node": node, "data": frame}).encode()
    return await ask(place, "POST", EMULATION, body, **headers)


@asynccontextmanager
async def open_stream(
    place: str,
    path: str = STREAM,
    *commands: str,
    method: str = "POST",
    body: bytes | None = None,
    buffer_bytes: int | None = None,
    **headers: str,
) -> AsyncIterator[Listener]:
    """Ask for a stream, with the first frame where its path and method want it; nothing of the answer is read."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    frame = "\n".join(commands or (CONNECT,))
    async with connect(place, receive_buffer_bytes=buffer_bytes) as connection:
        if method == "GET":
            wanted = request("GET", f"{path}?cf_connect={quote(frame)}", host=place, headers=fields)
        else:
            wanted = request("POST", path, frame.encode() if body is None else body, host=place, headers=fields)
        await connection.send(wanted)
        yield Listener(place, connection.stream)


@asynccontextmanager
async def listening(place: str, path: str = STREAM, *commands: str, **more: Any) -> AsyncIterator[Listener]:
    """A client that is connected."""
    async with open_stream(place, path, *commands, **more) as listener:
        status, _ = await listener.head()
        assert status == 200
        await listener.connected()
        yield listener


def subscribe(channel: str, number: int = 2) -> str:
    return f'{{"id":{number},"subscribe":{{"channel":"{channel}"}}}}'


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def push(place: str, stream: str, line: bytes) -> None:
    assert (await ask(place, "POST", f"/api/live/push/{stream}", line)).status == 204


async def wait_for_figure(name: str, value: float, **labels: str) -> None:
    while figure(name, **labels) != value:  # noqa: ASYNC110 - a figure has no event
        await trio.sleep(0.01)


async def until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    heard = b""
    while end not in heard:
        data = await stream.receive_some()
        assert data, heard
        heard += data
    return heard
