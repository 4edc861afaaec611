"""What a client has said and we have not yet acted upon, bounded in bytes.

It stands between the task that reads and the task that acts, so that the end of the connection is seen while a
command waits for something, and a pong behind that command is known to have come. A memory channel would count
messages, which may be a byte or a megabyte.

All clients together are bounded as well, but for a small part of each: so who floods costs itself its connection, and
never somebody whose commands are as large as commands are.
"""

from collections import deque

import trio

from framecast.client.metrics import WAITING_BYTES
from framecast.ingest.held import ByteBudget, Held
from framecast.settings import Live

FRAME_BYTES = 64
"""What a message costs besides its own bytes, so that empty ones cannot pile up."""

FREE_BYTES = 16 * 1024
"""That each client may have waiting, however much others have."""


def waiting_budget(limits: Live) -> ByteBudget:
    """What all clients together may have said that was not acted upon yet (`live.waiting_bytes`)."""
    return ByteBudget(
        limits.waiting_bytes,
        full="too many clients' commands are waiting at once (live.waiting_bytes)",
        gauge=WAITING_BYTES,
    )


class Inbox:
    """A FIFO of messages for one reader and one actor. Used from Trio's thread only."""

    def __init__(self, max_bytes: int, held: Held) -> None:
        """What it holds beyond `FREE_BYTES` is counted in `held`."""
        self._max_bytes = max_bytes
        self._held = held
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._acting = False
        self._closed = False
        self._changed = trio.Event()

    @property
    def busy(self) -> bool:
        """Whether something that was received has not been acted upon yet."""
        return self._acting or bool(self._frames)

    async def put(self, frame: bytes) -> None:
        """Add a message, waiting while the inbox is full (by at most one message more than its limit).

        Refusal 503 when all clients together have too much waiting.
        """
        while self._bytes >= self._max_bytes:
            await self._changed.wait()
        self._count(len(frame) + FRAME_BYTES)
        self._frames.append(frame)
        self._wake()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._wake()

    async def get(self) -> bytes | None:
        """Take the oldest message, waiting for it; None when nothing more will come."""
        self._acting = False
        while not self._frames:
            if self._closed:
                return None
            await self._changed.wait()
        self._acting = True
        frame = self._frames.popleft()
        self._count(-len(frame) - FRAME_BYTES)
        self._wake()
        return frame

    def _count(self, more_bytes: int) -> None:
        self._held.resize(max(0, self._bytes + more_bytes - FREE_BYTES))
        self._bytes += more_bytes

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
