"""``POST /api/live/push/{stream}/{measurement}``: JSON, whose objects and data frames become rows.

The core turns them into lines of that measurement, which then go the way of every pushed line. What is reported counts
rows: the first object of a body, or the first row of its first frame, is row 1.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import trio

from framecast._core import JsonLines, json_to_lines
from framecast.accounts.identity import Identity
from framecast.errors import Refusal
from framecast.ingest.held import Held
from framecast.ingest.precision import find_precision
from framecast.ingest.push import PUSH_PATH, Intake
from framecast.settings import FrameFormat
from framecast.streams.rejections import Rejected

if TYPE_CHECKING:
    from framecast._core import PushResult

NEWLINE_DELIMITED = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_BEGINS_JSON = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[\]{])")
"""No measurement of anybody's begins so."""
_GROWTH = 8
"""A body may become many times its size, so it goes to a thread that many times earlier than line protocol does."""


@dataclass(frozen=True, slots=True)
class JsonReading:
    """How a JSON body is to be read."""

    measurement: str
    newline_delimited: bool
    time_key: str | None
    """None is the usual ones, empty none at all."""
    tag_keys: frozenset[str]
    precision: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One refused row; `line` is its number."""

    line: int
    column: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a JSON body. A row of a wide frame is a line for each set of labels, accepted or refused alone."""

    accepted: int
    rejected: int
    rejections: list[Rejected]
    reasons: Mapping[str, int]
    mismatched: int = 0
    mismatches: Sequence[str] = ()
    late: int = 0


def parse_json_reading(path: str, content_type: str, query: Mapping[str, str]) -> JsonReading:
    """Read what path, Content-Type and query say of a JSON body. Refusal 400 for a body that is not said to be JSON."""
    if not is_json(content_type):
        raise Refusal(
            400,
            "this path takes JSON: send it with Content-Type: application/json, or line protocol to "
            f"{PUSH_PATH}<stream id> without a measurement in the path",
            reason="not_json",
        )
    if not path or path.endswith("/"):
        raise Refusal(
            400,
            f"the path must end with the measurement's name: {PUSH_PATH}<stream id>/<measurement> (a slash at the "
            "name's own end is %2F)",
            reason="bad_measurement",
        )
    try:
        measurement = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        message = "the measurement in the path is not UTF-8; percent-encode its UTF-8 bytes"
        raise Refusal(400, message, reason="bad_measurement") from None
    return JsonReading(
        measurement,
        newline_delimited=_media_type(content_type) in NEWLINE_DELIMITED,
        time_key=query.get("time"),
        tag_keys=frozenset(key for key in query.get("tags", "").split(",") if key),
        precision=find_precision(query.get("precision", "") or "auto"),
    )


def is_json(content_type: str) -> bool:
    """Whether a Content-Type stands for JSON, whole or one value a line."""
    media_type = _media_type(content_type)
    is_suffixed = media_type.startswith("application/") and media_type.endswith("+json")
    return is_suffixed or media_type == "application/json" or media_type in NEWLINE_DELIMITED


def find_misplaced(stream_id: str, body: bytes) -> RowOutcome | None:
    """One rejection with the right path for a body that is JSON, as its Content-Type says; None for anything else."""
    if not _BEGINS_JSON.match(body):
        return None
    message = (
        f"line 1, column 1: this body is JSON, and this path takes line protocol; push it to "
        f"{PUSH_PATH}{stream_id}/<measurement>"
    )
    return RowOutcome(0, 1, [RejectedRow(1, 1, "json_body", message)], {"json_body": 1})


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class JsonRows:
    """Pushes JSON bodies. One for the server; large bodies of all senders take turns in its threads."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._turns = trio.CapacityLimiter(intake.limits.parser_threads)

    async def push(
        self,
        identity: Identity,
        stream_id: str,
        body: bytes,
        reading: JsonReading,
        held: Held,
        *,
        frame_format: FrameFormat | None,
    ) -> RowOutcome:
        """Push a body that is counted in `held`. Refusal 400 for no JSON, 503 for no room, else as of `Intake.push`."""
        with self._intake.noting_refusals(identity, stream_id):
            rows = await self._translate(body, reading, held)
        result = await self._intake.store(identity, stream_id, rows.lines, precision="ns", frame_format=frame_format)
        if rows.rejected:
            self._intake.note_rejections(identity, stream_id, rows)
        outcome = _join(rows, result, self._intake.limits.report_lines)
        self._intake.count(identity, stream_id, len(body), outcome)
        return outcome

    async def _translate(self, body: bytes, reading: JsonReading, held: Held) -> JsonLines:
        limits = self._intake.limits
        translate = partial(
            json_to_lines,
            body,
            reading.measurement,
            newline_delimited=reading.newline_delimited,
            time_key=reading.time_key,
            tag_keys=set(reading.tag_keys),
            precision=reading.precision,
            max_output_bytes=limits.json_lines_bytes,
            max_rejections=limits.report_lines,
        )
        try:
            if len(body) * _GROWTH < limits.thread_body_bytes:
                rows = translate()
            else:
                async with self._turns:
                    held.resize(len(body) + limits.json_lines_bytes)
                    rows = await trio.to_thread.run_sync(translate)
        except ValueError as error:
            # Trio's frame keeps what a thread raised: a cycle that would hold the body until the next collection.
            raise Refusal(400, str(error.with_traceback(None)), reason="bad_json") from None
        held.resize(len(body) + len(rows.lines))
        return rows


def _join(rows: JsonLines, result: "PushResult", max_rejections: int) -> RowOutcome:
    """What neither became lines nor, of these, rows of the stream: by the numbers that the rows had in the body."""
    refused: list[Rejected] = list(rows.rejections)
    for one in result.rejections:
        row = rows.find_row(one.line)
        _, _, message = one.message.partition(": ")  # the place before it is one of the lines
        refused.append(RejectedRow(row, 1, one.reason, f"row {row}: {message}"))
    refused.sort(key=lambda one: one.line)
    return RowOutcome(
        accepted=result.accepted,
        rejected=rows.rejected + result.rejected,
        rejections=refused[:max_rejections],
        reasons=Counter(rows.reasons) + Counter(result.reasons),
        mismatched=result.mismatched,
        mismatches=result.mismatches,
        late=result.late,
    )
