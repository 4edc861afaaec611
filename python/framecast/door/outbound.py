"""The way out: streams whose bytes the core writes, and the events that come back from its writer thread.

With door/direct.py the only one that waits for file descriptors itself. From `WriterEvents.adopt` until the core says
``released``, nobody but the core writes to a connection's socket, and nobody closes it: the two rules that every line
below is about. Knows nothing of HTTP, rooms or channels; of WebSocket it knows the one byte that begins a Close.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import structlog
import trio

from framecast._core import Event, Fanout
from framecast.door.direct import DirectStream
from framecast.door.tls import TlsStream

__all__ = ["Reading", "WriterEvents", "WriterStream"]

log = structlog.get_logger(__name__)

# Final frame, opcode 8 (RFC 6455 §5.2). After it a server sends nothing more (§5.5.1).
_CLOSE_FRAME: Final = 0x88

# How long the writer may take to let go of a socket it was told to drop. It never waits for a peer, so this
# passes only when it is stuck; it is no setting because nothing can be gained by changing it.
_RELEASE_SECONDS: Final = 5.0


# A peer that reads gets what is queued for it even when everything is being cancelled: the writer needs one pass.
LAST_PASS_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Reading:
    """How a peer reads messages, as `Fanout.add` takes it."""

    protocol: Literal["json", "protobuf"] = "json"
    framing: Literal["websocket", "stream", "sse"] = "websocket"
    unidirectional: bool = False


_WEBSOCKET_JSON: Final = Reading()


class WriterEvents:
    """Hands what the writer thread says to the streams it is about. One for the server, with its `Fanout`."""

    def __init__(self, fanout: Fanout) -> None:
        self.fanout: Final = fanout
        self._streams: dict[int, WriterStream] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dispatch for ever. Must outlive every stream: their `aclose` waits for what arrives here."""
        task_status.started()
        while True:
            await trio.lowlevel.wait_readable(self.fanout.event_fd)
            for event in self.fanout.take_events():
                self._dispatch(event)

    def _dispatch(self, event: Event) -> None:
        if event.kind == "released":
            stream = self._streams.pop(event.connection, None)
        else:
            stream = self._streams.get(event.connection)
        if stream is not None:
            stream._notice(event.kind)  # noqa: SLF001 -- two halves of one thing

    def adopt(
        self,
        stream: DirectStream | TlsStream,
        *,
        max_queue_bytes: int,
        write_seconds: float,
        close_flush_seconds: float,
        reading: Reading = _WEBSOCKET_JSON,
    ) -> WriterStream:
        """Give the writing of `stream` to the core. OSError, and no change, when it cannot.

        `reading` is how the peer reads; ValueError when nobody can read so.
        """
        connection = self.fanout.add(
            stream.socket.fileno(),
            max_queue_bytes,
            protocol=reading.protocol,
            framing=reading.framing,
            unidirectional=reading.unidirectional,
            write_seconds=write_seconds,
            tls=stream.session if isinstance(stream, TlsStream) else None,
        )
        # No checkpoint since `add`, so no event can have been dispatched before the stream is known.
        if isinstance(stream, TlsStream):
            stream.hand_over(partial(self.fanout.speak, connection))
        adopted = WriterStream(self, connection, stream, close_flush_seconds)
        adopted.speaks_websocket = reading.framing == "websocket"
        self._streams[connection] = adopted
        return adopted


