"""Pushes that reach the app: they came behind another request on a kept-alive connection.

What is said of them here holds for all others too: the rooms behind the door are the same.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from framecast.api.late import head_of, respond
from framecast.api.routing import NOTHING, PROBLEM, Answer
from framecast.ingest.http import HttpPush

PUSHED: Mapping[int, Answer] = {
    204: NOTHING,
    200: dict,
    400: dict,
    403: PROBLEM,
    404: PROBLEM,
    408: PROBLEM,
    413: PROBLEM,
    415: PROBLEM,
    429: PROBLEM,
    503: PROBLEM,
}
"""204 where all is said by headers; a report is 200, or 400 with ``strict``."""


class PushQuery(BaseModel):
    """What a push may ask for; ingest/http.py reads it."""

    precision: str = Field("", description="The unit of timestamps: ns (without it), us, ms, s or auto.")
    report: str = Field("", description="1: the answer lists refused lines.")
    strict: str = Field("", description="1: where a line was refused the answer is 400. Good lines are stored.")
    gf_live_frame_format: str = Field("", description="Of a new stream: labels_column, wide or series.")


class LatePush:
    """Serves a push over ASGI with the limits and answers that the door's own room gives."""

    def __init__(self, push: HttpPush) -> None:
        self._push = push

    async def serve(
        self,
        request: Request,
        stream: Annotated[str, Path(description="The stream's id; behind a slash a measurement, for JSON.")],
        query: Annotated[PushQuery, Query()],
    ) -> Response:
        """Push line protocol to a stream.

        With a measurement in the path the body is JSON: objects or data frames.
        """
        head = head_of(request.scope)
        # The path as sent: only there an encoded slash is told from one that parts stream and measurement.
        head = msgspec.structs.replace(head, path=head.target)
        return await respond(self._push.push_from_app(head, request.stream()))
