"""What a page of another origin may do with an answer: read it, where its origin is allowed.

Which origins are allowed was asked before (`routes.build_check`), for every method: who comes here with an Origin may.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFLIGHT_SECONDS = 3_600
"""How long a browser may remember the answer to its question before the request."""


class CrossOrigin:
    """Says to browsers that the page may read the answers of `app`, and answers what they ask before (OPTIONS, 204)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        origin = Headers(scope=scope).get("origin")

        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin is not None:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Allow-Credentials"] = "true"
            await send(message)

        app = self._app if scope["method"] != "OPTIONS" else _preflight_answer()
        await app(scope, receive, send_readable)


def _preflight_answer() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
