"""A route of the API: who may call it, what it takes, what it answers.

What is said of a route here is both what happens and what is told of it at /openapi.json (description.py).
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import GenericAlias
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast.accounts.gate import EndedMeanwhileError
from framecast.accounts.identity import Identity
from framecast.accounts.permissions import Action, check
from framecast.api.bodies import JsonBodies

Handler = Callable[[Request], Awaitable[Response]]


def check_stands(request: Request) -> None:
    """Refusal 401 for a caller whose credential was revoked, or gives other rights, since the gate.

    To be asked when a body has arrived. It may take a minute, and whoever has one under way all the time could
    otherwise make a new token behind the end of the old one.
    """
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is not None and not request.state.stands(identity):
        raise EndedMeanwhileError


class Problem(BaseModel):
    """What a refused request is answered with."""

    message: str


PROBLEM = Problem
NOTHING = None
"""An answer without a body."""


@dataclass(frozen=True, slots=True)
class Media:
    """An answer, or a body, that pydantic has no part in: text, or JSON that passes through as it is."""

    media_type: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    """Of JSON that its route reads by itself."""

    def describe(self) -> dict[str, Any]:
        """As OpenAPI's content."""
        schema = {"type": "string"} if self.schema is None else self.schema
        return {self.media_type: {"schema": {**schema, "description": self.description}}}


Answer = type | GenericAlias | Media | None
"""The type of a JSON answer, of which pydantic makes a schema; or another."""


@dataclass(frozen=True, slots=True)
class JsonBody:
    """What a route takes: JSON of at most `max_bytes`, which `setting` limits."""

    bodies: JsonBodies
    max_bytes: int
    setting: str = "api.body_bytes"


class ApiRoute(APIRoute):
    """One route. Its caller is asked for the permission before a byte of the body is read.

    `needs` None is for what everybody may who got past the gate; a route that asks more in its endpoint names the 403
    among its `answers`, which are by status, the good one first. What every route of a kind answers is added to them:
    400 where there is something to get wrong, 401, 429, and what becomes of bodies. `described` is False for another
    spelling of a route.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Any]],
        *,
        answers: Mapping[int, Answer],
        methods: Sequence[str] = ("GET",),
        needs: Action | None = None,
        takes: JsonBody | Media | None = None,
        described: bool = True,
    ) -> None:
        self.needs = needs
        self._json_body = takes if isinstance(takes, JsonBody) else None
        if "GET" in methods:
            methods = [*methods, "HEAD"]
        status, good = next(iter(answers.items()))
        others = self._usual_problems() | {code: answer for code, answer in answers.items() if code != status}
        summary, description = _read_docstring(endpoint)
        super().__init__(
            path,
            endpoint,
            methods=list(methods),
            status_code=status,
            response_model=good if _is_json(good) else None,
            response_class=JSONResponse if _is_json(good) else Response,
            responses={
                status: {"content": good.describe()} if isinstance(good, Media) else {},
                **{code: _describe(answer) for code, answer in others.items()},
            },
            summary=summary,
            description=description,
            include_in_schema=described,
            openapi_extra={"requestBody": {"content": takes.describe()}} if isinstance(takes, Media) else None,
        )
        self.path_regex = _exactly(self.path_regex)

    def get_route_handler(self) -> Handler:  # type: ignore[override]  # a coroutine function is more than FastAPI needs
        """What serves a request."""
        return partial(self._handle, super().get_route_handler())

    async def _handle(self, inner: Handler, request: Request) -> Response:
        if self.needs is not None:
            check(request.state.identity, self.needs)
        if self._json_body is None:
            return await inner(request)
        body = self._json_body
        async with body.bodies.read(request, body.max_bytes, body.setting) as read:
            check_stands(request)
            return await inner(read)

    def _usual_problems(self) -> dict[int, Answer]:
        codes = [400, 401, 429]
        if self.needs is not None:
            codes.append(403)
        if self._json_body is not None:
            codes += [408, 413, 415, 503]
        return dict.fromkeys(codes, PROBLEM)


async def _find_identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


Caller = Annotated[Identity, Depends(_find_identity)]
"""Who calls, as the gate knows it."""


def _exactly(path: re.Pattern[str]) -> re.Pattern[str]:
    """The same pattern, for the whole path and nothing more.

    Starlette's ends with `$`, which takes a line break behind it (`/logout%0A`) too. The gate and the rules for pages
    go by the path as it is, so what they do not know must lead nowhere.
    """
    return re.compile(path.pattern.removesuffix("$") + r"\Z")


def _read_docstring(endpoint: Callable[..., Any]) -> tuple[str, str]:
    """Its first line and the rest."""
    summary, _, rest = (endpoint.__doc__ or "").partition("\n")
    lines = [line.strip() for line in rest.strip().splitlines()]
    return summary.strip(), "\n".join(lines)


def _is_json(answer: Answer) -> bool:
    return answer is not None and not isinstance(answer, Media)


def _describe(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Media):
        return {"content": answer.describe()}
    return {} if answer is None else {"model": answer}
