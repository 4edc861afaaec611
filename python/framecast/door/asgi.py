"""The application's room: the one module that knows hypercorn. Written for 0.17 and 0.18.

hypercorn's own server would own the port; its TCPServer serves one stream, which is all that is needed behind the
door. What it leaves open is closed here: no limit of requests per connection, no time limit for a request's body, the
wait for another request of a peer that has left, and for the requests after the one that a connection came with, which
the door does not see, HTTP/2 and bodies of two lengths.
"""

import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import h11
import structlog
import trio
import wsproto.utilities
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import Event, LifespanState
from hypercorn.utils import wrap_app

from framecast import metrics
from framecast.door.answer import encode_answer, refusal_answer
from framecast.door.replay import ReplayedStream
from framecast.errors import Refusal
from framecast.settings import Server

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AppRoom:
    """Serves connections with an ASGI application. Its lifespan is not run: the server owns the resources."""

    def __init__(self, app: App, limits: Server, *, body_seconds: float) -> None:
        self._contexts: set[WorkerContext] = set()
        self._terminated = False
        self._config = _configure(limits)
        timed: Any = _refuse_two_lengths(_limit_body_time(app, body_seconds))
        self._app = wrap_app(timed, self._config.wsgi_max_body_size, "asgi")

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve a stream to its end: HTTP/1.1 requests, one after the other. `stream` is a socket's, or TLS over one.

        An application's error is answered with 500 and logged by hypercorn. What its parsers raise comes of the peer's
        bytes, such as a hostile WebSocket request behind a good first one: that ends this connection, is counted and
        makes no noise, since any peer could make it at will. Anything else is a bug and goes on to the connection's
        boundary.
        """
        state: LifespanState = {}
        # One for each connection: to hypercorn, a peer that has left is a server that closes what is idle.
        context = WorkerContext(None)
        transport: Any = _Http1Stream(stream, context.terminated)
        self._contexts.add(context)
        try:
            if self._terminated:
                await context.terminated.set()
            await TCPServer(self._app, self._config, context, state, transport)
        except* _PEERS_FAULTS as group:
            metrics.app_connections_failed.inc()
            log.debug("hypercorn gave a connection up", error=repr(group))
        finally:
            self._contexts.discard(context)

    async def terminate(self) -> None:
        """Close idle connections now and the others after the answer they are at."""
        self._terminated = True
        for context in tuple(self._contexts):
            await context.terminated.set()


class _Http2Refused(Exception):  # noqa: N818 - what peers do, no failure of ours
    """The peer tried to change its connection to HTTP/2, which ends it."""


_PEERS_FAULTS = (h11.ProtocolError, wsproto.utilities.ProtocolError, ValueError, _Http2Refused)
"""ValueError, with UnicodeError: header values that hypercorn and wsproto read as ASCII or as numbers."""


class _Http1Config(Config):
    """hypercorn 0.18 has no switch for HTTP/2. The first thing its HTTP/2 does is to ask for this."""

    @property
    def h2_max_inbound_frame_size(self) -> int:  # type: ignore[override]  # nobody sets it
        """Refuse."""
        raise _Http2Refused


class _Http1Stream(ReplayedStream):
    """Sets `over` when the peer has left, or takes no more; hypercorn 0.18 would wait for its next request even then.

    Lets no change of the protocol be promised: the application has no WebSockets, and HTTP/2 is not spoken here.
    """

    def __init__(self, stream: trio.abc.Stream, over: Event) -> None:
        super().__init__(stream)
        self._over = over
        self._cut = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and notice the end."""
        received: bytes | bytearray = b""
        try:
            received = await super().receive_some(max_bytes)
        finally:
            if not received:
                await self._over.set()
        return received

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, but a 505 in place of a 101. BrokenResourceError at once when sending has failed before."""
        if bytes(data[:13]) == b"HTTP/1.1 101 ":
            refusal = Refusal(505, "this server speaks HTTP/1.1: ask again, without Upgrade")
            data = encode_answer(refusal_answer(refusal), keep=False)
        if self._cut:
            # What was to be sent is incomplete already, and a peer that does not read is waited for only once.
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("the peer took no more")
        try:
            await super().send_all(data)
        except trio.BrokenResourceError:
            self._cut = True
            await self._over.set()
            raise


def _refuse_two_lengths(app: App) -> App:
    """Refuse what has Content-Length and Transfer-Encoding, as the door does; the connection ends with the answer."""
    refusal = refusal_answer(Refusal(400, "both Content-Length and Transfer-Encoding"), (("Connection", "close"),))
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers]

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ())}
        if scope["type"] == "http" and {b"content-length", b"transfer-encoding"} <= names:
            await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
            await send({"type": "http.response.body", "body": refusal.body})
        else:
            await app(scope, receive, send)

    return checked


def _configure(limits: Server) -> Config:
    config = _Http1Config()
    config.keep_alive_max_requests = sys.maxsize
    config.keep_alive_timeout = limits.keep_alive_seconds
    # A limit on reads would also cut long answers, during which a client has nothing to send.
    config.read_timeout = None
    config.h11_max_incomplete_size = limits.head_bytes
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config


def _limit_body_time(app: App, body_seconds: float) -> App:
    """Tell `app` that its client has left when a request's body takes longer than `body_seconds` to arrive."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        deadline = trio.current_time() + body_seconds
        whole = False

        async def timed_receive() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            with trio.move_on_at(deadline):
                message = await receive()
                whole = not message.get("more_body", False)
                return message
            return {"type": "http.disconnect"}

        await app(scope, timed_receive, send)

    return timed
