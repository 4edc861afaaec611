"""A stream that gives back bytes already read, then goes on as the stream it wraps."""

from typing import Any

import trio

from framecast.door.closing import Closing


class ReplayedStream(trio.abc.Stream):
    """Receives `data` first. Everything else, ``socket`` and ``send_eof`` too, is the wrapped stream's.

    hypercorn tells TLS from plain TCP by whether ``do_handshake`` exists, so nothing may be offered here that the
    wrapped stream lacks. With `send_seconds` a send that takes longer, or longer than the grace of `closing`, counts
    as a broken connection: hypercorn shields its sends from cancellation, and only a deadline inside the shield ends
    one to a peer that never reads.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        data: bytes = b"",
        *,
        send_seconds: float | None = None,
        closing: Closing | None = None,
    ) -> None:
        self._stream = stream
        self._data = memoryview(data)
        self._send_seconds = send_seconds
        self._closing = closing or Closing()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return replayed bytes while there are any, then what the stream receives."""
        if self._data:
            await trio.lowlevel.checkpoint()
            piece = bytes(self._data[:max_bytes])
            self._data = self._data[len(piece) :]
            return piece
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send through the wrapped stream."""
        if self._send_seconds is None:
            await self._stream.send_all(data)
            return
        try:
            with self._closing.sending(self._send_seconds):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            raise trio.BrokenResourceError("the peer does not read") from None
        except trio.BusyResourceError:
            # hypercorn ends its half of a connection whose peer has left while an application is still answering;
            # it knows what to do with a broken stream, and logs a busy one as the application's error.
            raise trio.BrokenResourceError("the connection is being ended") from None

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the wrapped stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the wrapped stream."""
        await self._stream.aclose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
