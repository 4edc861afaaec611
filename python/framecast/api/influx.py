"""Writes of InfluxDB's clients that reach the app: they came behind another request on a kept-alive connection."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from framecast.api.problems import problem
from framecast.ingest.influx import InfluxWrites


class LateWrite:
    """Serves a write over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, writes: InfluxWrites) -> None:
        self._writes = writes

    async def serve(self, request: Request) -> Response:
        """Answer one write; 408, which mostly nobody reads, when its sender left."""
        try:
            answer = await self._writes.write_from_app(
                request.scope["path"], request.headers.raw, request.url.query, request.stream()
            )
        except ClientDisconnect:
            return problem(408, "the body did not arrive whole")
        return Response(answer.body, answer.status, dict(answer.headers))
