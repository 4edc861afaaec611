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
    """A FIFO of messages for one reader and one actor, while that one waits for something. Trio's thread only."""

    def __init__(self, max_bytes: int, held: Held) -> None:
        """What it holds beyond `FREE_BYTES` is counted in `held`."""
        self._max_bytes = max_bytes
        self._held = held
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._taken = trio.Event()

    def put(self, frame: bytes) -> None:
        """Add a message, though the inbox be full: who waits for room first exceeds it by at most one message.

        Refusal 503 when all clients together have too much waiting.
        """
        self._count(len(frame) + FRAME_BYTES)
        self._frames.append(frame)

    async def wait_room(self) -> None:
        """Wait while it is full."""
        while self._bytes >= self._max_bytes:
            self._taken = trio.Event()
            await self._taken.wait()

    def take(self) -> bytes | None:
        """Take the oldest message out; None when there is none."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._count(-len(frame) - FRAME_BYTES)
        self._taken.set()
        return frame

    def close(self) -> None:
        """Count nothing of it any more. Nobody may put anything into it from now on."""
        self._held.resize(0)

    def _count(self, more_bytes: int) -> None:
        self._held.resize(max(0, self._bytes + more_bytes - FREE_BYTES))
        self._bytes += more_bytes
