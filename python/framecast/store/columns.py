"""The columns of streams as they are kept: a row for each channel, and what waits to be written of them."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

StreamKey = tuple[int, str]
"""Org and stream id."""

PAGE_ROWS = 200


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """One channel's columns."""

    org_id: int
    stream_id: str
    path: str
    """The last part of the channel."""

    frame_format: str
    text: bytes
    """As the core writes it, to be read by the core alone."""

    @property
    def stream(self) -> StreamKey:
        """The stream that the channel is of."""
        return self.org_id, self.stream_id


def read_columns(connection: sqlite3.Connection, behind: int) -> list[tuple[int, StoredColumns]]:
    """The next rows behind number `behind`, with their numbers; an empty list at the end."""
    rows = connection.execute(
        "SELECT number, org_id, stream, path, frame_format, columns FROM columns "
        "WHERE number > ? ORDER BY number LIMIT ?",
        (behind, PAGE_ROWS),
    )
    return [(number, StoredColumns(*values)) for number, *values in rows]


@dataclass(frozen=True, slots=True)
class ColumnsChange:
    """What one transaction writes: first streams go, then channels are written or (None) go."""

    forgotten: set[StreamKey] = field(default_factory=set)
    channels: defaultdict[StreamKey, dict[str, StoredColumns | None]] = field(default_factory=lambda: defaultdict(dict))

    def __bool__(self) -> bool:
        return bool(self.forgotten or self.channels)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write it. May be repeated: the outcome is the same."""
        connection.executemany("DELETE FROM columns WHERE org_id = ? AND stream = ?", self.forgotten)
        connection.executemany(
            "DELETE FROM columns WHERE org_id = ? AND stream = ? AND path = ?",
            ((*stream, path) for stream, path, record in self._channels() if record is None),
        )
        connection.executemany(
            "INSERT INTO columns (org_id, stream, path, frame_format, columns) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (org_id, stream, path) DO UPDATE SET frame_format = excluded.frame_format, "
            "columns = excluded.columns",
            (
                (*stream, path, record.frame_format, record.text)
                for stream, path, record in self._channels()
                if record is not None
            ),
        )

    def _channels(self) -> Iterator[tuple[StreamKey, str, StoredColumns | None]]:
        for stream, channels in self.channels.items():
            for path, record in channels.items():
                yield stream, path, record


class PendingColumns:
    """What streams learnt and forgot and is not written yet. Belongs to the Trio thread; nothing in it waits for I/O.

    Holds at most two texts of a channel, the newest and the one being written, neither larger than the channel's
    schema; and of forgotten streams only those that have rows.
    """

    def __init__(self) -> None:
        self._next = ColumnsChange()
        self._writing = ColumnsChange()
        self._stored: set[StreamKey] = set()
        self._changed = trio.Event()

    def note_stored(self, stream: StreamKey) -> None:
        """The database has rows of that stream."""
        self._stored.add(stream)

    def save(self, record: StoredColumns) -> None:
        """Have the channel's columns written; what waited to be written of them is not needed any more."""
        self._next.channels[record.stream][record.path] = record
        self._changed.set()

    def drop(self, record: StoredColumns) -> None:
        """Have the channel's row deleted."""
        self._next.channels[record.stream][record.path] = None
        self._changed.set()

    def forget(self, stream: StreamKey) -> None:
        """Have all rows of the stream deleted, and nothing written that waits of it."""
        self._next.channels.pop(stream, None)
        if stream in self._stored or stream in self._writing.channels:
            self._next.forgotten.add(stream)
            self._changed.set()

    async def wait_changed(self) -> None:
        """Return as soon as there is something to write."""
        await self._changed.wait()

    @property
    def channel_count(self) -> int:
        """Channels whose newest columns are not known to be written."""
        changes = (self._writing.channels.values(), self._next.channels.values())
        return sum(len(channels) for streams in changes for channels in streams)

    def take(self) -> ColumnsChange:
        """What is to be written now; the same again until `written` was called."""
        if not self._writing:
            self._writing, self._next = self._next, ColumnsChange()
            self._changed = trio.Event()
        return self._writing

    def written(self) -> None:
        """What `take` returned is in the database."""
        self._stored -= self._writing.forgotten
        self._stored.update(self._writing.channels)
        self._writing = ColumnsChange()
