"""What an API route answers when it says no: JSON ``{"message": …}`` with the fitting status."""

from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast.errors import Refusal


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """One problem as a response; 401 names the way in."""
    extra = dict(headers or {})
    if status == 401:
        extra.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse({"message": message}, status, headers=extra)


async def answer_refusal(request: Request, error: Exception) -> Response:
    """A Refusal raised by a route."""
    refusal = cast("Refusal", error)  # registered for this class only
    return problem(refusal.code, refusal.message)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    refused = cast("HTTPException", error)  # registered for this class only
    if refused.status_code == 404:
        return problem(404, f"Not Found: {request.method} {request.url.path[:200]!r} is no path of this server")
    return problem(refused.status_code, refused.detail, dict(refused.headers or {}))


async def answer_bug(request: Request, error: Exception) -> Response:
    """Anything else is our bug: the caller learns nothing of the inside; hypercorn, which gets it next, logs it."""
    return problem(500, "Internal Server Error: the server's log has the details")
