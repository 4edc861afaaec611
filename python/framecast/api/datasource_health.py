"""``/api/datasources/uid/{uid}/health``: a data source as its plugin says it is, in the words of Grafana's clients."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Path
from pydantic import BaseModel
from starlette.responses import Response

from framecast.accounts.permissions import Action
from framecast.api.grafana_words import MAX_ID
from framecast.api.routing import PROBLEM, ApiRoute, Caller, Problem
from framecast.datasources.registry import Registry
from framecast.datasources.saving import by_id
from framecast.plugins.health import HealthChecks

BAD_HEALTH = 400
"""What Grafana answers with for a data source that is not well."""


class HealthShape(BaseModel):
    """A data source that is well."""

    status: Literal["OK"]
    message: str
    details: dict[str, Any] | None = None
    """What else the plugin says."""


class UnwellShape(Problem):
    """How a data source is that is not well; without a status, what is wrong with the request."""

    status: Literal["ERROR", "UNKNOWN"] | None = None
    details: dict[str, Any] | None = None


class HealthRoutes:
    """By uid, and by the id of older clients."""

    def __init__(self, registry: Registry, checks: HealthChecks) -> None:
        self._registry = registry
        self._checks = checks

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        needs = Action.READ_DATASOURCES
        answers = {200: HealthShape, 400: UnwellShape, **dict.fromkeys((404, 500, 503, 504), PROBLEM)}
        return [
            ApiRoute("/api/datasources/uid/{uid}/health", self.check, needs=needs, answers=answers),
            ApiRoute("/api/datasources/{datasource_id}/health", self.check_numbered, needs=needs, answers=answers),
        ]

    async def check(self, uid: Annotated[str, Path(description="The data source's uid.")], caller: Caller) -> Response:
        """How a data source is, as its plugin says.

        200 when it is well, and 400 when it is not. 404 also for one whose plugin does not tell.
        """
        health = await self._checks.check(caller, uid)
        told: dict[str, Any] = {"status": health.status.upper(), "message": health.message}
        if health.details:
            told["details"] = health.details
        status = 200 if health.status == "ok" else BAD_HEALTH
        return Response(msgspec.json.encode(told), status, media_type="application/json")

    async def check_numbered(self, datasource_id: Annotated[int, Path(ge=1, le=MAX_ID)], caller: Caller) -> Response:
        """How a data source is, by its id."""
        source = await self._registry.show(caller.org_id, by_id(datasource_id))
        return await self.check(source.uid, caller)
