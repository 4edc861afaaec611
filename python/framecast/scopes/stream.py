"""``stream/{id}/{path}``: managed streams. Everybody of the org may subscribe, nobody may publish but by a push.

A new subscriber begins with the window: the schema and the rows that are kept, as one frame. One that returns gets
exactly the publications it missed; if too many are gone, the rows behind its position that are left, as one frame, and
the schema only where that grew: the panel keeps the rows it has, and must not be given one twice.
"""

from collections.abc import Callable
from functools import partial

import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.history import ChannelHistory
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.scopes.window import Extent, WindowFrames, parse_extent

LONG_PAST_BYTES = 64 * 1024
"""From this size on a past is handed out by one subscription per turn of the event loop: it takes milliseconds."""


class StreamScope:
    """Subscribing before anything was pushed is allowed and empty: panels open before Telegraf starts."""

    def __init__(self, hub: Hub, *, max_frame_bytes: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._hub = hub
        self._frames = WindowFrames(max_frame_bytes, clock)
        self._turn = trio.Lock()

    async def subscribe(self, identity: Identity, address: Address, data: bytes | None) -> Begin:
        """Allow it: the address is of the subscriber's own org already. Refusal 400 for an extent that is none."""
        extent = parse_extent(data)
        past = self._hub.history(address)
        if past is not None and past.bytes >= LONG_PAST_BYTES:
            # Those who wait get the lock in different turns of the loop, with everybody else's work between them.
            async with self._turn:
                pass
        history = await self._hub.open(address)
        return partial(self._begin, history, extent)

    async def publish(self, identity: Identity, address: Address, data: bytes) -> None:
        """Refuse, as Grafana Live does."""
        raise Refusal(403, "Forbidden: stream channels take data by push only (POST /api/live/push/{stream})")

    def _begin(self, history: ChannelHistory, extent: Extent, returning: Position | None) -> Beginning:
        if returning is None or not history.knows(returning) or _lacks_schema(history, returning):
            return Beginning(history.position, self._frames.make(history, extent))
        missed = history.missed_since(returning)
        if missed is not None:
            return Beginning(history.position, recovered=True, missed=missed)
        grew = history.schema_offset > returning.offset
        return Beginning(history.position, self._frames.make(history, extent, with_schema=grew))


def _lacks_schema(history: ChannelHistory, returning: Position) -> bool:
    """Who names no epoch was never here, and no publication brings it a schema that was there before the first."""
    return not returning.epoch and history.schema is not None and history.schema_offset == 0
