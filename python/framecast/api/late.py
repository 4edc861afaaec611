"""Answers of our own rooms to requests that came behind another one on a connection the app holds."""

from collections.abc import Awaitable

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from framecast.api.problems import problem
from framecast.door.answer import Answer


async def respond(answering: Awaitable[Answer]) -> Response:
    """A room's answer as a response; 408, which mostly nobody reads, when the sender left or was too slow."""
    try:
        answer = await answering
    except ClientDisconnect:
        return problem(408, "the body did not arrive whole")
    return Response(answer.body, answer.status, dict(answer.headers))
