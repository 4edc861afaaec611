"""Of a stream's packets one in so many seconds, always the newest: for channels that are to be told less often.

A packet is let go only for a newer one, and the last one never is. What the next packets cannot be read without is not
let go either: that is for whoever hands it over to say.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from framecast import metrics
from framecast.plugins.packets import Packet
from framecast.plugins.sender import Deliver


class Conflation:
    """What lies between one stream and its channel. Is to be `open` while packets come."""

    def __init__(self, deliver: Deliver, seconds: float) -> None:
        self._deliver = deliver
        self._seconds = seconds
        self._due = trio.current_time()
        """When the next may go."""
        self._kept: Packet | None = None
        self._any_kept = trio.Event()
        self._turn = trio.Lock()

    async def take(self, packet: Packet, *, needed: bool) -> None:
        """Have it go on, now or when it is time, unless a newer one comes first; one that is `needed` goes now."""
        async with self._turn:
            if self._kept is not None:
                metrics.source_conflated.inc()
            self._kept = packet
            if needed or trio.current_time() >= self._due:
                await self._send()
            else:
                self._any_kept.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Send what is kept when it is time, for the length of the block. What is still kept then goes at its end.

        What is raised comes in a group, as out of any nursery.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_in_time)
            try:
                yield
            finally:
                async with self._turn:
                    await self._send()
                nursery.cancel_scope.cancel()

    async def _send_in_time(self) -> None:
        while True:
            await self._any_kept.wait()
            await trio.sleep_until(self._due)
            async with self._turn:
                if trio.current_time() >= self._due:  # a needed one may have gone meanwhile
                    await self._send()

    async def _send(self) -> None:
        """Whoever calls has the turn, so that a newer packet never goes before an older one."""
        packet, self._kept = self._kept, None
        if self._any_kept.is_set():
            self._any_kept = trio.Event()
        if packet is not None:
            self._due = trio.current_time() + self._seconds
            await self._deliver(packet)
