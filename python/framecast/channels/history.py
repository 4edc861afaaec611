"""What is kept of one channel's past: its newest publications as they were delivered, and the newest frame schema.

One truth for three questions: which publications a returning subscriber missed (recovery), what a new one begins with
(the window, which the scope joins into a frame), and what the history command hands out (pages). No clock, no I/O;
limits are the business of `retention`.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from framecast.channels.broker import Position, Publication
from framecast.channels.client_info import ClientInfo
from framecast.protocol.codes import ErrorCode
from framecast.settings import ChannelOptions

ALL = -1
"""As a page's limit."""

ENTRY_BYTES = 256
"""What keeping a publication costs beside its data, and more than a reply takes for it: tiny ones must count."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A publication of the past."""

    offset: int
    previous: int
    data: bytes
    rows: int
    received_at: float
    """When this node delivered it, on the caller's clock."""
    info: ClientInfo | None = None
    detail: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """What keeping it costs, in both forms where it has two."""
        size = len(self.data) + ENTRY_BYTES
        if self.detail is not None:
            size += len(self.detail)
        if self.info is not None:
            size += self.info.size_bytes
        return size

    def payload(self, *, detailed: bool) -> bytes:
        """What one subscriber gets of it, as it would have got it when it was delivered."""
        return self.detail if detailed and self.detail is not None else self.data


class ChannelHistory:
    """The past of one channel from some offset on, without a hole."""

    __slots__ = (
        "_kept",
        "bytes",
        "channel",
        "options",
        "position",
        "rows",
        "schema",
        "schema_lasts",
        "schema_offset",
        "stream",
    )

    def __init__(
        self,
        channel: str,
        position: Position,
        schema: bytes | None = None,
        *,
        options: ChannelOptions,
        schema_lasts: bool = True,
    ) -> None:
        self.channel = channel
        self.stream = _stream_of(channel)
        """Its key without the path: org, scope and namespace."""
        self.schema_lasts = schema_lasts
        """Whether somebody keeps the schema on purpose; else it goes with the last publication."""
        self.options = options
        self.position = position
        """Behind the newest publication, kept or not."""
        self.schema = schema
        self.schema_offset = 0
        """The publication that brought the schema; whoever stands at it or behind it knows the schema."""
        self.rows = 0
        self.bytes = 0
        self._kept: deque[Kept] = deque()

    def append(self, publication: Publication, received_at: float) -> None:
        """Take the newest publication. One that does not follow what is here makes a new beginning."""
        if not self.precedes(publication):
            self._kept.clear()
            self.rows = self.bytes = 0
        self.position = Position(publication.epoch, publication.offset)
        if publication.schema is not None:
            self.schema, self.schema_offset = publication.schema, publication.offset
        kept = Kept(
            publication.offset,
            publication.previous,
            publication.data,
            publication.rows,
            received_at,
            publication.info,
            publication.detail,
        )
        self._kept.append(kept)
        self.rows += kept.rows
        self.bytes += kept.size_bytes

    def precedes(self, publication: Publication) -> bool:
        """Whether `publication` follows what is here without a hole."""
        position = self.position
        return publication.previous == position.offset and publication.epoch == position.epoch

    def trim(self, now: float) -> None:
        """Let the oldest publications go until the channel's limits hold; the newest stays, if any may be kept."""
        limits, kept = self.options, self._kept
        received_since = now - limits.history_seconds
        while len(kept) > 1 and (
            self.rows > limits.history_rows or self.bytes > limits.history_bytes or kept[0].received_at < received_since
        ):
            self.drop_oldest()
        if kept and not limits.history_rows:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Let the oldest publication go. IndexError when there is none."""
        dropped = self._kept.popleft()
        self.rows -= dropped.rows
        self.bytes -= dropped.size_bytes

    @property
    def oldest(self) -> Kept | None:
        """The first publication that is kept."""
        return self._kept[0] if self._kept else None

    @property
    def newest(self) -> Kept | None:
        """The last publication, if it is kept."""
        return self._kept[-1] if self._kept else None

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever published, nor a schema kept."""
        return self.position.offset == 0 and not self._keeps_schema

    @property
    def spent(self) -> bool:
        """Whether nothing of it is left but its position."""
        return not self._kept and not self._keeps_schema

    @property
    def _keeps_schema(self) -> bool:
        return self.schema is not None and self.schema_lasts

    def introduce(self, schema: bytes) -> None:
        """The channel has this schema, and subscribers are told so from here on without a publication."""
        self.schema, self.schema_offset = schema, self.position.offset

    @property
    def publication_count(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def knows(self, position: Position) -> bool:
        """Whether `position` speaks of this stream. The empty epoch is any (centrifuge's rule)."""
        return position.epoch in {"", self.position.epoch}

    def after(self, offset: int) -> list[Kept]:
        """What is kept behind `offset`, in order."""
        return [kept for kept in self._kept if kept.offset > offset]

    def missed_since(self, position: Position) -> Sequence[Kept] | None:
        """Exactly what was published behind `position`; None when that is not known any more.

        Then all that is kept lies behind it: what is kept has no hole.
        """
        if not self.knows(position):
            return None
        missed = self.after(position.offset)
        if missed:
            return missed if missed[0].previous <= position.offset else None
        return missed if position.offset == self.position.offset else None

    def newest_since(self, position: Position) -> Sequence[Kept] | None:
        """The newest publication, or nothing for who stands behind it already; None when it is not kept any more.

        What a returning subscriber of a cache gets: it holds a state, which each publication replaces, so the epoch of
        its position does not matter (centrifuge's isCacheRecovered; there, who stands at the top of an empty history is
        told that it missed something).
        """
        if position == self.position and position.offset:
            return ()
        return (self._kept[-1],) if self._kept else None

    def page(self, *, since: Position | None, limit: int, reverse: bool) -> list[Kept]:
        """At most `limit` of the publications that are kept: the oldest first, or with `reverse` the newest first.

        `since` leaves out what does not lie behind it, with `reverse` what does not lie before it. What is not kept
        any more is missing without a word. 0 gives nothing and `ALL` everything.

        Refusal 107 for another negative limit and for `reverse` since the very beginning, 112 for a position in another
        epoch (centrifuge's HistoryOptions and its handler of the command).
        """
        if limit < ALL:
            raise ErrorCode.BAD_REQUEST.refusal(f"bad request: limit {limit} is neither a count nor -1 for all")
        if since is not None and reverse and since.offset == 0:
            raise ErrorCode.BAD_REQUEST.refusal("bad request: nothing lies before offset 0")
        if since is not None and not self.knows(since):
            raise ErrorCode.UNRECOVERABLE_POSITION.refusal()
        wanted = None if limit == ALL else limit
        if reverse:
            return list(islice((kept for kept in reversed(self._kept) if _before(kept, since)), wanted))
        return list(islice((kept for kept in self._kept if since is None or kept.offset > since.offset), wanted))


def _stream_of(channel: str) -> str:
    org, scope, namespace, _ = channel.split("/", 3)
    return f"{org}/{scope}/{namespace}"


def _before(kept: Kept, since: Position | None) -> bool:
    return since is None or kept.offset < since.offset