class WriterStream(trio.abc.HalfCloseableStream):
    """One connection: reads are Trio's, writes are the core's. Made by `WriterEvents.adopt`.

    Sending never waits for the peer: bytes join a bounded queue, and leave it at once where nothing is before them. A
    peer too slow for it is cut (`overflowed`), and so is one whose socket takes nothing at all (`stalled`). Then, and
    when the peer is gone (`broken`), sends raise BrokenResourceError and reads find the end.
    """

    def __init__(
        self,
        events: WriterEvents,
        connection: int,
        stream: DirectStream | TlsStream,
        close_flush_seconds: float,
    ) -> None:
        self.connection: Final = connection
        self.close_flush_seconds: Final = close_flush_seconds
        self.overflowed = False
        self.stalled = False
        self.broken = False
        self.speaks_websocket = True
        self.last_received = trio.current_time()
        self._events = events
        self._fanout = events.fanout
        self._reads = stream
        self._socket_stream = stream.transport_stream if isinstance(stream, TlsStream) else stream
        self._said_goodbye = False
        """Whether a WebSocket Close of ours is queued or sent: nothing may follow it."""
        self._finished = False
        self._closed = False
        self._released = False
        self._let_go: trio.Event | None = None
        """Set with `_released`; made when somebody waits for that, as nobody does while the connection is open."""

    @property
    def queued_bytes(self) -> int:
        """Bytes that the peer has not made room for yet."""
        return self._fanout.queued_bytes(self.connection)

    @property
    def waiting_bytes(self) -> int:
        """Memory of everything that waits for any peer of the server."""
        return self._fanout.waiting_bytes

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Queue `data`, which begins where a frame (or the handshake answer) does. Does not wait."""
        self._check_open()
        await trio.lowlevel.checkpoint()
        self.send(bytes(data))

    def send(self, data: bytes) -> None:
        """As `send_all`, without a checkpoint."""
        self._check_open()
        if self.speaks_websocket and data and data[0] == _CLOSE_FRAME:
            self._said_goodbye = True
            # First, so that no publication of another task or thread can come between the Close and the end.
            self._fanout.leave(self.connection)
        if not self._fanout.send(self.connection, data):
            raise trio.BrokenResourceError(self._why())

    async def wait_send_all_might_not_block(self) -> None:
        """Pass a checkpoint: sending never waits for the peer."""
        self._check_open()
        await trio.lowlevel.checkpoint()

    def send_message(self, payload: bytes) -> None:
        """Queue one message, framed as the peer reads. BrokenResourceError when it is cut or a Close went before."""
        self._check_open()
        if not self._fanout.send_message(self.connection, payload):
            raise trio.BrokenResourceError(self._why())

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read as from any stream; a connection that was cut gives what had arrived and then the end.

        Who is given the end can see why, whether or not the writer has come to say so.
        """
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed")
        try:
            received = await self._reads.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self._learn()
            raise
        if received:
            self.last_received = trio.current_time()
        else:
            self._learn()
        return received

    async def send_eof(self) -> None:
        """Write out what is queued, then end our side. Waits as long as the peer takes."""
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed")
        self._finish()
        await self._wait_released()
        if self._is_cut:
            raise trio.BrokenResourceError(self._why())
        await self._socket_stream.send_eof()

    async def aclose(self) -> None:
        """Write out what is queued, wait for the writer to let go, close.

        The writing out takes at most `close_flush_seconds`, and not beyond the deadline of the scopes around: where
        that has passed, only a peer that reads gets the rest. Runs to its end in a cancelled scope too, and never
        raises Cancelled when it was the one to close: the exception that is on its way out of the caller's block must
        not be replaced by it.
        """
        if self._closed:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._closed = True
        self._finish()
        if not self._released:
            await self._part_in_time()
        self._socket_stream.socket.close()

    async def _part_in_time(self) -> None:
        """Wait until the writer has let go of the descriptor, within the limits of `aclose`."""
        now = trio.current_time()
        flush_until = min(now + self.close_flush_seconds, trio.current_effective_deadline())
        flush_until = max(flush_until, now + LAST_PASS_SECONDS)
        with trio.move_on_at(flush_until, shield=True):
            await self._wait_released()
        if not self._released:
            self._fanout.remove(self.connection)
            with trio.move_on_after(_RELEASE_SECONDS, shield=True):
                await self._wait_released()
        if not self._released:
            self._leak()

    async def _wait_released(self) -> None:
        if not self._released:
            if self._let_go is None:
                self._let_go = trio.Event()
            await self._let_go.wait()

    def _finish(self) -> None:
        self._finished = True
        self._fanout.finish(self.connection)

    def _leak(self) -> None:
        """Part from the descriptor unclosed: the writer could send into whatever got its number next."""
        socket = self._socket_stream.socket
        trio.lowlevel.notify_closing(socket)
        with contextlib.suppress(OSError):  # the peer is gone already
            socket.shutdown(trio.socket.SHUT_RDWR)
        log.error("descriptor leaked, writer did not release it", fd=socket.detach(), connection=self.connection)

    @property
    def _is_cut(self) -> bool:
        return self.overflowed or self.stalled or self.broken

    def _check_open(self) -> None:
        if self._closed or self._finished:
            raise trio.ClosedResourceError("this stream was closed for sending")

    def _learn(self) -> None:
        """Know why the core has cut the connection, if it has: the writer's event may still be on its way."""
        if kind := self._fanout.find_cut(self.connection):
            self._notice(kind)

    def _why(self) -> str:
        self._learn()
        if self._said_goodbye and not self._is_cut:
            return "a WebSocket Close was sent"
        if self.stalled:
            return "the peer read nothing for too long"
        return "the peer read too slowly" if self.overflowed else "the connection is cut"

    def _notice(self, kind: str) -> None:
        if kind == "overflow":
            self.overflowed = True
        elif kind == "stalled":
            self.stalled = True
        elif kind == "broken":
            self.broken = True
        else:
            self._released = True
            if self._let_go is not None:
                self._let_go.set()
