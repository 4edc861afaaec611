"""``stream/{id}/{path}``: managed streams. Everybody of the org may subscribe, nobody may publish but by a push.

A new subscriber begins with the window: the schema and the rows that are kept, as one frame. One that returns gets
exactly the publications it missed; if too many are gone, the rows behind its position that are left, as one frame, and
the schema only where that grew: the panel keeps the rows it has, and must not be given one twice. Where the channel's
recovery is that of a cache, it gets the newest publication alone, and where there is none, the window again.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory, Kept
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.scopes.turns import Turns
from framecast.scopes.window import Extent, WindowFrames, parse_extent
from framecast.settings import ChannelOptions


class StreamScope:
    """Subscribing before anything was pushed is allowed and empty: panels open before Telegraf starts."""

    def __init__(self, hub: Hub, *, max_frame_bytes: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._hub = hub
        self._frames = WindowFrames(max_frame_bytes, clock)
        self._turns = Turns()

    async def subscribe(
        self, identity: Identity, address: Address, data: bytes | None, options: ChannelOptions | None = None
    ) -> Begin:
        """Allow it: the address is of the subscriber's own org already. Refusal 400 for an extent that is none."""
        extent = parse_extent(data)
        await self._turns.wait(self._hub.history(address))
        history = await self._hub.open(address)
        return partial(self._begin, history, extent, options or history.options)

    async def publish(
        self,
        identity: Identity,
        address: Address,
        data: bytes,
        info: ClientInfo | None = None,
        *,
        subscribed: bool = False,
    ) -> None:
        """Refuse, as Grafana Live does."""
        raise Refusal(403, "Forbidden: stream channels take data by push only (POST /api/live/push/{stream})")

    def _begin(
        self, history: ChannelHistory, extent: Extent, options: ChannelOptions, returning: Position | None
    ) -> Beginning:
        self._hub.check_current(history)
        if options.recovery == "off":
            return Beginning(history.position, self._frames.make(history, extent), recoverable=False)
        if returning is None or not history.knows(returning) or _lacks_schema(history, returning):
            return Beginning(history.position, self._frames.make(history, extent))
        missed = _newest(history, returning) if options.recovery == "cache" else None
        if missed is None:
            missed = history.missed_since(returning)
        if missed is not None:
            return Beginning(history.position, recovered=True, missed=missed)
        grew = history.schema_offset > returning.offset
        return Beginning(history.position, self._frames.make(history, extent, with_schema=grew))


def _newest(history: ChannelHistory, returning: Position) -> Sequence[Kept] | None:
    """The newest publication, unless that needs a schema which the subscriber has not and it does not bring."""
    grew = history.schema_offset > returning.offset
    brings_it = history.schema_offset == history.position.offset
    return history.newest_since(returning) if brings_it or not grew else None


def _lacks_schema(history: ChannelHistory, returning: Position) -> bool:
    """Who names no epoch was never here, and no publication brings it a schema that was there before the first."""
    return not returning.epoch and history.schema is not None and history.schema_offset == 0
