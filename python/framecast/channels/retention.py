"""How much of all channels' past is kept: limits per channel, per stream, and one budget for the whole server.

A stream is what shares scope and namespace. At the budget the stream that was published to longest ago loses its past
first, of its channels the longest idle first, of that one the oldest publication first. Schemas stay: they are bounded
by the streams' own limits.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from framecast.channels.broker import Position, Publication
from framecast.channels.history import ChannelHistory
from framecast.settings import History


class _Stream:
    """The channels of one stream that hold publications, the longest idle first."""

    __slots__ = ("bytes", "filled")

    def __init__(self) -> None:
        self.bytes = 0
        self.filled: OrderedDict[str, ChannelHistory] = OrderedDict()


class Histories:
    """The past of all channels. Belongs to the Trio thread; nothing in it waits."""

    def __init__(self, limits: History, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._by_channel: dict[str, ChannelHistory] = {}
        self._restored: dict[str, bytes] = {}
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
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
            found = ChannelHistory(channel, position, self._restored.pop(channel, None))
            self._by_channel[channel] = found
        return found

    def restore(self, channel: str, schema: bytes) -> None:
        """Whenever the channel's past begins, it has this schema already. Before it has begun."""
        self._restored[channel] = schema

    def take(self, publication: Publication) -> None:
        """Keep a publication that was just delivered, within the limits."""
        channel = publication.channel
        history = self.begin(channel, Position(publication.epoch, publication.previous))
        name = _stream_of(channel)
        stream = self._streams.setdefault(name, _Stream())
        before = history.bytes
        history.append(publication, self._clock())
        self._count(stream, history.bytes - before)
        stream.filled[channel] = history
        stream.filled.move_to_end(channel)
        self._streams.move_to_end(name)
        limits = self._limits
        while history.publication_count > 1 and (history.rows > limits.rows or history.bytes > limits.bytes):
            self._drop_oldest(stream, history)
        self._drop_expired(stream, history)
        while stream.bytes > limits.stream_bytes:
            self._evict_from(stream)
        while self.bytes > limits.total_bytes:
            self._evict_from(next(iter(self._streams.values())))

    def forget(self, channel: str) -> None:
        """The channel is over, its schema too."""
        self._restored.pop(channel, None)
        history = self._by_channel.pop(channel, None)
        name = _stream_of(channel)
        stream = self._streams.get(name)
        if history is None or stream is None:
            return
        if stream.filled.pop(channel, None) is not None:
            self._count(stream, -history.bytes)
        if not stream.filled:
            del self._streams[name]

    def expire(self) -> Iterator[ChannelHistory]:
        """Let go what is too old, channel by channel: the caller may pause between two of them."""
        for history in list(self._by_channel.values()):
            stream = self._streams.get(_stream_of(history.channel))
            # The channel may have ended and begun anew during a pause: then this past is nobody's any more.
            if stream is not None and stream.filled.get(history.channel) is history:
                self._drop_expired(stream, history)
            yield history

    def _drop_expired(self, stream: _Stream, history: ChannelHistory) -> None:
        before = self._clock() - self._limits.seconds
        while (oldest := history.oldest) is not None and oldest.received_at < before:
            self._drop_oldest(stream, history)

    def _evict_from(self, stream: _Stream) -> None:
        self._drop_oldest(stream, next(iter(stream.filled.values())))
        self.evicted += 1

    def _drop_oldest(self, stream: _Stream, history: ChannelHistory) -> None:
        before = history.bytes
        history.drop_oldest()
        self._count(stream, history.bytes - before)
        if history.oldest is None:
            del stream.filled[history.channel]
            if not stream.filled:
                del self._streams[_stream_of(history.channel)]

    def _count(self, stream: _Stream, added_bytes: int) -> None:
        stream.bytes += added_bytes
        self.bytes += added_bytes


def _stream_of(channel: str) -> str:
    """The channel's key without its path: org, scope and namespace."""
    org, scope, namespace, _ = channel.split("/", 3)
    return f"{org}/{scope}/{namespace}"
