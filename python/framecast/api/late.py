"""Answers of our own rooms to requests that came behind another one on a connection the app holds."""

from collections.abc import Awaitable

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from framecast.api.problems import problem
from framecast.door.answer import Answer
from framecast.door.head import RequestHead


async def respond(answering: Awaitable[Answer]) -> Response:
    """A room's answer as a response; 408, which mostly nobody reads, when the sender left or was too slow."""
    try:
        answer = await answering
    except ClientDisconnect:
        return problem(408, "the body did not arrive whole")
    return Response(answer.body, answer.status, dict(answer.headers))


NEIGHBOUR = "neighbour"
"""Where a request's state has the address at the other end of its connection."""


def head_of(scope: Scope) -> RequestHead:
    """The request as the gate and the door's checks want it: the path is the one that was routed by, decoded."""
    client = scope.get("client")
    peer = client[0] if client else ""
    return RequestHead(
        method=scope["method"],
        target=scope["raw_path"].decode("latin-1"),
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        version=scope["http_version"],
        headers=tuple(scope["headers"]),
        peer=peer,
        neighbour=scope.get("state", {}).get(NEIGHBOUR, peer),
    )
