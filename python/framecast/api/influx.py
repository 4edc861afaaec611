"""What clients of InfluxDB ask before they write, and their writes that come behind such a question."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import __version__
from framecast._core import build_info
from framecast.api.late import head_of, respond
from framecast.api.routing import NOTHING, Answer
from framecast.ingest.influx import InfluxWrites

VERSION = "2.7-framecast"
"""Clients read the first two numbers and write as they would to that InfluxDB; the word is for people."""


WRITTEN: Mapping[int, Answer] = {
    204: NOTHING,
    **dict.fromkeys((400, 401, 403, 413, 415, 429, 503), dict),
}
"""Refusals are in the words of that InfluxDB."""


class InfluxHealth(BaseModel):
    """As InfluxDB 2 tells of itself."""

    name: str
    message: str
    status: str
    version: str
    commit: str


class WriteQuery(BaseModel):
    """What a write may ask for; ingest/influx.py reads it."""

    bucket: str = Field("", description="The stream's id (/api/v2/write).")
    db: str = Field("", description="The stream's id (/write).")
    precision: str = Field("", description="The unit of timestamps.")


class LateWrite:
    """Serves a write over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, writes: InfluxWrites) -> None:
        self._writes = writes

    async def serve(self, request: Request, query: Annotated[WriteQuery, Query()]) -> Response:
        """Write line protocol as to an InfluxDB."""
        return await respond(self._writes.write_from_app(head_of(request.scope), request.stream()))


async def ping(request: Request) -> Response:
    """204 and a version, for clients of InfluxDB.

    Needs no token.
    """
    return Response(status_code=204, headers={"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "framecast"})


async def health(request: Request) -> Response:
    """That the server is ready for writes, as InfluxDB 2 answers it.

    Needs no token.
    """
    return JSONResponse(
        {
            "name": "framecast",
            "message": "ready for writes",
            "status": "pass",
            "version": __version__,
            "commit": build_info()["commit"],
        }
    )
