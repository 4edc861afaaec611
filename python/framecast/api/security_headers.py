"""What every answer tells browsers: to take it for nothing but what it says it is, and to keep and frame none of it."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framecast.settings import Server

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a query may hold a token (auth_token)
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",  # most answers depend on who asks, some hold a secret
}


class SecurityHeaders:
    """Adds them to the answers of `app` that do not say otherwise."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._headers = dict(HEADERS)
        if server.scheme == "https" and server.hsts_seconds:
            # Without includeSubDomains: other hosts are not ours to speak for.
            self._headers["Strict-Transport-Security"] = f"max-age={server.hsts_seconds}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
