"""A channel and the plugin at its other end, in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio
import trio.testing

from framecast.plugins.host.grpc.channel import Channel, ChannelOptions
from framecast.plugins.host.grpc.session import CallLimits
from plugins.grpc_server import GrpcServer, Handler

LIMITS = CallLimits(window_bytes=65_536, message_bytes=1_000_000, max_held_bytes=10_000_000, max_calls=50)


class Peer:
    """The plugin's side: a server for each connection that the channel dials."""

    def __init__(self, handlers: Mapping[str, Handler], nursery: trio.Nursery) -> None:
        self.servers: list[GrpcServer] = []
        self.settings: dict[int, int] = {}
        self.unreachable = False
        self._handlers = handlers
        self._nursery = nursery

    async def dial(self) -> trio.abc.Stream:
        if self.unreachable:
            raise OSError(2, "No such file or directory")
        ours, theirs = trio.testing.memory_stream_pair()
        server = GrpcServer(theirs, self._handlers, settings=self.settings)
        self.servers.append(server)
        await self._nursery.start(server.run)
        return ours


@asynccontextmanager
async def connected(
    handlers: Mapping[str, Handler], *, limits: CallLimits = LIMITS, settings: Mapping[int, int] | None = None
) -> AsyncIterator[tuple[Channel, Peer]]:
    options = ChannelOptions(limits=limits, scheme="http", dial_seconds=5, send_seconds=5, redial_seconds=1)
    with trio.fail_after(1_000):
        async with trio.open_nursery() as nursery:
            peer = Peer(handlers, nursery)
            peer.settings.update(settings or {})
            channel = Channel(peer.dial, options)
            await nursery.start(channel.run)
            yield channel, peer
            nursery.cancel_scope.cancel()
