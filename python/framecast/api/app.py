"""The table of routes, and the gate in front of them."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from framecast.accounts.denials import Denials
from framecast.accounts.gate import Gate, Stands, whoever_got_in
from framecast.accounts.permissions import Action
from framecast.api import influx
from framecast.api.accounts.login import PATHS as LOGIN_PATHS
from framecast.api.description import show_description
from framecast.api.late import head_of
from framecast.api.live import Channels, late_upgrade, list_channels
from framecast.api.operations import FrontendSettings, Health, frontend_settings, health, metrics
from framecast.api.problems import answer_bug, answer_http_exception, answer_invalid, answer_refusal, refusal_problem
from framecast.api.push import PUSHED
from framecast.api.routing import NOTHING, PROBLEM, ApiRoute, Media
from framecast.api.streaming import PATHS as STREAMING_PATHS
from framecast.api.streams import Stream, Streams, list_streams, show_stream
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.http import METHODS
from framecast.ingest.influx import DIALECTS
from framecast.ingest.push import find_target
from framecast.streams.table import ListedChannel, StreamTable

OPEN_PATHS = frozenset({"/api/health", "/health", "/ping"}) | LOGIN_PATHS

WELCOME = """Framecast: metrics in, live data frames out.

  POST /api/live/push/{stream}   Influx line protocol (WebSocket: GET on the same path)
  POST /api/live/push/{stream}/{measurement}   JSON objects and data frames
  POST /api/v2/write  /write     the same from clients of InfluxDB
  GET  /api/live/ws              subscribers, Centrifuge protocol v2
  GET  /api/live/sse             the same where no WebSocket comes through, or POST /api/live/http_stream;
                                 their commands: POST /api/live/emulation
  GET  /api/live/uni_sse?channel=CHANNEL   the same for who only listens: curl -N
  POST /api/live/publish         one message into a channel
  GET  /api/live/list            the channels there are
  GET  /api/live/streams         the streams there are; /api/live/streams/{stream} is what becomes of its pushes
  POST /api/dashboards/db        dashboards; GET /api/search, /api/dashboards/uid/{uid}, /api/folders: as Grafana's
  POST /login                    a session for a browser; GET /logout ends it
  GET  /api/user                 who you are; tokens, users and orgs: /api/tokens, /api/org/users, /api/orgs
  GET  /api/datasources          data sources, as Grafana's; POST, and PUT and DELETE on /api/datasources/uid/{uid}
  POST /api/ds/query             their answers to a panel's queries
  GET  /api/health  /metrics     and for clients of InfluxDB /ping  /health
  GET  /openapi.json             all of these, for programs
"""

App = ASGIApp
PushRoute = Callable[..., Awaitable[Response]]
Check = Callable[[RequestHead], None]


TEXT = Media("text/plain")


async def welcome(request: Request) -> Response:
    """What there is."""
    return PlainTextResponse(WELCOME)


def build_app(
    streams: StreamTable,
    registry: CollectorRegistry,
    routes: Sequence[BaseRoute],
    push: PushRoute,
    write: PushRoute,
    *,
    listed: Sequence[ListedChannel] = (),
    denials: Denials | None = None,
) -> App:
    """Build the app over what it shows. `push` and `write` serve what comes late on a kept-alive connection.

    `routes` are those of rooms that have something to keep; `listed` are channels that are always there;
    `denials` is told who may not.
    """
    app = bare_app([*_own_routes(push, write), *routes, WebSocketRoute("/{path:path}", late_upgrade)])
    app.state.streams = streams
    app.state.listed = listed
    app.state.denials = denials
    app.state.registry = registry
    return app


def bare_app(routes: Sequence[BaseRoute]) -> FastAPI:
    """An app of these routes and no others, that says no as all of the API does."""
    app = FastAPI(
        openapi_url=None,  # its pages want scripts from elsewhere, and its document asks nobody who reads it
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        exception_handlers={
            Refusal: answer_refusal,
            RequestValidationError: answer_invalid,
            HTTPException: answer_http_exception,
            Exception: answer_bug,
        },
    )
    app.router.routes += routes
    app.router.redirect_slashes = False  # Telegraf follows a redirect with an empty GET and takes its 2xx for delivery
    return app


def _own_routes(push: PushRoute, write: PushRoute) -> list[ApiRoute]:
    lines = Media("text/plain", "line protocol")
    return [
        ApiRoute("/", welcome, answers={200: TEXT}),
        ApiRoute("/openapi.json", show_description, needs=Action.OBSERVE_SERVER, answers={200: dict}),
        ApiRoute("/metrics", metrics, needs=Action.OBSERVE_SERVER, answers={200: TEXT}),
        ApiRoute("/api/health", health, answers={200: Health}),
        ApiRoute("/api/frontend/settings", frontend_settings, answers={200: FrontendSettings}),
        ApiRoute("/health", influx.health, answers={200: influx.InfluxHealth}),
        ApiRoute("/ping", influx.ping, answers={204: NOTHING}),
        ApiRoute("/api/live/list", list_channels, answers={200: Channels}),
        ApiRoute("/api/live/streams", list_streams, answers={200: Streams}),
        ApiRoute("/api/live/streams/{stream:path}", show_stream, answers={200: Stream, 403: PROBLEM, 404: PROBLEM}),
        ApiRoute("/api/live/push/{stream:path}", push, methods=("POST", "PUT", "PATCH"), takes=lines, answers=PUSHED),
        *(ApiRoute(path, write, methods=("POST",), takes=lines, answers=influx.WRITTEN) for path in DIALECTS),
    ]


def list_routes(app: App) -> list[ApiRoute]:
    """What `build_app` has made routes of, in their order."""
    if not isinstance(app, FastAPI):
        raise TypeError("only what build_app has built is known to have routes")
    return [route for route in app.router.routes if isinstance(route, ApiRoute)]


class GateMiddleware:
    """Lets nobody past without an identity, whatever the route; the identity travels in the request's state.

    The door's rules for names and origins are asked again: hypercorn holds a connection over many requests. `stands`
    travels along: what a body asks for is asked by whoever may still ask when it has arrived (`check_stands`).
    """

    def __init__(self, app: ASGIApp, gate: Gate, check: Check, stands: Stands = whoever_got_in) -> None:
        self._app = app
        self._gate = gate
        self._check = check
        self._stands = stands

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 401."""
        if scope["type"] == "http":
            head = head_of(scope)
            try:
                self._check(head)
                if head.path not in OPEN_PATHS and not _asks_the_gate_itself(head):
                    identity = await self._gate(head)
                    scope.setdefault("state", {}).update(identity=identity, stands=self._stands)
            except Refusal as refusal:
                await refusal_problem(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _asks_the_gate_itself(head: RequestHead) -> bool:
    """A push, which is counted otherwise than other requests; a subscriber: see Streaming.

    A write as well: its token may be in the query, and its 401 has a shape of its own.
    """
    if head.path in STREAMING_PATHS:
        return True
    pushes = head.method in METHODS and find_target(head.path) is not None
    return pushes or (head.method == "POST" and head.path in DIALECTS)
