"""``POST /api/live/push/{stream}``: one request, one batch. With a ``/{measurement}`` behind it the batch is JSON.

A batch with bad lines is still answered with 204, because the good lines are stored and Telegraf's HTTP output
resends a refused batch for ever; the headers ``Framecast-Accepted`` and ``Framecast-Rejected`` always say how many.
``?report=1`` answers 200 with a report of the refused lines. ``?strict=1`` answers 400 with the same report when a
line was refused; **the good lines are stored in that case too**. ``?precision=`` is the unit of the timestamps.
Parameters nobody knows are ignored.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from urllib.parse import parse_qsl

import msgspec

from framecast import metrics
from framecast.door.answer import Answer, Headers, json_answer, refusal_answer
from framecast.door.connection import ExchangeRoom
from framecast.door.exchange import Exchange
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.acknowledgement import describe_rejections, describe_remarks
from framecast.ingest.json_rows import JsonRows, find_misplaced, parse_json_reading
from framecast.ingest.outcome import Outcome
from framecast.ingest.precision import find_precision
from framecast.ingest.push import (
    FRAME_FORMAT,
    Intake,
    decode_stream_id,
    find_target,
    is_yes,
    parse_frame_format,
)

METHODS = ("POST", "PUT", "PATCH")
_ALLOW = (("Allow", "GET, POST, PUT, PATCH"),)


class PushRequest(msgspec.Struct, frozen=True):
    """What of a request decides about a push, however it came."""

    head: RequestHead
    target: str
    """What the path has behind the push path, percent-encoded: a stream's id, or ``id/measurement``."""
    content_type: str = ""
    encoding: str = ""
    declared_bytes: int | None = None
    arrived: bytes | None = None
    """The whole body, where it is here already."""


class HttpPush:
    """Answers push requests. One for the server."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._json = JsonRows(intake)

    def find_room(self, head: RequestHead) -> ExchangeRoom | None:
        """The room of a push over HTTP; None for anything else, other methods on the push path included."""
        if head.method not in METHODS or find_target(head.path) is None:
            return None
        return self.serve

    async def serve(self, exchange: Exchange) -> Answer:
        """Answer a push that came through the door. Disconnected when the peer left."""
        return await self.answer(describe_request(exchange.head, exchange.take_whole()), exchange)

    async def push_from_app(self, head: RequestHead, chunks: AsyncGenerator[bytes, None]) -> Answer:
        """Answer a push that reached the application on a kept-alive connection: same limits, same answers.

        `chunks` is closed here; what it raises goes through.
        """
        async with aclosing(chunks):
            return await self.answer(describe_request(head), chunks)

    async def answer(self, request: PushRequest, chunks: AsyncIterator[bytes]) -> Answer:
        """Read the body, push it, and answer; every refusal is an answer too."""
        try:
            answer = await self._push(request, chunks)
        except Refusal as refusal:
            answer = refusal_answer(refusal, _ALLOW if refusal.code == 405 else ())
        metrics.push_requests_with(answer.status).inc()
        return answer

    async def _push(self, request: PushRequest, chunks: AsyncIterator[bytes]) -> Answer:
        if request.head.method not in METHODS:
            raise Refusal(405, "push with POST, or open a WebSocket on this path")
        identity = await self._intake.admit(request.head)
        encoded, slash, path = request.target.partition("/")
        stream_id = decode_stream_id(encoded)
        self._intake.check_may_push(identity, stream_id, request.head)
        query = _read_query(request.head.query)
        with self._intake.budget.hold() as held:
            with self._intake.noting_refusals(identity, stream_id):
                reading = parse_json_reading(path, request.content_type, query) if slash else None
                frame_format = parse_frame_format(query.get(FRAME_FORMAT, ""))
                precision = find_precision(query.get("precision", ""))
                body = await self._intake.read(identity, request, chunks, held)
            self._intake.check_stands(identity)
            result: Outcome | None
            if reading is not None:
                result = await self._json.push(identity, stream_id, body, reading, held, frame_format=frame_format)
            elif result := find_misplaced(stream_id, request.content_type, body):
                self._intake.note_rejections(identity, stream_id, result)
                self._intake.count(identity, stream_id, len(body), result)
            else:
                result = await self._intake.push(
                    identity, stream_id, body, precision=precision, frame_format=frame_format
                )
        strict = result.rejected > 0 and is_yes(query.get("strict", ""))
        return _describe_result(result, strict=strict, report=is_yes(query.get("report", "")))


def _read_query(query: str) -> dict[str, str]:
    """The parameters; `tags` may be repeated, of any other the last value counts."""
    pairs = parse_qsl(query, keep_blank_values=True) if query else []
    values = dict(pairs)
    if "tags" in values:
        values["tags"] = ",".join(value for name, value in pairs if name == "tags")
    return values


def describe_request(head: RequestHead, arrived: bytes | None = None) -> PushRequest:
    """Take out of a request what decides about its push; `arrived` is its whole body, where it is here already."""
    content_type, encodings, declared = "", [], None
    for name, value in head.headers:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"content-encoding":
            encodings.append(value.decode("latin-1"))
        elif name == b"content-length" and value.isdigit():
            declared = int(value[:18])
    return PushRequest(head, find_target(head.path) or "", content_type, ",".join(encodings), declared, arrived)


def count_headers(result: Outcome) -> Headers:
    """The headers that say how many lines were stored and refused."""
    return (("Framecast-Accepted", str(result.accepted)), ("Framecast-Rejected", str(result.rejected)))


def _describe_result(result: Outcome, *, strict: bool, report: bool) -> Answer:
    counts = count_headers(result)
    if not (strict or report):
        return Answer(204, counts)
    document: dict[str, object] = {
        "accepted": result.accepted,
        "rejected": result.rejected,
        "rejections": describe_rejections(result),
        **describe_remarks(result),
    }
    if strict:
        document = {"message": f"{result.rejected} lines were refused, {result.accepted} were stored", **document}
    return json_answer(400 if strict else 200, document, counts)
