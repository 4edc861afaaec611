"""What operators ask: health and metrics."""

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import __version__


class Health(BaseModel):
    """That the server accepts, and which it is."""

    name: str
    status: str
    version: str


async def health(request: Request) -> Response:
    """200 while the server accepts.

    Needs no token.
    """
    return JSONResponse({"name": "framecast", "status": "pass", "version": __version__})


async def metrics(request: Request) -> Response:
    """The server's figures, as Prometheus reads them.

    Names no channel, stream or user: their names come from outside. The figures are of all orgs together.
    """
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(REGISTRY) + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
