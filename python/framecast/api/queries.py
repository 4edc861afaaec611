"""``POST /api/ds/query``, as Grafana's panels and clients know it. What becomes of queries is their desk's business."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from framecast.accounts.permissions import Action
from framecast.api.bodies import JsonBodies
from framecast.api.grafana_words import MAX_ID
from framecast.api.routing import PROBLEM, ApiRoute, Caller, JsonBody
from framecast.queries.desk import QueryDesk
from framecast.settings import Queries

PATH = "/api/ds/query"


class SourceReference(BaseModel):
    """Which data source."""

    model_config = ConfigDict(strict=True, extra="allow")

    uid: str | None = None
    type: str | None = Field(None, description="Means nothing here.")


class QueryShape(BaseModel):
    """One query. What else is in it is for its data source."""

    model_config = ConfigDict(strict=True, extra="allow")

    refId: str | None = Field(None, max_length=100, description="Its name in the answer; A where there is none.")  # noqa: N815 - Grafana's names
    datasource: SourceReference | str | None = None
    datasourceId: int | None = Field(None, le=MAX_ID, description="Older clients' way to name the data source.")  # noqa: N815
    queryType: str | None = None  # noqa: N815
    maxDataPoints: float | None = Field(None, ge=0, le=2**53)  # noqa: N815
    intervalMs: float | None = Field(None, ge=0, le=2**53)  # noqa: N815


class QueriesBody(BaseModel):
    """Queries of one panel, to one data source or several."""

    model_config = ConfigDict(strict=True)

    queries: list[QueryShape] = Field(min_length=1)
    begin: str | int = Field(alias="from", description="Milliseconds since 1970, or relative: now-6h, now-1d/d.")
    end: str | int = Field(alias="to")


class ResultShape(BaseModel):
    """What came of one query: frames, an error, or both."""

    status: int
    error: str | None = None
    errorSource: str | None = None  # noqa: N815
    frames: list[dict[str, Any]] | None = Field(None, description="Data frames as JSON, schema and data.")


class ResultsShape(BaseModel):
    """What came of all queries, by `refId`."""

    results: dict[str, ResultShape]


class FailedShape(BaseModel):
    """What came of all queries where one of them failed, or why none was asked."""

    message: str | None = None
    results: dict[str, ResultShape] | None = None


class QueryRoutes:
    """The one route there is."""

    def __init__(self, desk: QueryDesk, bodies: JsonBodies, limits: Queries) -> None:
        self._desk = desk
        self._takes = JsonBody(bodies, limits.body_bytes, "queries.body_bytes")

    def routes(self) -> list[ApiRoute]:
        """Which path leads to the method below."""
        answers = {200: ResultsShape, 400: FailedShape, 404: PROBLEM, 500: PROBLEM}
        needs = Action.QUERY_DATASOURCES
        return [ApiRoute(PATH, self.query, methods=("POST",), needs=needs, takes=self._takes, answers=answers)]

    async def query(self, body: Annotated[QueriesBody, Body()], request: Request, caller: Caller) -> Response:
        """Query data sources.

        400 with all results where one of the queries failed, 404 for a data source that there is not.
        """
        results = await self._desk.answer(caller, await request.body())
        return Response(results.body, 400 if results.failed else 200, media_type="application/json")
