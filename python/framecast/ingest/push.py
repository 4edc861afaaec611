"""A pushed body on its way to its stream: who may, into which stream, what is counted and what is logged.

All ways in end here; the streams themselves are behind `StreamSink`.
"""

import time
from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes

import structlog

from framecast import metrics
from framecast.accounts.denials import Denials
from framecast.accounts.gate import EndedMeanwhileError, Gate, Stands, Unchanged, nobody_stays, whoever_got_in
from framecast.accounts.identity import Identity
from framecast.accounts.permissions import check_push
from framecast.accounts.rates import Rates
from framecast.channels.address import is_namespace
from framecast.complaints import Complaints
from framecast.door.head import RequestHead
from framecast.errors import Refusal, printable
from framecast.ingest.body import Body, BodyReader, find_limit
from framecast.ingest.held import ByteBudget, Held
from framecast.ingest.outcome import Outcome
from framecast.settings import FRAME_FORMATS, Accounts, FrameFormat, Push
from framecast.settings import Rates as RateLimits
from framecast.streams.rejections import Rejections

if TYPE_CHECKING:
    from framecast._core import PushResult

log = structlog.get_logger(__name__)

PUSH_PATH = "/api/live/push/"
FRAME_FORMAT = "gf_live_frame_format"
_YES = frozenset({"1", "true", "yes", "on"})


class StreamSink(Protocol):
    """Where bodies go: parsed, published and kept in the order in which `push` is called for a stream."""

    async def push(
        self,
        org_id: int,
        stream_id: str,
        body: bytes,
        received_ns: int,
        *,
        precision: str,
        frame_format: FrameFormat | None,
    ) -> "PushResult":
        """Take one body; None leaves the frame format to the stream.

        Refusal when the stream cannot be or has another format (400) or a limit is met (429, 503).
        """
        ...

    def note_refusal(self, org_id: int, stream_id: str, refusal: Refusal) -> None:
        """Have the stream remember a push whose body never came to `push`."""
        ...

    def note_rejections(self, org_id: int, stream_id: str, rejections: Rejections) -> None:
        """Have the stream remember what was refused of a body before its lines came to `push`."""
        ...


