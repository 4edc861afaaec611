"""How much of all channels' past is kept: limits per channel, per stream, and one budget for the whole server.

A channel's own limits are options of its. A stream is what shares scope and namespace. At the budget the stream that
holds most loses first, of its channels the one that holds most, of that one the oldest publication; among equals,
which is within a factor of two, the longest idle. So nobody pushes out the past of one that holds less: of N streams
each is sure of half an equal share. If the longest idle came first, a sender that floods would cost every slower one
all its past. Schemas stay: they are bounded by the streams' own limits.
"""

from collections.abc import Callable, Iterator

from framecast.channels.address import parse_key
from framecast.channels.broker import Position, Publication
from framecast.channels.history import ChannelHistory
from framecast.channels.holders import Holders
from framecast.channels.options import OptionsTable
from framecast.settings import History

KEPT_SCHEMAS = frozenset({"stream"})
"""Scopes whose channels have an owner that ends them (streams/table.py). Clients may name any other channel, and one of
which nothing but a schema is left would be held for ever."""


class _Stream:
    """The channels of one stream that hold publications."""

    __slots__ = ("bytes", "filled", "holders", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.bytes = 0
        self.filled: dict[str, ChannelHistory] = {}
        self.holders = Holders()


class Histories:
    """The past of all channels. Belongs to the Trio thread; nothing in it waits."""

    def __init__(self, limits: History, options: OptionsTable, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._options = options
        self._clock = clock
        self._by_channel: dict[str, ChannelHistory] = {}
        self._restored: dict[str, bytes] = {}
        self._streams: dict[str, _Stream] = {}
        self._holders = Holders()
        self.bytes = 0
        """All that is kept, as counted against the budget."""
        self.evicted = 0
        """Publications that were let go because the budget, or their stream's, was full."""

    def find(self, channel: str) -> ChannelHistory | None:
        """The channel's past, if it has begun."""
        return self._by_channel.get(channel)

    def begin(self, channel: str, position: Position) -> ChannelHistory:
        """The channel's past; an empty one that stands at `position` when there is none yet."""
        found = self._by_channel.get(channel)
        if found is None:
            address = parse_key(channel)
            found = ChannelHistory(
                channel,
                position,
                self._restored.pop(channel, None),
                options=self._options.find(address),
                schema_lasts=address.scope in KEPT_SCHEMAS,
            )
            self._by_channel[channel] = found
        return found

    def restore(self, channel: str, schema: bytes) -> None:
        """Whenever the channel's past begins, it has this schema already. Before it has begun."""
        self._restored[channel] = schema

    def take(self, publication: Publication) -> None:
        """Keep a publication that was just delivered, within the limits."""
        channel = publication.channel
        history = self._by_channel.get(channel)
        if history is None:
            history = self.begin(channel, Position(publication.epoch, publication.previous))
        stream = self._streams.get(history.stream)
        if stream is None:
            stream = self._streams[history.stream] = _Stream(history.stream)
        before = history.bytes
        now = self._clock()
        history.append(publication, now)
        history.trim(now)
        if history.oldest is None:
            self._drop_stream_if_empty(stream)
            return
        stream.filled[channel] = history
        self._count(stream, channel, history.bytes - before, history.bytes, used=True)
        while stream.bytes > self._limits.stream_bytes:
            self._evict_from(stream)
        while self.bytes > self._limits.total_bytes:
            self._evict_from(self._streams[self._holders.one_of_the_largest()])

    def forget(self, channel: str) -> None:
        """The channel is over, its schema too."""
        self._restored.pop(channel, None)
        history = self._by_channel.pop(channel, None)
        stream = None if history is None else self._streams.get(history.stream)
        if history is None or stream is None:
            return
        if stream.filled.pop(channel, None) is not None:
            self._count(stream, channel, -history.bytes, 0)
        self._drop_stream_if_empty(stream)

    def expire(self) -> Iterator[ChannelHistory]:
        """Let go what is too old, channel by channel: the caller may pause between two of them.

        Only channels that are there still: one may have ended during a pause, and begun anew.
        """
        for history in list(self._by_channel.values()):
            if self._by_channel.get(history.channel) is not history:
                continue
            stream = self._streams.get(history.stream)
            if stream is not None and history.channel in stream.filled:
                self._drop_expired(stream, history)
            yield history

    def _drop_expired(self, stream: _Stream, history: ChannelHistory) -> None:
        before = self._clock() - history.options.history_seconds
        while (oldest := history.oldest) is not None and oldest.received_at < before:
            self._drop_oldest(stream, history)

    def _evict_from(self, stream: _Stream) -> None:
        self._drop_oldest(stream, stream.filled[stream.holders.one_of_the_largest()])
        self.evicted += 1

    def _drop_oldest(self, stream: _Stream, history: ChannelHistory) -> None:
        before = history.bytes
        history.drop_oldest()
        self._count(stream, history.channel, history.bytes - before, history.bytes)
        if history.oldest is None:
            del stream.filled[history.channel]
            self._drop_stream_if_empty(stream)

    def _drop_stream_if_empty(self, stream: _Stream) -> None:
        if not stream.filled:
            del self._streams[stream.name]

    def _count(
        self, stream: _Stream, channel: str, added_bytes: int, channel_bytes: int, *, used: bool = False
    ) -> None:
        """A channel of `stream` holds `added_bytes` more than before, `channel_bytes` in all."""
        stream.bytes += added_bytes
        self.bytes += added_bytes
        stream.holders.note(channel, channel_bytes, used=used)
        self._holders.note(stream.name, stream.bytes, used=used)
