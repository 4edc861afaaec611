"""One managed stream: a parser with its sticky columns, and the channels its measurements became."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

import trio

from framecast._core import Packet, PushResult, StreamParser
from framecast.channels.address import MAX_ADDRESS_BYTES, Address
from framecast.channels.broker import Draft
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.settings import FRAME_FORMATS, FrameFormat, Push, Streams
from framecast.store.columns import PendingColumns, StoredColumns
from framecast.streams.ledger import Ledger
from framecast.streams.rate import MinuteRate
from framecast.streams.shares import Budgets, Share

SCOPE = "stream"

SLICE_PAUSE_SECONDS = 0.01
"""Between the slices of a large push: a subscriber that reads 100 MB/s keeps up with it."""


@dataclass(slots=True, eq=False)
class LiveChannel:
    """One measurement's channel."""

    address: Address
    key: str = field(init=False)
    """The address's, made once: each publication is looked up by it."""
    schema: bytes
    schema_due: bool = True
    """Whether subscribers were not given this schema yet: the core names it once, and publishing may fail."""
    rate: MinuteRate = field(default_factory=MinuteRate)

    def __post_init__(self) -> None:
        self.key = self.address.key


class ManagedStream:
    """Pushes to one stream are parsed and published one after another, in the order of their arrival.

    The order is kept by a fair semaphore: a small push waits behind a large one that is being parsed in a thread, and
    nothing waits for a subscriber.
    """

    def __init__(
        self,
        org_id: int,
        stream_id: str,
        hub: Hub,
        limits: tuple[Streams, Push],
        *,
        pending: PendingColumns,
        budgets: Budgets,
        clock: Callable[[], float],
    ) -> None:
        streams, push = limits
        self.org_id = org_id
        self.stream_id = stream_id
        self.channels: dict[str, LiveChannel] = {}
        self.pushes_under_way = 0
        self.pushed_at = clock()
        self.ledger = Ledger(self.pushed_at, error_bytes=streams.error_bytes // streams.max_streams)
        self._clock = clock
        self._slice_bytes = streams.packet_bytes
        self._hub = hub
        self._pending = pending
        self.share = Share(budgets)
        self._turn = trio.Semaphore(1, max_value=1)  # as fair as a lock, for a third of its price
        self._thread_body_bytes = push.thread_body_bytes
        self._catch_up_seconds = push.catch_up_seconds
        self._limits = limits
        self._frame_format = streams.frame_format
        self._parser = self._make_parser(self._frame_format)

    async def push(
        self,
        body: bytes,
        received_ns: int,
        threads: trio.CapacityLimiter,
        *,
        precision: str = "ns",
        frame_format: FrameFormat | None = None,
    ) -> PushResult:
        """Parse `body`, publish its packets, and return what became of its lines.

        When it returns, every accepted line was handed to the broker. Large bodies are parsed in one of `threads`, once
        what came before was offered to the subscribers: who pushes as fast as it can would else take the processor from
        the writer, whose queues then run over, and subscribers who read in time are cut.
        Refusal 400 when the stream has frames of another format than `frame_format`.
        """
        self.pushes_under_way += 1
        try:
            try:
                self._turn.acquire_nowait()
            except trio.WouldBlock:  # no checkpoint while nobody else pushes: it costs more than parsing a small push
                await self._turn.acquire()
            try:
                self._settle_format(frame_format)
                parser = self._parser
                self.share.allow(parser)
                if len(body) < self._thread_body_bytes:
                    result = parser.push(body, received_ns, precision)
                else:
                    await self._hub.catch_up(self._catch_up_seconds)
                    parse = partial(parser.push, body, received_ns, precision)
                    result = await trio.to_thread.run_sync(parse, limiter=threads)
                self.share.note(parser)
                await self._publish(result.packets)
            finally:
                self._turn.release()
            self.ledger.note_push(len(body), result, self._clock())
        except Refusal as refusal:
            self.ledger.note_refusal(refusal, self._clock())
            raise
        finally:
            self.pushes_under_way -= 1
            self.pushed_at = self._clock()
        return result

    @property
    def frame_format(self) -> FrameFormat:
        """Settled once there is a channel."""
        return self._frame_format

    def restore(self, kept: StoredColumns) -> None:
        """Begin a channel with the columns that it had in an earlier life of the server; nothing was pushed yet.

        ValueError, and nothing has changed, when it cannot have them: they are of another frame format than the
        stream's, past a limit, or not ours.
        """
        frame_format, parser = self._frame_format, self._parser
        if not self.channels:
            frame_format = _parse_format(kept.frame_format)
            parser = self._make_parser(frame_format)
        self.share.allow(parser)
        restored = parser.restore(kept.text)
        self.share.note(parser)
        self._frame_format, self._parser = frame_format, parser
        address = Address(self.org_id, SCOPE, self.stream_id, restored.path)
        self.channels[restored.path] = LiveChannel(address, restored.schema, schema_due=False)
        self._hub.restore(address, restored.schema)

    def _settle_format(self, named: FrameFormat | None) -> None:
        """Take up the format that a push names, or none: any while nothing was accepted, then only the stream's."""
        streams, _ = self._limits
        wanted = named or (self._frame_format if self.channels else streams.frame_format)
        if wanted == self._frame_format:
            return
        if self.channels:
            raise Refusal(
                400,
                f"stream {self.stream_id!r} has frames of the format {self._frame_format}, settled by its first push; "
                f"push {wanted} to another stream",
                reason="other_format",
            )
        self._frame_format = wanted
        self._parser = self._make_parser(self._frame_format)

    def _make_parser(self, frame_format: FrameFormat) -> StreamParser:
        streams, push = self._limits
        return StreamParser(
            max_measurements=streams.max_measurements,
            max_columns=streams.max_columns,
            max_path_bytes=MAX_ADDRESS_BYTES - len(f"{SCOPE}/{self.stream_id}/"),
            max_packet_bytes=streams.packet_bytes,
            max_push_output_bytes=streams.output_bytes,
            max_rejections=push.report_lines,
            format=frame_format,
        )

    async def _publish(self, packets: Sequence[Packet]) -> None:
        """Hand the packets to the hub, at most about one packet's limit of bytes at a time.

        A large push on one channel would otherwise be queued for its subscribers faster than any of them can read,
        and cut them all. The pause is the clock's, never a client's.
        """
        for packet in packets:
            if packet.schema is not None:
                self._note_schema(packet.path, packet.schema)
        now = int(self._clock())
        drafts: list[Draft] = []
        told: set[LiveChannel] = set()
        part_bytes = 0
        for packet in packets:
            channel = self.channels[packet.path]
            channel.rate.add(now)
            payload = packet.payload
            if drafts and part_bytes + len(payload) > self._slice_bytes:
                await self._publish_part(drafts, told)
                drafts, told, part_bytes = [], set(), 0
                await trio.sleep(SLICE_PAUSE_SECONDS)
            part_bytes += len(payload)
            schema = None
            if channel.schema_due and channel not in told:
                told.add(channel)
                schema = channel.schema
                if packet.schema is None:
                    # An earlier push's, which was never published. {"data":…} becomes {"schema":…,"data":…}.
                    payload = b'{"schema":' + schema + b"," + payload[1:]
            drafts.append(Draft(channel.key, payload, schema, packet.rows))
        await self._publish_part(drafts, told)

    async def _publish_part(self, drafts: Sequence[Draft], told: AbstractSet[LiveChannel]) -> None:
        """Publish all of these or none; a schema is due until it was published, as those of `told` are now."""
        await self._hub.publish(drafts)
        for channel in told:
            channel.schema_due = False

    def _note_schema(self, path: str, schema: bytes) -> None:
        """Remember a schema that is new or grew, before anything can go wrong: the core names each only once.

        Its columns are written by and by.
        """
        channel = self.channels.get(path)
        if channel is None:
            self.channels[path] = LiveChannel(Address(self.org_id, SCOPE, self.stream_id, path), schema)
        else:
            channel.schema, channel.schema_due = schema, True
        columns = self._parser.columns(path)
        self._pending.save(StoredColumns(self.org_id, self.stream_id, path, self._frame_format, columns))


def _parse_format(word: str) -> FrameFormat:
    for known in FRAME_FORMATS:
        if known == word:
            return known
    raise ValueError(f"no frame format is called {word[:20]!r}")
