"""All managed streams of the server: found, begun within limits, listed, and forgotten when nobody uses them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

import structlog
import trio

from framecast._core import PushResult
from framecast.channels.address import is_namespace
from framecast.channels.history import ChannelHistory
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.settings import FrameFormat, Settings, Streams
from framecast.store.columns import PendingColumns, StoredColumns
from framecast.streams.ledger import PushError, error_of, error_of_line
from framecast.streams.managed import LiveChannel, ManagedStream
from framecast.streams.rejections import Rejections
from framecast.streams.shares import Budgets
from framecast.streams.unbegun import Unbegun

log = structlog.get_logger(__name__)

ROWS_AT_ONCE = 500
"""Rows of a list that are made before the others get a turn."""


@dataclass(frozen=True, slots=True)
class ListedChannel:
    """One row of ``/api/live/list``."""

    channel: str
    minute_rate: int
    schema: bytes


class StreamTable:
    """The managed streams by org and id. A stream begins with its first accepted line."""

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        pending: PendingColumns,
        *,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._hub = hub
        self._pending = pending
        self._settings = settings
        self._clock = clock
        self._streams: OrderedDict[tuple[int, str], ManagedStream] = OrderedDict()
        """The longest idle first."""
        self.budgets = Budgets(settings.streams)
        self._unbegun = Unbegun(settings.streams.unbegun_streams)
        self._threads = trio.CapacityLimiter(settings.push.parser_threads)

    async def push(
        self,
        org_id: int,
        stream_id: str,
        body: bytes,
        received_ns: int,
        *,
        precision: str = "ns",
        frame_format: FrameFormat | None = None,
    ) -> PushResult:
        """Parse and publish one body; points without a time get `received_ns`, `precision` is the others' unit.

        The first accepted line settles the stream's frame format: `frame_format`, or the settings' where that is None.
        Refusal 400 for an id that cannot be a namespace and for another format than the stream's, 429 when this would
        be a stream too many. Small bodies are pushed without a checkpoint: who has many of them lets others in between.
        """
        key = (org_id, stream_id)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._begin_within_limits(org_id, stream_id)
        has_begun = bool(stream.channels)
        try:
            return await stream.push(body, received_ns, self._threads, precision=precision, frame_format=frame_format)
        finally:
            self._streams.move_to_end(key)
            if not has_begun:
                self._drop_if_empty(stream)

    @property
    def now(self) -> float:
        """The clock that everything about streams is told by."""
        return self._clock()

    @property
    def limits(self) -> Streams:
        """What each stream may have."""
        return self._settings.streams

    def note_refusal(self, org_id: int, stream_id: str, refusal: Refusal) -> None:
        """Have the stream remember a push that was refused before it came here; `stream_id` can be a namespace."""
        stream = self._streams.get((org_id, stream_id))
        if stream is not None:
            stream.ledger.note_refusal(refusal, self._clock())
        else:
            self._unbegun.note((org_id, stream_id), error_of(refusal, self._clock()))

    def note_rejections(self, org_id: int, stream_id: str, rejections: Rejections) -> None:
        """Have the stream remember what was refused of a body before its lines came here."""
        now = self._clock()
        stream = self._streams.get((org_id, stream_id))
        if stream is not None:
            stream.ledger.note_rejections(rejections, now)
        elif rejections.rejections:
            self._unbegun.note((org_id, stream_id), error_of_line(rejections.rejections[0], now))

    def find(self, org_id: int, stream_id: str) -> ManagedStream | None:
        """The stream of that id; None before its first accepted line."""
        found = self._streams.get((org_id, stream_id))
        return found if found is not None and found.channels else None

    def find_unbegun(self, org_id: int, stream_id: str) -> PushError | None:
        """Why the last push to an id that is no stream began none; None when none is remembered."""
        return self._unbegun.find((org_id, stream_id))

    def list_streams(self, org_id: int) -> list[ManagedStream]:
        """The org's streams, sorted by id."""
        streams = [stream for stream in self._streams.values() if stream.org_id == org_id and stream.channels]
        return sorted(streams, key=lambda stream: stream.stream_id)

    def subscriber_count(self, channel: LiveChannel) -> int:
        """Connections that are subscribed to it now."""
        return self._hub.subscriber_count(channel.address)

    def history(self, channel: LiveChannel) -> ChannelHistory | None:
        """What is kept of its past."""
        return self._hub.history(channel.address)

    def restore(self, kept: StoredColumns) -> None:
        """Begin a channel with the columns that it had in an earlier life of the server.

        Its stream counts as just used. ValueError when that cannot be; then nothing has changed.
        """
        stream = self._streams.get(kept.stream)
        if stream is None:
            if not is_namespace(kept.stream_id):
                raise ValueError("the stream's id cannot be part of a channel name")
            if len(self._streams) >= self._settings.streams.max_streams:
                raise ValueError(f"more than the {self._settings.streams.max_streams} streams that are allowed")
            stream = self._begin(*kept.stream)
        try:
            stream.restore(kept)
        finally:
            self._drop_if_empty(stream)

    async def list_channels(self, org_id: int) -> list[ListedChannel]:
        """Every channel of the org's streams, sorted by name."""
        now = int(self._clock())
        rows = []
        for stream in [stream for stream in self._streams.values() if stream.org_id == org_id]:
            for channel in list(stream.channels.values()):
                rows.append(ListedChannel(str(channel.address), channel.rate.total(now), channel.schema))
                if len(rows) % ROWS_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
        return sorted(rows, key=lambda row: row.channel)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forget streams that were neither pushed to nor watched for `streams.idle_seconds`, until cancelled."""
        limit = self._settings.streams.idle_seconds
        task_status.started()
        while True:
            await trio.sleep(limit / 10)
            for stream in list(self._unused_since(self._clock() - limit)):
                self._forget(stream)

    @property
    def stream_count(self) -> int:
        """Streams that hold at least one channel or are being pushed to."""
        return len(self._streams)

    def _begin_within_limits(self, org_id: int, stream_id: str) -> ManagedStream:
        if not is_namespace(stream_id):
            raise Refusal(
                400, f"stream id {stream_id[:80]!r} cannot be part of a channel name: use letters, digits, _ - . only"
            )
        limits = self._settings.streams
        if len(self._streams) >= limits.max_streams:
            try:
                self._make_room(stream_id)
            except Refusal as refusal:
                self.note_refusal(org_id, stream_id, refusal)
                raise
        return self._begin(org_id, stream_id)

    def _begin(self, org_id: int, stream_id: str) -> ManagedStream:
        limits = (self._settings.streams, self._settings.push)
        stream = ManagedStream(
            org_id, stream_id, self._hub, limits, pending=self._pending, budgets=self.budgets, clock=self._clock
        )
        self._streams[org_id, stream_id] = stream
        return stream

    def _make_room(self, stream_id: str) -> None:
        """Forget the longest idle stream that nobody watches. Refusal 429 when all of them are in use."""
        limits = self._settings.streams
        idle = next(self._unused_since(self._clock() - limits.evict_seconds), None)
        if idle is None:
            raise Refusal(
                429,
                f"stream {stream_id!r} would be one too many: streams.max_streams = {limits.max_streams}, "
                f"and none of them was idle for streams.evict_seconds = {limits.evict_seconds:g}",
                temporary=True,
                reason="stream_limit",
            )
        self._forget(idle)

    def _unused_since(self, moment: float) -> Iterator[ManagedStream]:
        """The streams that nobody has pushed to since `moment`, nor watches now, the longest idle first.

        Looks at no other stream: a sender that tries ever new ids makes us ask with every push.
        """
        idle = takewhile(lambda stream: stream.pushed_at <= moment, self._streams.values())
        return (
            stream
            for stream in idle
            if not stream.pushes_under_way
            and not any(self._hub.subscriber_count(channel.address) for channel in stream.channels.values())
        )

    def _forget(self, stream: ManagedStream) -> None:
        for channel in stream.channels.values():
            self._hub.forget(channel.address)
        stream.share.give_back()
        self._pending.forget((stream.org_id, stream.stream_id))
        del self._streams[stream.org_id, stream.stream_id]
        log.info("stream forgotten", org=stream.org_id, stream=stream.stream_id, channels=len(stream.channels))

    def _drop_if_empty(self, stream: ManagedStream) -> None:
        """A body without one good line must not leave a stream behind: ids come from outside."""
        key = (stream.org_id, stream.stream_id)
        if stream.channels:
            self._unbegun.forget(key)
        elif not stream.pushes_under_way:
            self._streams.pop(key, None)
            if stream.ledger.newest_error is not None:
                self._unbegun.note(key, stream.ledger.newest_error)
