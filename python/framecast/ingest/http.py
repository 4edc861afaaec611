"""``POST /api/live/push/{stream}``: one request, one batch. With a ``/{measurement}`` behind it the batch is JSON.

A batch with bad lines is still answered with 204, because the good lines are stored and Telegraf's HTTP output
resends a refused batch for ever; the headers ``Framecast-Accepted`` and ``Framecast-Rejected`` always say how many.
``?report=1`` answers 200 with a report of the refused lines. ``?strict=1`` answers 400 with the same report when a
line was refused; **the good lines are stored in that case too**. ``?precision=`` is the unit of the timestamps.
Parameters nobody knows are ignored.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property, lru_cache, partial
from urllib.parse import parse_qsl

from framecast import metrics
from framecast.accounts.identity import Identity
from framecast.door.answer import Answer, Headers, json_answer, refusal_answer
from framecast.door.connection import ExchangeRoom
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from framecast.ingest.acknowledgement import describe_rejections, describe_remarks
from framecast.ingest.body import Body, LateBody, find_content_type, find_encoding
from framecast.ingest.json_rows import JsonReading, JsonRows, find_misplaced, is_json, parse_json_reading
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
from framecast.settings import FrameFormat

METHODS = ("POST", "PUT", "PATCH")
_ALLOW = (("Allow", "GET, POST, PUT, PATCH"),)


class PushAsked:
    """What the head of a push asks for, worked out once for all requests of a connection that have the same head.

    Its properties raise Refusal 400, each time, for what cannot be had.
    """

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.identity: Identity | None = None
        """Who was let in last."""
        self.content_type = find_content_type(head)
        self.encoding = find_encoding(head)
        self.says_json = is_json(self.content_type)
        self._query = _read_query(head.query)
        self._encoded_id, self._slash, self._path = (find_target(head.path) or "").partition("/")
        self.strict = is_yes(self._query.get("strict", ""))
        self.report = is_yes(self._query.get("report", ""))

    @cached_property
    def stream_id(self) -> str:
        """Whose rows they are."""
        return decode_stream_id(self._encoded_id)

    @cached_property
    def reading(self) -> JsonReading | None:
        """How the body is read as JSON; None for line protocol."""
        return parse_json_reading(self._path, self.content_type, self._query) if self._slash else None

    @cached_property
    def frame_format(self) -> FrameFormat | None:
        """That of a new stream; None leaves it to the settings."""
        return parse_frame_format(self._query.get(FRAME_FORMAT, ""))

    @cached_property
    def precision(self) -> str:
        """The unit of line protocol's times."""
        return find_precision(self._query.get("precision", ""))


class HttpPush:
    """Answers push requests. One for the server."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._json = JsonRows(intake)

    def find_room(self, head: RequestHead) -> ExchangeRoom | None:
        """The room of a push over HTTP; None for anything else, other methods on the push path included."""
        if head.method not in METHODS or find_target(head.path) is None:
            return None
        return partial(self._serve, PushAsked(head))

    async def push_from_app(self, head: RequestHead, chunks: AsyncGenerator[bytes, None]) -> Answer:
        """Answer a push that reached the application on a kept-alive connection: same limits, same answers.

        `chunks` is closed here; what it raises goes through.
        """
        async with aclosing(chunks):
            return await self._serve(PushAsked(head), LateBody(head, chunks))

    async def _serve(self, asked: PushAsked, body: Body) -> Answer:
        """Read the body, push it, and answer; every refusal is an answer too. Disconnected when the peer left."""
        try:
            answer = await self._push(asked, body)
        except Refusal as refusal:
            answer = refusal_answer(refusal, _ALLOW if refusal.code == 405 else ())
        metrics.push_requests.add(1, str(answer.status))
        return answer

    async def _push(self, asked: PushAsked, arriving: Body) -> Answer:
        head, intake = asked.head, self._intake
        if head.method not in METHODS:
            raise Refusal(405, "push with POST, or open a WebSocket on this path")
        identity = asked.identity
        if identity is None or not intake.is_unchanged(identity):
            identity = asked.identity = await intake.admit(head)
        stream_id = asked.stream_id
        intake.check_may_push(identity, stream_id, head)
        with intake.budget.hold() as held:
            with intake.noting_refusals(identity, stream_id):
                reading, frame_format, precision = asked.reading, asked.frame_format, asked.precision
                body = await intake.read(identity, head, asked.encoding, arriving, held)
            intake.check_stands(identity)
            result: Outcome | None
            if reading is not None:
                result = await self._json.push(identity, stream_id, body, reading, held, frame_format=frame_format)
            elif result := find_misplaced(stream_id, body) if asked.says_json else None:
                intake.note_rejections(identity, stream_id, result)
                intake.count(identity, stream_id, len(body), result)
            else:
                result = await intake.push(identity, stream_id, body, precision=precision, frame_format=frame_format)
        return _describe_result(result, strict=result.rejected > 0 and asked.strict, report=asked.report)


def _read_query(query: str) -> dict[str, str]:
    """The parameters; `tags` may be repeated, of any other the last value counts."""
    pairs = parse_qsl(query, keep_blank_values=True) if query else []
    values = dict(pairs)
    if "tags" in values:
        values["tags"] = ",".join(value for name, value in pairs if name == "tags")
    return values


@lru_cache
def count_headers(accepted: int, rejected: int) -> Headers:
    """The headers that say how many lines were stored and refused."""
    return (("Framecast-Accepted", str(accepted)), ("Framecast-Rejected", str(rejected)))


def _describe_result(result: Outcome, *, strict: bool, report: bool) -> Answer:
    counts = count_headers(result.accepted, result.rejected)
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
