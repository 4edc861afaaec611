"""Pushes that reach the app: they came behind another request on a kept-alive connection."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from framecast.api.late import head_of, respond
from framecast.ingest.http import HttpPush


class LatePush:
    """Serves a push over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, push: HttpPush) -> None:
        self._push = push

    async def serve(self, request: Request) -> Response:
        """Answer one push."""
        head = head_of(request.scope)
        # The path as sent: only there an encoded slash is told from one that parts stream and measurement.
        head = replace(head, path=head.target)
        return await respond(self._push.push_from_app(head, request.stream()))
