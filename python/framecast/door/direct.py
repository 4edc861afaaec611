"""An accepted connection over plain TCP, read with one wait and one system call, and written without a wait.

trio.SocketStream asks the kernel before it waits, and passes a checkpoint on either side of what it sends, which is
right for whoever knows nothing of the connection. Requests, and what a subscriber says, come one after another, and
each begins with a wait. All rooms get a connection as this, or as TLS over it; of several tasks that have it, one reads
and one writes at a time, and whoever waits when another closes it is told.
"""

import os
from typing import Final

import trio

_READ_BYTES = 65_536


class DirectStream(trio.abc.HalfCloseableStream):
    """One connection. Made of a stream of trio's, which it owns, and below which it reads and writes.

    Receiving always waits, so that others get their turn. Sending waits for nothing that the kernel takes at once, and
    is no checkpoint then.
    """

    __slots__ = ("_stream", "socket")

    def __init__(self, socket_stream: trio.SocketStream) -> None:
        self._stream = socket_stream
        self.socket: Final = socket_stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come; b"" at the end. BrokenResourceError when the connection was reset."""
        while True:
            await trio.lowlevel.wait_readable(self._fileno())
            try:
                return os.read(self._fileno(), max_bytes or _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection broke: {error.strerror}") from error

    def send_now(self, data: bytes) -> bytes:
        """Send what the kernel takes at once; what is left of it. BrokenResourceError when the peer has gone."""
        try:
            return data[os.write(self._fileno(), data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            raise trio.BrokenResourceError(f"the connection broke: {error.strerror}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, waiting for the peer where need be."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes something."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Send no more, and let the peer know."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    def _fileno(self) -> int:
        """The descriptor, as long as it is this connection's: a number may be another's once it was closed."""
        number = self.socket.fileno()
        if number < 0:
            raise trio.ClosedResourceError("the connection is closed")
        return number
