"""Pushes that reach the app: they came behind another request on a kept-alive connection."""

from starlette.requests import Request
from starlette.responses import Response

from framecast.api.late import respond
from framecast.ingest.http import HttpPush
from framecast.ingest.push import find_target


class LatePush:
    """Serves a push over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, push: HttpPush) -> None:
        self._push = push

    async def serve(self, request: Request) -> Response:
        """Answer one push."""
        # The path as sent: only there an encoded slash is told from one that parts stream and measurement.
        target = find_target(request.scope["raw_path"].decode("latin-1")) or ""
        return await respond(
            self._push.push_from_app(request.method, target, request.headers.raw, request.url.query, request.stream())
        )
