"""What a client has said and we have not yet acted upon, bounded in bytes.

It stands between the task that reads and the task that acts, so that the end of the connection is seen while a
command waits for something, and a pong behind that command is known to have come. A memory channel would count
messages, which may be a byte or a megabyte.
"""

from collections import deque

import trio

FRAME_BYTES = 64
"""What a message costs besides its own bytes, so that empty ones cannot pile up."""


class Inbox:
    """A FIFO of messages for one reader and one actor. Used from Trio's thread only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
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
        """Add a message, waiting while the inbox is full (by at most one message more than its limit)."""
        while self._bytes >= self._max_bytes:
            await self._changed.wait()
        self._frames.append(frame)
        self._bytes += len(frame) + FRAME_BYTES
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
        self._bytes -= len(frame) + FRAME_BYTES
        self._wake()
        return frame

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
