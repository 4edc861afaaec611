"""Subscribers over every transport, each following one channel until it is cancelled or the server ends it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from bench.soak.following import Follower
from bench.soak.speaking import JSON, PROTOBUF, Connected, Ended, Event, Heard, Pinged, Tongue

OPEN_SECONDS = 60.0
SILENCE_SECONDS = 60.0
"""Beyond every ping: a server that says nothing for so long is gone."""
MOST_MESSAGE_BYTES = 16 << 20


class LostError(Exception):
    """The server ended what we were listening to."""


async def open_tcp(address: str, *, receive_buffer_bytes: int | None = None) -> trio.SocketStream:
    """A connection to HOST:PORT."""
    host, _, port = address.rpartition(":")
    raw = trio.socket.socket()
    try:
        if receive_buffer_bytes is not None:
            raw.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer_bytes)
        with trio.fail_after(OPEN_SECONDS):
            await raw.connect((host, int(port)))
    except BaseException:
        raw.close()
        raise
    return trio.SocketStream(raw)


@asynccontextmanager
async def open_websocket(
    stream: trio.SocketStream, address: str, path: str, tongue: Tongue = JSON
) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket on this connection; closed politely at the end, as far as the server answers."""
    subprotocols = [tongue.subprotocol] if tongue.subprotocol else None
    async with trio.open_nursery() as nursery:
        with trio.fail_after(OPEN_SECONDS):
            websocket = await wrap_client_stream(
                nursery,
                stream,
                address,
                path,
                subprotocols=subprotocols,
                max_message_size=MOST_MESSAGE_BYTES,
            )
        try:
            yield websocket
            await websocket.aclose()
        finally:
            nursery.cancel_scope.cancel()


@dataclass(frozen=True)
class Seat:
    """Where somebody listens, and to what."""

    address: str
    channel: str
    follower: Follower

    def take(self, event: Event) -> None:
        match event:
            case Heard(frame):
                self.follower.take(frame)
            case Ended(words):
                raise LostError(words)
            case _:
                pass


async def hear_websocket(seat: Seat, tongue: Tongue, stream: trio.SocketStream | None = None) -> None:
    """By WebSocket, on this connection or one of its own; LostError when the server ends it."""
    stream = stream or await open_tcp(seat.address)
    try:
        async with stream, open_websocket(stream, seat.address, "/api/live/ws", tongue) as websocket:
            await websocket.send_message(tongue.greet(seat.channel))
            while True:
                with trio.fail_after(SILENCE_SECONDS):
                    message = await websocket.get_message()
                for event in tongue.read(message):
                    seat.take(event)
                    if isinstance(event, Pinged):
                        await websocket.send_message(tongue.pong())
    except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError) as errors:
        raise LostError(f"the WebSocket ended: {errors.exceptions[0]!r}") from None


async def hear_http_stream(seat: Seat) -> None:
    """By the answer to a request, with pongs beside it; LostError when the server ends it."""
    async with httpx.AsyncClient(timeout=SILENCE_SECONDS, base_url=f"http://{seat.address}") as http:
        emulated: dict[str, str] = {}
        async for line in _lines(http, "POST", "/api/live/http_stream", JSON.greet(seat.channel)):
            for event in JSON.read(line):
                seat.take(event)
                if isinstance(event, Connected):
                    emulated = {"session": event.session, "node": event.node, "data": JSON.pong()}
                if isinstance(event, Pinged):
                    (await http.post("/api/live/emulation", content=json.dumps(emulated))).raise_for_status()


async def hear_events(seat: Seat) -> None:
    """By server-sent events that nobody answers; LostError when the server ends it."""
    async with httpx.AsyncClient(timeout=SILENCE_SECONDS, base_url=f"http://{seat.address}") as http:
        async for line in _lines(http, "GET", f"/api/live/uni_sse?channel={seat.channel}"):
            for event in JSON.read(line.removeprefix("data: ")):
                seat.take(event)


async def _lines(http: httpx.AsyncClient, method: str, path: str, content: str | None = None) -> AsyncIterator[str]:
    """Of an answer that does not end by itself."""
    try:
        async with http.stream(method, path, content=content) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                yield line
    except httpx.HTTPError as error:
        raise LostError(f"{path} ended: {error!r}") from None
    raise LostError(f"{path} ended")


TRANSPORTS: dict[str, Callable[[Seat], Awaitable[None]]] = {
    "WebSocket, JSON": lambda seat: hear_websocket(seat, JSON),
    "WebSocket, Protobuf": lambda seat: hear_websocket(seat, PROTOBUF),
    "HTTP stream": hear_http_stream,
    "server-sent events": hear_events,
}
