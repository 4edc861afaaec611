"""The last messages of broadcast channels as they are kept: a row for each, and what waits to be written of them."""

import sqlite3
from dataclasses import dataclass, field

import trio

PAGE_BYTES = 1024 * 1024
"""Of messages that are read at once; one more may be large."""

PAGE_ROWS = 200

ChannelKey = tuple[int, str]
"""Org, and the channel's path."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """The last message of one channel."""

    org_id: int
    path: str
    """The last part of the channel."""

    data: bytes
    """JSON."""


def read_messages(connection: sqlite3.Connection, behind: int) -> list[tuple[int, StoredMessage]]:
    """The next rows behind number `behind`, with their numbers, the oldest message first; an empty list at the end."""
    rows = connection.execute(
        "SELECT number, org_id, path, message FROM broadcasts WHERE number > ? ORDER BY number LIMIT ?",
        (behind, PAGE_ROWS),
    )
    page = []
    size_bytes = 0
    for number, *values in rows:
        page.append((number, StoredMessage(*values)))
        size_bytes += len(page[-1][1].data)
        if size_bytes >= PAGE_BYTES:
            break
    return page


@dataclass(frozen=True, slots=True)
class MessagesChange:
    """What one transaction writes: the last messages of channels in the order of their publication, None for gone."""

    messages: dict[ChannelKey, bytes | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.messages)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write it. May be repeated: the outcome is the same."""
        connection.executemany("DELETE FROM broadcasts WHERE org_id = ? AND path = ?", self.messages)
        # Each behind all that are there, so that the numbers of the rows are in the order of publication too.
        connection.executemany(
            "INSERT INTO broadcasts (org_id, path, message) VALUES (?, ?, ?)",
            ((*key, data) for key, data in self.messages.items() if data is not None),
        )


class PendingMessages:
    """The last messages that are not written yet. Belongs to the Trio thread; nothing in it waits for I/O.

    Holds at most two messages of a channel, the newest and the one being written; of channels whose rows are to go only
    those that have rows.
    """

    def __init__(self) -> None:
        self._next = MessagesChange()
        self._writing = MessagesChange()
        self._stored: set[ChannelKey] = set()
        self._changed = trio.Event()

    def note_stored(self, key: ChannelKey) -> None:
        """The database has a row of that channel."""
        self._stored.add(key)

    def save(self, key: ChannelKey, data: bytes) -> None:
        """Have the channel's last message written, as the newest of all."""
        # Taken out first, so that it stands behind all others.
        self._next.messages.pop(key, None)
        self._next.messages[key] = data
        self._changed.set()

    def drop(self, key: ChannelKey) -> None:
        """Have the channel's row deleted, and nothing written that waits of it."""
        self._next.messages.pop(key, None)
        if key in self._stored or key in self._writing.messages:
            self._next.messages[key] = None
            self._changed.set()

    async def wait_changed(self) -> None:
        """Return as soon as there is something to write."""
        await self._changed.wait()

    @property
    def channel_count(self) -> int:
        """Channels whose last message is not known to be written, or not to be gone."""
        return len(self._writing.messages.keys() | self._next.messages.keys())

    def take(self) -> MessagesChange:
        """What is to be written now; the same again until `written` was called."""
        if not self._writing:
            self._writing, self._next = self._next, MessagesChange()
            self._changed = trio.Event()
        return self._writing

    def written(self) -> None:
        """What `take` returned is in the database."""
        for key, data in self._writing.messages.items():
            if data is None:
                self._stored.discard(key)
            else:
                self._stored.add(key)
        self._writing = MessagesChange()
