"""Long pasts take turns: handing one out takes a moment, and after a restart of a proxy everybody asks at once."""

import trio

from framecast.channels.history import ChannelHistory

LONG_PAST_BYTES = 64 * 1024
"""From this size on a past is handed out by one subscription per turn of the event loop."""


class Turns:
    """Spreads long pasts over turns of the event loop, so that everybody else's work is done between them."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def wait(self, past: ChannelHistory | None) -> None:
        """Return at once where the past is short, and in a turn of one's own where it is long."""
        if past is not None and past.bytes >= LONG_PAST_BYTES:
            # Those who wait get the lock in different turns of the loop.
            async with self._lock:
                pass
