"""A TCP proxy that loses connections, at any byte, or stops reading them; and counts what the server sends."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

ABORT = struct.pack("ii", 1, 0)

STALLED_READ_BYTES = 16 * 1024
"""What the kernel may hold for a proxy that stops reading: little, so that it is the server that has to."""

FLOWING_READ_BYTES = 1024 * 1024
"""And once it reads on. HTTP clients use a connection again: with little in the kernel's hands it would stay slow."""


class CuttingProxy:
    """Forwards to `target` (HOST:PORT, may be changed) until it is told to cut."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.cuts = 0
        self.received_bytes = 0
        """What servers have sent so far."""
        self._flowing = trio.Event()
        self._flowing.set()
        self._allowed: int | None = None
        self._open: set[trio.SocketStream] = set()

    def cut(self) -> None:
        """Abort every connection now."""
        self.cuts += bool(self._open)
        for stream in self._open:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            stream.socket.close()
        self._open.clear()

    def cut_after(self, sent_bytes: int) -> None:
        """Cut when the server has sent so many more bytes, wherever in a message that is."""
        self._allowed = sent_bytes

    def stall(self) -> None:
        """Read nothing more from servers until `resume`."""
        self._flowing = trio.Event()
        self._let_kernel_hold(STALLED_READ_BYTES)

    def resume(self) -> None:
        """Read on where `stall` stopped."""
        self._let_kernel_hold(FLOWING_READ_BYTES)
        self._flowing.set()

    def _let_kernel_hold(self, read_bytes: int) -> None:
        for stream in self._open:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            task_status.started()
            await trio.serve_listeners(self._forward, [listener], handler_nursery=nursery)

    async def _forward(self, client: trio.SocketStream) -> None:
        host, port = self.target.rsplit(":", 1)
        try:
            server = await trio.open_tcp_stream(host, int(port))
        except OSError:
            return
        async with client, server:
            self._open |= {client, server}
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, client, server, False)
                    nursery.start_soon(self._pump, server, client, True)
            finally:
                self._open -= {client, server}

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream, from_server: bool) -> None:
        try:
            async for data in source:
                if from_server:
                    self.received_bytes += len(data)
                    await self._flowing.wait()
                if from_server and self._allowed is not None:
                    allowed, self._allowed = data[: self._allowed], self._allowed - len(data)
                    await sink.send_all(allowed)
                    if self._allowed <= 0:
                        self._allowed = None
                        self.cut()
                        return
                else:
                    await sink.send_all(data)
            await sink.send_eof()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._open -= {source, sink}
            await trio.aclose_forcefully(source)
            await trio.aclose_forcefully(sink)


@asynccontextmanager
async def cutting_proxy(target: str) -> AsyncIterator[CuttingProxy]:
    """A proxy for the length of the block."""
    async with trio.open_nursery() as nursery:
        proxy = CuttingProxy(target)
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
