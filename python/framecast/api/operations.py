"""What operators ask: health and metrics."""

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import __version__
from framecast.accounts.permissions import Action, check


async def health(request: Request) -> Response:
    """GET /api/health: 200 while the server accepts. Needs no token."""
    return JSONResponse({"name": "framecast", "status": "pass", "version": __version__})


async def metrics(request: Request) -> Response:
    """GET /metrics: Prometheus text. Names no channel, stream or user: their names come from outside.

    For server admins: the figures are of all orgs together. Refusal 403.
    """
    check(request.state.identity, Action.OBSERVE_SERVER)
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(REGISTRY) + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
