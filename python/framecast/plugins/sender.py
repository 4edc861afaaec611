"""Through which a plugin's stream sends: whatever it brings becomes a packet here, and goes on when there is room."""

from collections.abc import Awaitable, Callable
from typing import Any

from framecast.plugins.columns import FrameError
from framecast.plugins.frames import Frame
from framecast.plugins.packets import Packet, packet_of, parse_packet
from framecast.plugins.sticky import StickyColumns

Deliver = Callable[[Packet], Awaitable[None]]


class StreamOverError(Exception):
    """The stream was told to end, so that nobody gets what it sends. It is to let itself be cancelled."""


class Sender:
    """The way out of one run of a stream."""

    def __init__(self, deliver: Deliver, *, max_bytes: int) -> None:
        self._deliver = deliver
        self._max_bytes = max_bytes
        self._columns = StickyColumns()

    async def send(self, packet: Frame | bytes | Any) -> None:
        """Send one packet to everybody who is subscribed. Waits while the channel has sent more than its limits.

        A `Frame`, JSON as bytes (sent as it is), or what `Frame.of` makes a frame of: then the columns that the
        stream had so far are kept (sticky.py). A schema may be in every packet: subscribers get it when it changes.
        FrameError for what is none of these, or too large; StreamOverError when the stream was told to end.
        """
        if isinstance(packet, bytes):
            parsed = parse_packet(packet)
        else:
            parsed = packet_of(packet if isinstance(packet, Frame) else self._columns.frame(packet))
        if len(parsed.whole) > self._max_bytes:
            raise FrameError(
                f"a packet of {len(parsed.whole)} bytes: sources.packet_bytes = {self._max_bytes}; send fewer rows"
            )
        await self._deliver(parsed)
