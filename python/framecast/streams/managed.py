"""One managed stream: a parser with its sticky columns, and the channels its measurements became."""

import time
from dataclasses import dataclass, field

import trio

from framecast._core import PushResult, StreamParser
from framecast.channels.address import MAX_ADDRESS_BYTES, Address
from framecast.channels.broker import Draft
from framecast.channels.hub import Hub
from framecast.settings import Push, Streams
from framecast.streams.rate import MinuteRate

SCOPE = "stream"


@dataclass(slots=True)
class LiveChannel:
    """One measurement's channel."""

    address: Address
    schema: bytes
    rate: MinuteRate = field(default_factory=MinuteRate)


class ManagedStream:
    """Pushes to one stream are parsed and published one after another, in the order of their arrival.

    The order is kept by a fair lock: a small push waits behind a large one that is being parsed in a thread, and
    nothing waits for a subscriber.
    """

    def __init__(self, org_id: int, stream_id: str, hub: Hub, limits: tuple[Streams, Push]) -> None:
        streams, push = limits
        self.org_id = org_id
        self.stream_id = stream_id
        self.channels: dict[str, LiveChannel] = {}
        self.pushes_under_way = 0
        self._hub = hub
        self._turn = trio.Lock()
        self._thread_body_bytes = push.thread_body_bytes
        self._parser = StreamParser(
            max_measurements=streams.max_measurements,
            max_columns=streams.max_columns,
            max_path_bytes=MAX_ADDRESS_BYTES - len(f"{SCOPE}/{stream_id}/"),
            max_packet_bytes=streams.packet_bytes,
            max_push_output_bytes=streams.output_bytes,
            max_rejections=push.report_lines,
        )

    async def push(self, body: bytes, received_ns: int, threads: trio.CapacityLimiter) -> PushResult:
        """Parse `body`, publish its packets, and return what became of its lines.

        When it returns, every accepted line was handed to the broker. Large bodies are parsed in one of `threads`.
        """
        self.pushes_under_way += 1
        try:
            async with self._turn:
                if len(body) < self._thread_body_bytes:
                    result = self._parser.push(body, received_ns, "ns")
                else:
                    result = await trio.to_thread.run_sync(self._parser.push, body, received_ns, "ns", limiter=threads)
                await self._publish(result)
        finally:
            self.pushes_under_way -= 1
        return result

    async def _publish(self, result: PushResult) -> None:
        now = int(time.monotonic())
        drafts = []
        for packet in result.packets:
            channel = self.channels.get(packet.path)
            if packet.schema is not None:
                if channel is None:
                    address = Address(self.org_id, SCOPE, self.stream_id, packet.path)
                    channel = self.channels[packet.path] = LiveChannel(address, packet.schema)
                channel.schema = packet.schema
            if channel is None:
                raise AssertionError(f"the first packet of {packet.path} carries no schema")
            channel.rate.add(now)
            drafts.append(Draft(channel.address.key, packet.payload, packet.schema))
        await self._hub.publish(drafts)
