"""From a stream's sender to its channel: within the limits, and a schema only to where it is not known.

A plugin that sends more than its share waits. Before that, packets are let go for newer ones where the channel is to be
told less often (`channels.*.conflate_seconds`).

A schema counts as known where the channel's past has it: it was in a packet, or every subscriber that is there began
with it. A packet with such a schema goes out without. What a packet holds is never changed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from framecast import metrics
from framecast.bucket import Bucket
from framecast.channels.address import Address
from framecast.channels.broker import Draft
from framecast.channels.hub import Hub
from framecast.channels.outsiders import Run
from framecast.plugins.conflation import Conflation
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
        seconds = hub.options.find(address).conflate_seconds
        self._conflation = Conflation(self._publish, seconds) if seconds else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """To be done around all that delivers. What is raised within it may come out in a group."""
        if self._conflation is None:
            yield
        else:
            async with self._conflation.open():
                yield

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
        if not self._says_anything(packet):
            return
        if self._conflation is None:
            await self._publish(packet)
        else:
            await self._conflation.take(packet, needed=self._brings_schema(packet))

    def _brings_schema(self, packet: Packet) -> bool:
        """Whether it has a schema that is not known."""
        history = self._hub.history(self._address)
        known = None if history is None else history.schema
        return packet.schema is not None and packet.schema != known

    def _says_anything(self, packet: Packet) -> bool:
        return self._brings_schema(packet) or packet.without_schema is not None

    async def _publish(self, packet: Packet) -> None:
        rest = packet.without_schema
        if self._brings_schema(packet) or rest is None:
            draft = Draft(self._address.key, packet.whole, packet.schema, packet.rows)
        else:
            draft = Draft(self._address.key, rest, rows=packet.rows)
        metrics.source_packets.inc()
        metrics.source_bytes.inc(len(draft.data))
        await self._hub.publish([draft])
