"""What clients of InfluxDB ask before they write, and their writes that come behind such a question."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import __version__
from framecast._core import build_info
from framecast.api.late import head_of, respond
from framecast.ingest.influx import InfluxWrites

VERSION = "2.7-framecast"
"""Clients read the first two numbers and write as they would to that InfluxDB; the word is for people."""


class LateWrite:
    """Serves a write over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, writes: InfluxWrites) -> None:
        self._writes = writes

    async def serve(self, request: Request) -> Response:
        """Answer one write."""
        return await respond(self._writes.write_from_app(head_of(request.scope), request.stream()))


async def ping(request: Request) -> Response:
    """GET, HEAD /ping: 204 and a version. Needs no token."""
    return Response(status_code=204, headers={"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "framecast"})


async def health(request: Request) -> Response:
    """GET /health: as InfluxDB 2 answers it. Needs no token."""
    return JSONResponse(
        {
            "name": "framecast",
            "message": "ready for writes",
            "status": "pass",
            "version": __version__,
            "commit": build_info()["commit"],
        }
    )
