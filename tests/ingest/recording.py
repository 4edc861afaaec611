"""A stream room that keeps what it is given, and a small judge of lines in place of the parser."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import trio

from framecast.accounts.gate import Stands, Unchanged, nobody_stays, open_gate, whoever_got_in
from framecast.accounts.rates import Rates
from framecast.errors import Refusal
from framecast.ingest.push import Intake
from framecast.settings import Push


@dataclass(frozen=True)
class RefusedLine:
    line: int
    column: int
    reason: str
    message: str


@dataclass(frozen=True)
class Outcome:
    accepted: int
    rejections: list[RefusedLine]
    mismatches: list[str] = field(default_factory=list)
    late: int = 0
    packets: list[Any] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        return len(self.rejections)

    @property
    def mismatched(self) -> int:
        return len(self.mismatches)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(one.reason for one in self.rejections))


class RecordingStreams:
    """Every line that begins with ``bad`` is refused, with ``odd`` does not fit, with ``late`` is late.

    A stream called ``full`` meets a limit.
    """

    def __init__(self) -> None:
        self.refused: list[tuple[int, str, str]] = []
        self.noted: list[tuple[int, str, dict[str, int]]] = []
        self.pushed: list[tuple[int, str, bytes]] = []
        self.precisions: list[str] = []
        self.formats: list[str | None] = []

    async def push(
        self,
        org_id: int,
        stream_id: str,
        body: bytes,
        received_ns: int,
        *,
        precision: str = "ns",
        frame_format: str | None = None,
    ) -> Any:
        if stream_id == "full":
            raise Refusal(429, "one stream too many", temporary=True)
        assert received_ns > 1_700_000_000 * 10**9
        self.pushed.append((org_id, stream_id, body))
        self.precisions.append(precision)
        self.formats.append(frame_format)
        lines = body.splitlines()
        bad = [
            RefusedLine(number, 4, "missing_fields", f"line {number}: no fields\x1b[31m")
            for number, line in enumerate(lines, 1)
            if line.startswith(b"bad")
        ]
        odd = [f"line {number}: odd" for number, line in enumerate(lines, 1) if line.startswith(b"odd")]
        late = sum(line.startswith(b"late") for line in lines)
        return Outcome(len(lines) - len(bad), bad, odd, late)

    def note_refusal(self, org_id: int, stream_id: str, refusal: Refusal) -> None:
        self.refused.append((org_id, stream_id, refusal.reason))

    def note_rejections(self, org_id: int, stream_id: str, rejections: Any) -> None:
        self.noted.append((org_id, stream_id, rejections.reasons))

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, _, body in self.pushed]


def make_intake(
    limits: Push | None = None,
    gate: Any = open_gate,
    stands: Stands = whoever_got_in,
    rates: Rates | None = None,
    *,
    unchanged: Unchanged = nobody_stays,
) -> tuple[Intake, RecordingStreams]:
    streams = RecordingStreams()
    return Intake(streams, gate, limits or Push(), stands, unchanged=unchanged, rates=rates), streams


def count_turns(nursery: trio.Nursery) -> list[int]:
    """Begin to count, in the one number returned, how often a task that always wants to run gets to it."""
    turns = [0]

    async def run() -> None:
        while True:
            await trio.lowlevel.checkpoint()
            turns[0] += 1

    nursery.start_soon(run)
    return turns