class Intake:
    """Takes pushed bodies in. One for the server; used by every connection's task."""

    def __init__(
        self,
        sink: StreamSink,
        gate: Gate,
        limits: Push,
        stands: Stands = whoever_got_in,
        *,
        unchanged: Unchanged = nobody_stays,
        rates: Rates | None = None,
        denials: Denials | None = None,
    ) -> None:
        """`gate` counts nobody: `rates` are asked here, and without them there are none but tokens' own."""
        self.rates = Rates(RateLimits()) if rates is None else rates
        self.limits = limits
        self.budget = ByteBudget(
            limits.waiting_bytes,
            full="too many pushed bodies are waiting at once (push.waiting_bytes)",
            gauge=metrics.push_waiting_bytes,
        )
        self.bodies = BodyReader(limits)
        self._sink = sink
        self._gate = gate
        self._stands = stands
        self.is_unchanged = unchanged
        self._denials = Denials(Accounts()) if denials is None else denials
        self._complaints = Complaints(limits.complaint_seconds, limits.complaint_streams, limits.complaint_lines)

    def admit(self, head: RequestHead) -> Awaitable[Identity]:
        """Say who pushes; Refusal 401. Not needed for the same request again, while its identity `is_unchanged`."""
        return self._gate(head)

    def check_may_push(self, identity: Identity, stream_id: str, head: RequestHead) -> None:
        """Refusal 403 for who may not push to this stream, which is told."""
        try:
            check_push(identity, stream_id)
        except Refusal as refusal:
            self._denials.note(identity, head.peer, "push", stream_id, refusal)
            raise

    def check_stands(self, identity: Identity) -> None:
        """To be asked when a body has arrived, which may take a minute: Refusal 401 for who may push no more."""
        if not self._stands(identity):
            raise EndedMeanwhileError

    async def read(self, identity: Identity, head: RequestHead, encoding: str, body: Body, held: Held) -> bytes:
        """Read the body of a push over HTTP, within what its sender may push. Refusal 429, or as of `BodyReader`."""
        address = head.peer
        try:
            counted = self.rates.check_push(identity, address)
        except Refusal as refusal:
            self._denials.note_request(identity, head, refusal)
            raise
        whole = await self.bodies.read(encoding, body, held, find_limit(identity, self.limits))
        if counted:
            self.rates.note_pushed(identity, address, len(whole))
        return whole

    def rest_after(self, identity: Identity, stream_id: str, address: str, size_bytes: int) -> float:
        """For how many seconds nothing is to be read behind a message of so many bytes; told, where there are some."""
        rest = self.rates.take_message(identity, address, size_bytes)
        if rest:
            slowed = Refusal(429, f"too fast: its push WebSocket is not read for {rest:.1f} s", reason="rate_limit")
            self._denials.note(identity, address, "push", stream_id, slowed)
        return rest

    async def push(
        self,
        identity: Identity,
        stream_id: str,
        body: bytes,
        *,
        precision: str = "ns",
        frame_format: FrameFormat | None = None,
    ) -> "PushResult":
        """Hand one body to its stream and count what became of its lines. Refusal as of `StreamSink.push`."""
        result = await self.store(identity, stream_id, body, precision=precision, frame_format=frame_format)
        self.count(identity, stream_id, len(body), result)
        return result

    def store(
        self,
        identity: Identity,
        stream_id: str,
        body: bytes,
        *,
        precision: str = "ns",
        frame_format: FrameFormat | None = None,
    ) -> Awaitable["PushResult"]:
        """Hand one body to its stream and count nothing yet. Refusal as of `StreamSink.push`."""
        return self._sink.push(
            identity.org_id, stream_id, body, time.time_ns(), precision=precision, frame_format=frame_format
        )

    def count(self, identity: Identity, stream_id: str, size_bytes: int, outcome: Outcome) -> None:
        """Count what became of a body of so many bytes, and complain of what was refused."""
        metrics.push_bytes.add(size_bytes)
        metrics.push_accepted_lines.add(outcome.accepted)
        if outcome.mismatched:
            metrics.push_mismatched_values.inc(outcome.mismatched)
        if outcome.late:
            metrics.push_late_rows.inc(outcome.late)
        if outcome.rejected:
            for reason, count in outcome.reasons.items():
                metrics.push_rejected_lines.labels(reason).inc(count)
            first = outcome.rejections[0].message if outcome.rejections else ""
            self.complain(identity, stream_id, count=outcome.rejected, example=first)

    def note_rejections(self, identity: Identity, stream_id: str, rejections: Rejections) -> None:
        """Let the stream know what of a body became no line of it."""
        self._sink.note_rejections(identity.org_id, stream_id, rejections)

    def noting_refusals(self, identity: Identity, stream_id: str) -> "_NotingRefusals":
        """Let the stream know why a body was refused that is being read for it within the ``with`` block."""
        return _NotingRefusals(self._sink, identity.org_id, stream_id)

    def complain(self, identity: Identity, stream_id: str, *, count: int, example: str) -> None:
        """Log what is wrong with a stream's pushes: at most once per stream and `complaint_seconds`.

        All streams together get `complaint_lines` in that time; how many got none is said when the next complaint
        comes after it.
        """
        now = time.monotonic()
        passed_over = self._complaints.take_passed_over(now)
        if passed_over:
            log.warning("pushed data of more streams refused", streams=passed_over)
        suppressed = self._complaints.due((identity.org_id, stream_id), now, count)
        if suppressed is not None:
            log.warning(
                "pushed data refused",
                org=identity.org_id,
                stream=printable(stream_id),
                count=count,
                unlogged_before=suppressed,
                example=printable(example),
            )


class _NotingRefusals:
    """No generator: there is one for every push."""

    __slots__ = ("_org_id", "_sink", "_stream_id")

    def __init__(self, sink: StreamSink, org_id: int, stream_id: str) -> None:
        self._sink = sink
        self._org_id = org_id
        self._stream_id = stream_id

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            self._sink.note_refusal(self._org_id, self._stream_id, error)


def find_target(path: str) -> str | None:
    """What a push path names, still percent-encoded: a stream's id and what may follow it; None for other paths."""
    return path.removeprefix(PUSH_PATH) if path.startswith(PUSH_PATH) else None


def decode_stream_id(encoded: str) -> str:
    """Undo percent-encoding. Refusal 400 with a hint when the result cannot be a stream's id."""
    decoded = unquote_to_bytes(encoded).decode("utf-8", "replace")
    if not decoded:
        raise Refusal(400, f"no stream id: push to {PUSH_PATH}<stream id>")
    if not is_namespace(decoded):
        raise Refusal(
            400,
            f"stream id '{printable(decoded)}' cannot be part of a channel name: use letters, digits, _ - . only, "
            "and fewer than 160 of them",
        )
    return decoded


def parse_frame_format(value: str) -> FrameFormat | None:
    """Read the parameter's value, None if it is empty. Refusal 400 for a frame format this server has not."""
    word = value.lower()
    found = next((known for known in FRAME_FORMATS if known == word), None)
    if value and found is None:
        message = f"unknown {FRAME_FORMAT} '{printable(value)}'; this server has: {', '.join(FRAME_FORMATS)}"
        raise Refusal(400, message, reason="unknown_format")
    return found


def is_yes(value: str) -> bool:
    """Whether a query parameter switches something on."""
    return value.lower() in _YES
