"""What an API route answers when it says no: JSON ``{"message": …}`` with the fitting status."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from framecast.accounts.denials import Denials
from framecast.accounts.identity import Identity
from framecast.door.answer import describe_refusal
from framecast.errors import Refusal, printable

TOLD_MISTAKES = 3
"""Of all that is wrong with one request."""


def problem(
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    details: Mapping[str, object] = MappingProxyType({}),
) -> Response:
    """One problem as a response; 401 names the way in. `details` stand beside the message."""
    extra = dict(headers or {})
    if status == 401:
        extra.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse({"message": message, **details}, status, headers=extra)


def refusal_problem(refusal: Refusal) -> Response:
    """A refusal as a response, with the headers HTTP asks for with it."""
    status, headers = describe_refusal(refusal)
    return problem(status, refusal.message, dict(headers), details=refusal.details)


async def answer_refusal(request: Request, error: Exception) -> Response:
    """A Refusal raised by a route; told, if it is a permission that is missing."""
    refusal = cast("Refusal", error)  # registered for this class only
    denials: Denials | None = getattr(request.app.state, "denials", None)
    if denials is not None:
        address = "" if request.client is None else request.client.host
        identity: Identity | None = getattr(request.state, "identity", None)
        denials.note(identity, address, request.method, request.url.path, refusal)
    return refusal_problem(refusal)


async def answer_invalid(request: Request, error: Exception) -> Response:
    """A request that is not what its route takes: 400 names what of it."""
    invalid = cast("RequestValidationError", error)  # registered for this class only
    mistakes: list[Mapping[str, Any]] = list(invalid.errors())
    told = [_tell(mistake["loc"], mistake["msg"]) for mistake in mistakes[:TOLD_MISTAKES]]
    if len(mistakes) > TOLD_MISTAKES:
        told.append(f"and {len(mistakes) - TOLD_MISTAKES} more")
    return problem(400, f"Bad Request: {'; '.join(told)}")


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    refused = cast("HTTPException", error)  # registered for this class only
    if refused.status_code == 404:
        return problem(404, f"Not Found: {request.method} {request.url.path[:200]!r} is no path of this server")
    headers = dict(refused.headers or {})
    if refused.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(refused.status_code, refused.detail, headers)


async def answer_bug(request: Request, error: Exception) -> Response:
    """Anything else is our bug: the caller learns nothing of the inside; hypercorn, which gets it next, logs it."""
    return problem(500, "Internal Server Error: the server's log has the details")


def _tell(place: Iterable[str | int], what: str) -> str:
    """``body dashboard.title: Input should be a valid string``."""
    source, *names = (printable(str(name), 60) for name in place)
    return f"{source} {'.'.join(names)}: {what}" if names else f"{source}: {what}"


def _methods(request: Request) -> set[str]:
    """Of all routes of the path."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    return {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
