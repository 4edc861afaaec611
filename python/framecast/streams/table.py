"""All managed streams of the server: found, begun within limits, listed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import trio

from framecast._core import PushResult
from framecast.channels.address import is_namespace
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.settings import Settings
from framecast.streams.managed import ManagedStream


@dataclass(frozen=True, slots=True)
class ListedChannel:
    """One row of ``/api/live/list``."""

    channel: str
    minute_rate: int
    schema: bytes


class StreamTable:
    """The managed streams by org and id. A stream begins with its first accepted line."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._settings = settings
        self._streams: dict[tuple[int, str], ManagedStream] = {}
        self._threads = trio.CapacityLimiter(settings.push.parser_threads)

    async def push(self, org_id: int, stream_id: str, body: bytes, received_ns: int) -> PushResult:
        """Parse and publish one body; points without a time get `received_ns`.

        Refusal 400 for an id that cannot be a namespace, 429 when this would be a stream too many.
        """
        stream = self._find_or_begin(org_id, stream_id)
        try:
            result = await stream.push(body, received_ns, self._threads)
        finally:
            self._drop_if_empty(stream)
        # A sender in a loop must not starve the others.
        await trio.sleep(0)  # noqa: ASYNC115 - trio.lowlevel is for door/outbound.py alone
        return result

    def list_channels(self, org_id: int) -> list[ListedChannel]:
        """Every channel of the org's streams, sorted by name."""
        now = int(time.monotonic())
        rows = [
            ListedChannel(str(channel.address), channel.rate.total(now), channel.schema)
            for stream in self._of_org(org_id)
            for channel in stream.channels.values()
        ]
        return sorted(rows, key=lambda row: row.channel)

    @property
    def stream_count(self) -> int:
        """Streams that hold at least one channel or are being pushed to."""
        return len(self._streams)

    def _of_org(self, org_id: int) -> Iterator[ManagedStream]:
        return (stream for stream in self._streams.values() if stream.org_id == org_id)

    def _find_or_begin(self, org_id: int, stream_id: str) -> ManagedStream:
        found = self._streams.get((org_id, stream_id))
        if found is not None:
            return found
        if not is_namespace(stream_id):
            raise Refusal(
                400,
                f"stream id {stream_id[:80]!r} cannot be part of a channel name: use letters, digits, _ - . only",
            )
        limits = self._settings.streams
        if len(self._streams) >= limits.max_streams:
            raise Refusal(
                429,
                f"stream {stream_id!r} would be one too many: streams.max_streams = {limits.max_streams}",
                temporary=True,
            )
        stream = ManagedStream(org_id, stream_id, self._hub, (limits, self._settings.push))
        self._streams[org_id, stream_id] = stream
        return stream

    def _drop_if_empty(self, stream: ManagedStream) -> None:
        """A body without one good line must not leave a stream behind: ids come from outside."""
        if not stream.channels and not stream.pushes_under_way:
            self._streams.pop((stream.org_id, stream.stream_id), None)
