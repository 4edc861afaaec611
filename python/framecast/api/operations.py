"""What operators ask: health and metrics."""

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import __version__
from framecast._core import build_info


class Health(BaseModel):
    """That the server accepts, and which it is."""

    name: str
    status: str
    version: str


class BuildInfo(BaseModel):
    """Which server this is."""

    version: str
    commit: str
    edition: str


class FrontendSettings(BaseModel):
    """What of Grafana's settings for pages is known here."""

    buildInfo: BuildInfo  # noqa: N815 - Grafana's name


async def frontend_settings(request: Request) -> Response:
    """Which server this is, where Grafana's clients look for it."""
    built = {"version": __version__, "commit": build_info()["commit"], "edition": "Framecast"}
    return JSONResponse({"buildInfo": built})


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
