"""The OpenAPI document, made of the routes themselves; and who may read it."""

import re
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import trio
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from framecast import __version__
from framecast.api.routing import ApiRoute

UNDESCRIBED = frozenset({"HEAD", "OPTIONS"})
"""What goes wherever GET goes, and what browsers ask before a request."""

SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "A token may stand in for the password."},
}


async def show_description(request: Request) -> Response:
    """The OpenAPI document of this server.

    For server admins: it tells what there is.
    """
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = await trio.to_thread.run_sync(describe, app.routes)
    return JSONResponse(app.openapi_schema)


def describe(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document of all routes that say of themselves what they are."""
    document = get_openapi(title="Framecast", version=__version__, routes=list(_by_method(routes)))
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)  # what FastAPI would answer; here it is 400
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = SECURITY
    document["security"] = [{name: []} for name in SECURITY]
    return document


def _by_method(routes: Iterable[BaseRoute]) -> Iterator[ApiRoute]:
    """A route for each method, named by its path: FastAPI would give all methods of a route one name."""
    for route in routes:
        if isinstance(route, ApiRoute) and route.include_in_schema:
            for method in sorted((route.methods or set()) - UNDESCRIBED):
                one = copy(route)
                one.methods = {method}
                one.unique_id = "_".join([method.lower(), *re.findall("[A-Za-z0-9]+", route.path_format)])
                yield one
