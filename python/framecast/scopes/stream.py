"""``stream/{id}/{path}``: managed streams. Everybody of the org may subscribe, nobody may publish but by a push.

A new subscriber begins with the window: the schema and the rows that are kept, as one frame. One that returns gets
exactly the publications it missed; if too many are gone, the rows behind its position that are left, as one frame, and
the schema only where that grew: the panel keeps the rows it has, and must not be given one twice. Where the channel's
recovery is that of a cache, it gets the newest publication alone, and where there is none, the window again.
"""

from collections.abc import Callable
from functools import partial

import trio

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.beginning import Begin, Beginning
from framecast.channels.broker import Position
from framecast.channels.client_info import ClientInfo
from framecast.channels.history import ChannelHistory
from framecast.channels.hub import Hub
from framecast.errors import Refusal
from framecast.scopes.framed import FrameBeginnings
from framecast.scopes.turns import Turns
from framecast.scopes.window import Extent, parse_extent
from framecast.settings import ChannelOptions


class StreamScope:
    """Subscribing before anything was pushed is allowed and empty: panels open before Telegraf starts."""

    def __init__(self, hub: Hub, *, max_frame_bytes: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._hub = hub
        self._beginnings = FrameBeginnings(max_frame_bytes, clock)
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
        return self._beginnings.begin(history, extent, options, returning)
