"""``POST /api/v2/write`` and ``POST /write``: the push for clients of InfluxDB 2 and 1, answered as they expect.

The bucket, or the database, is the stream's id. Good lines are always stored. Where lines were refused the answer is
400 and names the first: these clients then drop the batch and go on, where one on the push path would send it again
for ever. So no status that makes them drop a batch may be given to a batch that was not taken but could be later.
"""

import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from framecast import metrics
from framecast.accounts.identity import Identity
from framecast.channels.address import is_namespace
from framecast.door.answer import Answer, json_answer, refusal_answer
from framecast.door.connection import ExchangeRoom
from framecast.door.head import RequestHead
from framecast.errors import Refusal, printable
from framecast.ingest.body import Body, LateBody, find_encoding
from framecast.ingest.http import count_headers
from framecast.ingest.precision import PRECISIONS, PRECISIONS_V1, find_precision
from framecast.ingest.push import Intake

if TYPE_CHECKING:
    from framecast._core import PushResult

_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    413: "request too large",
    415: "unsupported media type",
    429: "too many requests",
    503: "unavailable",
}
"""InfluxDB 2's words; any other refusal is ``invalid``."""


def _refusal_v2(status: int, message: str) -> dict[str, object]:
    return {"code": _CODES.get(status, "internal error" if status >= 500 else "invalid"), "message": message}


def _partial_v2(result: "PushResult", first: str) -> dict[str, object]:
    total = result.accepted + result.rejected
    return {
        **_refusal_v2(400, f"partial write: {result.rejected} of {total} lines refused: {first}"),
        "line": result.rejections[0].line,
        "accepted": result.accepted,
        "rejected": result.rejected,
    }


def _refusal_v1(status: int, message: str) -> dict[str, object]:
    del status
    return {"error": message}


def _partial_v1(result: "PushResult", first: str) -> dict[str, object]:
    return {"error": f"partial write: {first} dropped={result.rejected}"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one version of InfluxDB's clients says and expects."""

    stream_parameter: str
    precisions: Mapping[str, str]
    describe_refusal: Callable[[int, str], dict[str, object]]
    describe_partial: Callable[["PushResult", str], dict[str, object]]
    """From a result with refused lines, and what is wrong with the first of them."""
    takes_password: bool = False
    """Whether ``u`` and ``p`` in the query stand for an Authorization header."""


DIALECTS: Mapping[str, Dialect] = {
    "/api/v2/write": Dialect("bucket", PRECISIONS, _refusal_v2, _partial_v2),
    "/write": Dialect("db", PRECISIONS_V1, _refusal_v1, _partial_v1, takes_password=True),
}
"""By path."""


class WriteAsked:
    """What the head of a write asks for, worked out once for all requests of a connection that have the same head.

    Its properties raise Refusal 400, each time, for what cannot be had.
    """

    def __init__(self, head: RequestHead) -> None:
        self.dialect = DIALECTS[head.path]
        self._query = dict(parse_qsl(head.query))
        self.head = head
        self.shown = _with_password(head, self.dialect, self._query)
        """The same, with all that it shows of who sends it as a header."""
        self.identity: Identity | None = None
        """Who was let in last."""
        self.encoding = find_encoding(head)

    @cached_property
    def stream_id(self) -> str:
        """Whose rows they are."""
        return _find_stream(self.dialect, self._query)

    @cached_property
    def precision(self) -> str:
        """The unit of the times."""
        return find_precision(self._query.get("precision", ""), self.dialect.precisions)


class InfluxWrites:
    """Answers writes of InfluxDB's clients. One for the server."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def find_room(self, head: RequestHead) -> ExchangeRoom | None:
        """The room of a write; None for anything else."""
        return partial(self._serve, WriteAsked(head)) if head.method == "POST" and head.path in DIALECTS else None

    async def write_from_app(self, head: RequestHead, chunks: AsyncGenerator[bytes, None]) -> Answer:
        """Answer a write that reached the application on a kept-alive connection. `chunks` is closed here."""
        async with aclosing(chunks):
            return await self._serve(WriteAsked(head), LateBody(head, chunks))

    async def _serve(self, asked: WriteAsked, body: Body) -> Answer:
        """Answer a write. Disconnected when the peer left."""
        try:
            answer = await self._write(asked, body)
        except Refusal as refusal:
            if refusal.code == 408:  # Telegraf drops a batch that is answered so, and keeps one that is answered 503
                refusal = Refusal(503, refusal.message, temporary=True)
            answer = refusal_answer(refusal)
            answer = msgspec.structs.replace(
                answer, body=msgspec.json.encode(asked.dialect.describe_refusal(answer.status, refusal.message))
            )
        metrics.push_requests.add(1, str(answer.status))
        return answer

    async def _write(self, asked: WriteAsked, arriving: Body) -> Answer:
        intake = self._intake
        identity = asked.identity
        if identity is None or not intake.is_unchanged(identity):
            identity = asked.identity = await intake.admit(asked.shown)
        stream_id = asked.stream_id
        intake.check_may_push(identity, stream_id, asked.head)
        with intake.budget.hold() as held:
            with intake.noting_refusals(identity, stream_id):
                precision = asked.precision
                body = await intake.read(identity, asked.head, asked.encoding, arriving, held)
            intake.check_stands(identity)
            result = await intake.push(identity, stream_id, body, precision=precision)
        counts = count_headers(result.accepted, result.rejected)
        if not result.rejected:
            return Answer(204, counts)
        return json_answer(400, asked.dialect.describe_partial(result, result.rejections[0].message), counts)


def _with_password(head: RequestHead, dialect: Dialect, query: Mapping[str, str]) -> RequestHead:
    """The request with its name and password as a header: InfluxDB 1 lets those in the query go before one."""
    if not (dialect.takes_password and "u" in query):
        return head
    pair = f"{query['u']}:{query.get('p', '')}"
    others = tuple((name, value) for name, value in head.headers if name != b"authorization")
    return msgspec.structs.replace(
        head, headers=(*others, (b"authorization", b"Basic " + base64.b64encode(pair.encode())))
    )


def _find_stream(dialect: Dialect, query: Mapping[str, str]) -> str:
    name = dialect.stream_parameter
    found = query.get(name, "")
    if not found:
        raise Refusal(400, f"no {name}: write to ?{name}=<stream id>")
    if not is_namespace(found):
        raise Refusal(
            400,
            f"{name} '{printable(found)}' is the stream's id here and cannot be part of a channel name: use letters, "
            "digits, _ - . only, no /retention-policy, and fewer than 160 characters",
        )
    return found
