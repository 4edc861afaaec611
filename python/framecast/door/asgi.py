"""The application's room: the one module that knows hypercorn. Written for 0.17 and 0.18.

hypercorn's own server would own the port; its TCPServer serves one stream, which is all that is needed behind the
door. What it leaves open is closed here: no limit of requests per connection, no time limit for a request's body.
"""

import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import LifespanState
from hypercorn.utils import wrap_app

from framecast import metrics
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
        self._context = WorkerContext(None)
        self._config = _configure(limits)
        timed: Any = _limit_body_time(app, body_seconds)
        self._app = wrap_app(timed, self._config.wsgi_max_body_size, "asgi")

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve a stream to its end: HTTP/1.1 requests, one after the other. `stream` must have a ``socket``.

        An application's error is answered with 500 and logged by hypercorn, so what hypercorn itself raises comes of
        the peer's bytes, such as a hostile WebSocket request behind a good first one: that ends this connection, is
        counted and makes no noise, since any peer could make it at will.
        """
        state: LifespanState = {}
        transport: Any = stream
        try:
            await TCPServer(self._app, self._config, self._context, state, transport)
        except* Exception as group:  # noqa: BLE001 - see above: this is where the peer's faults end
            metrics.app_connections_failed.inc()
            log.debug("hypercorn gave a connection up", error=repr(group))

    async def terminate(self) -> None:
        """Close idle connections now and the others after the answer they are at."""
        await self._context.terminated.set()


def _configure(limits: Server) -> Config:
    config = Config()
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
