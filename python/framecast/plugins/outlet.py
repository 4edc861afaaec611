"""From a stream's sender to its channel: within the limits, and a schema only to where it is not known.

A schema counts as known where the channel's past has it: it was in a packet, or every subscriber that is there began
with it. A packet with such a schema goes out without. What a packet holds is never changed.
"""

import trio

from framecast import metrics
from framecast.bucket import Bucket
from framecast.channels.address import Address
from framecast.channels.broker import Draft
from framecast.channels.hub import Hub
from framecast.channels.outsiders import Run
from framecast.plugins.packets import Packet
from framecast.plugins.sender import StreamOverError
from framecast.settings import Sources


class Outlet:
    """Where the packets of one run go."""

    def __init__(self, hub: Hub, address: Address, run: Run, limits: Sources) -> None:
        self._hub = hub
        self._address = address
        self._run = run
        now = trio.current_time()
        self._packets = Bucket(limits.packets_per_second, limits.packets_burst, now)
        self._bytes = Bucket(limits.bytes_per_second, limits.bytes_per_second, now)

    async def deliver(self, packet: Packet) -> None:
        """Publish one packet; waits while the channel has had more than its share, and always lets others run.

        StreamOverError after the run was cancelled. Refusal 503 as the broker's.
        """
        now = trio.current_time()
        seconds = max(self._packets.take(1, now), self._bytes.take(len(packet.whole), now))
        if seconds:
            metrics.source_held_seconds.inc(seconds)
        await trio.sleep(seconds)
        if self._run.cancelled:
            # Who catches this and goes on must not do so at full speed.
            await trio.sleep(1.0)
            raise StreamOverError("the stream was told to end")
        await self._publish(packet)

    async def _publish(self, packet: Packet) -> None:
        history = self._hub.history(self._address)
        known = None if history is None else history.schema
        if packet.schema is None or packet.schema != known:
            draft = Draft(self._address.key, packet.whole, packet.schema, packet.rows)
        elif (rest := packet.without_schema) is not None:
            draft = Draft(self._address.key, rest, rows=packet.rows)
        else:
            return
        metrics.source_packets.inc()
        metrics.source_bytes.inc(len(draft.data))
        await self._hub.publish([draft])
