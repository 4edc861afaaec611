"""Between the core and a peer whose bytes it cannot write itself: a pair of sockets, and a task that carries on.

The core writes into one end, with the queue, the limits and the fan-out of any connection; what comes out of the other
goes on to the peer, as fast as that takes it. A peer that is too slow fills the pair and then its queue, and is cut.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
import trio

from framecast.door.outbound import LAST_PASS_SECONDS
from framecast.door.tls import TlsStream

log = structlog.get_logger(__name__)

PAIR_BYTES = 65_536
"""What the pair may hold, about. It comes on top of `live.queue_bytes`, so it is as small as one good system call."""

TRAIN_BYTES = PAIR_BYTES
"""Of what is encrypted and sent as one over TLS: all that the pair holds, in records of 16 KiB."""


def open_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Where the core writes, and where that comes out. OSError when the system has no sockets left."""
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return trio.SocketStream(ours), trio.SocketStream(theirs)


async def carry(pair: trio.SocketStream, send: Callable[[bytes], Awaitable[None]], *, piece_bytes: int) -> None:
    """Send everything that comes out of the pair, until its end or until somebody closes it.

    What is there at a wake-up goes on as one, up to `piece_bytes`. While the peer takes a piece the pair may be full,
    so it has `live.write_seconds` for each.
    """
    with contextlib.suppress(trio.ClosedResourceError):
        while data := await pair.receive_some(piece_bytes):
            await send(data)


@asynccontextmanager
async def relayed(stream: TlsStream, *, flush_seconds: float) -> AsyncIterator[trio.SocketStream]:
    """What the core may write into for `stream`, as it would into a socket.

    BrokenResourceError when the system has no sockets left: the connection cannot be served then, as if it were broken.

    Who adopts it closes it, within the block; what it was written goes out even when everything is being cancelled, in
    `flush_seconds` after the block and not beyond the deadline of the scopes around, as with a `WriterStream`. Where
    the core cuts it, the connection beneath `stream` ends too, under the hands of who reads there. Does not close
    `stream`.
    """
    try:
        ours, theirs = open_pair()
    except OSError as error:
        log.debug("no sockets for a subscriber over TLS", error=error.strerror)
        raise trio.BrokenResourceError("no sockets left") from None
    pumping = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pump, theirs, stream, pumping)
        nursery.start_soon(_end_when_cut, ours, stream)
        try:
            yield ours
        finally:
            now = trio.current_time()
            until = min(now + flush_seconds, trio.current_effective_deadline())
            pumping.deadline = max(until, now + LAST_PASS_SECONDS)
            await trio.aclose_forcefully(ours)  # where nobody came to adopt it


async def _pump(pair: trio.SocketStream, stream: TlsStream, pumping: trio.CancelScope) -> None:
    with pumping, contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await carry(pair, stream.send_all, piece_bytes=TRAIN_BYTES)
    # If there is more to come the core has to learn that nobody takes it.
    await trio.aclose_forcefully(pair)


async def _end_when_cut(ours: trio.SocketStream, stream: TlsStream) -> None:
    """The pump cannot see it while it waits for a peer that takes nothing, and a reader looks elsewhere."""
    try:
        await ours.receive_some(1)  # nobody writes this way, so it is the end
    except trio.ClosedResourceError:
        return  # by its owner, and what is in the pair still goes out
    except trio.BrokenResourceError:
        pass
    stream.abort()
