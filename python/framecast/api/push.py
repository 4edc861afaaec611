"""Pushes that reach the app: they came behind another request on a kept-alive connection."""

from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from framecast.api.problems import problem
from framecast.ingest.http import HttpPush


class LatePush:
    """Serves a push over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, push: HttpPush) -> None:
        self._push = push

    async def serve(self, request: Request) -> Response:
        """Answer one push; 408, which mostly nobody reads, when its sender left or was too slow."""
        stream = quote(request.path_params["stream"], safe="")
        try:
            answer = await self._push.push_from_app(
                request.method, stream, request.headers.raw, request.url.query, request.stream()
            )
        except ClientDisconnect:
            return problem(408, "the body did not arrive whole")
        return Response(answer.body, answer.status, dict(answer.headers))
