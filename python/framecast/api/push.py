"""Pushes that reach the app: they came behind another request on a kept-alive connection."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from framecast.api.late import respond
from framecast.ingest.http import HttpPush


class LatePush:
    """Serves a push over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, push: HttpPush) -> None:
        self._push = push

    async def serve(self, request: Request) -> Response:
        """Answer one push."""
        stream = quote(request.path_params["stream"], safe="")
        return await respond(
            self._push.push_from_app(request.method, stream, request.headers.raw, request.url.query, request.stream())
        )
