"""What is remembered of a stream's pushes for who asks about it: counts, the last minute, limits met, newest errors.

Lives as long as its stream and only in memory. Everything is bounded: the counts by the fixed set of reasons, the
errors in number and bytes. Times are the stream's clock.
"""

import sys
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from framecast.errors import Refusal
from framecast.streams.rate import MinuteRate
from framecast.streams.rejections import Rejected, Rejections

if TYPE_CHECKING:
    from framecast._core import PushResult

MAX_ERRORS = 20
"""Errors that one stream remembers."""

MAX_MISMATCHES = 5
"""Columns that are told of."""

MAX_MESSAGE_CHARACTERS = 500
"""Of an error's message; only a name made of nothing but unprintable characters takes more."""

ERROR_BYTES = 250
"""What an error costs beside its message."""

LIMITS: Mapping[str, str | None] = MappingProxyType(
    {
        "measurement_limit": "streams.max_measurements",
        "column_limit": "streams.max_columns",
        "schema_limit": "streams.packet_bytes",
        "row_limit": "streams.packet_bytes",
        "output_limit": "streams.output_bytes",
        "json_limit": "push.json_lines_bytes",
        "schemas_limit": "streams.schemas_bytes",
        "path_limit": None,
        "too_long": None,
        "too_many_tags": None,
        "too_many_fields": None,
        "body_limit": "push.body_bytes",
        "body_time_limit": "push.body_seconds",
        "gzip_member_limit": "push.gzip_members",
        "waiting_limit": "push.waiting_bytes",
    }
)
"""The reasons that are limits, and the setting that each is; None for those that are fixed."""


@dataclass(frozen=True, slots=True)
class PushError:
    """A refused line; a push refused whole has no place."""

    at: float
    line: int | None
    column: int | None
    """In bytes; both count from 1 in the body that was pushed."""
    reason: str
    message: str

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        return ERROR_BYTES + sys.getsizeof(self.message)


def error_of(refusal: Refusal, at: float) -> PushError:
    """A push refused whole, as it is remembered."""
    return PushError(at, None, None, _reason_of(refusal), _cut(refusal.message))


def error_of_line(one: Rejected, at: float) -> PushError:
    """A refused line, as it is remembered."""
    return PushError(at, one.line, one.column, sys.intern(one.reason), _cut(one.message))


class Ledger:
    """One stream's. `error_bytes` bounds what its errors take in memory."""

    def __init__(self, began_at: float, *, error_bytes: int) -> None:
        self.began_at = began_at
        self.pushed_at: float | None = None
        self.pushes = 0
        self.pushed_bytes = 0
        self.accepted_lines = 0
        self.rejected_lines: Counter[str] = Counter()
        """By reason."""
        self.refused_pushes: Counter[str] = Counter()
        """Those of which nothing was taken, by reason; they are not among `pushes`."""
        self.late_rows = 0
        """Rows older than the newest of their measurement."""
        self.mismatched_values = 0
        self.mismatches: tuple[str, ...] = ()
        """What did not fit which column, a sentence each, of the last push that had such values."""
        self.mismatched_at: float | None = None
        self.last_met: dict[str, float] = {}
        """When a limit was last met, by reason."""
        self.push_rate = MinuteRate()
        self.byte_rate = MinuteRate()
        self.accepted_rate = MinuteRate()
        self.rejected_rate = MinuteRate()
        self._errors: deque[PushError] = deque()
        self._free_bytes = error_bytes

    @property
    def errors(self) -> list[PushError]:
        """The newest errors, the newest push first and its lines in order."""
        return sorted(self._errors, key=lambda error: -error.at)

    @property
    def newest_error(self) -> PushError | None:
        """The first error of the last push that had one."""
        return next(iter(self.errors), None)

    def note_push(self, body_bytes: int, result: "PushResult", now: float) -> None:
        """Count a push that was taken, with or without bad lines."""
        second = int(now)
        self.pushed_at = now
        self.pushes += 1
        self.pushed_bytes += body_bytes
        self.accepted_lines += result.accepted
        self.late_rows += result.late
        self.push_rate.add(second)
        self.byte_rate.add(second, body_bytes)
        self.accepted_rate.add(second, result.accepted)
        if result.mismatched:
            self.mismatched_values += result.mismatched
            self.mismatches = tuple(_cut(sentence) for sentence in result.mismatches[:MAX_MISMATCHES])
            self.mismatched_at = now
        if result.rejected:
            self.note_rejections(result, now)

    def note_rejections(self, refused: Rejections, now: float) -> None:
        """Count refused lines, or rows that became none."""
        self.rejected_rate.add(int(now), refused.rejected)
        reasons = {sys.intern(reason): count for reason, count in refused.reasons.items()}
        self.rejected_lines.update(reasons)
        self.last_met.update((reason, now) for reason in reasons if reason in LIMITS)
        for one in refused.rejections[:MAX_ERRORS]:
            self._keep(error_of_line(one, now))

    def note_refusal(self, refusal: Refusal, now: float) -> None:
        """Count a push of which nothing was taken."""
        reason = _reason_of(refusal)
        self.refused_pushes[reason] += 1
        if reason in LIMITS:
            self.last_met[reason] = now
        self._keep(error_of(refusal, now))

    def times_met(self, reason: str) -> int:
        """How many lines or pushes met the limit that `reason` stands for."""
        return self.rejected_lines[reason] + self.refused_pushes[reason]

    def _keep(self, error: PushError) -> None:
        self._errors.append(error)
        self._free_bytes -= error.size_bytes
        while self._errors and (self._free_bytes < 0 or len(self._errors) > MAX_ERRORS):
            self._free_bytes += self._errors.popleft().size_bytes


def _reason_of(refusal: Refusal) -> str:
    return refusal.reason or f"status_{refusal.code}"


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else message[:MAX_MESSAGE_CHARACTERS] + "…"
