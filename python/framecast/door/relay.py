"""Between the core and a peer whose bytes it cannot write itself: a pair of sockets, and who carries on.

The core writes into one end, with the queue, the limits and the fan-out of any connection; what comes out of the other
goes on to the peer, as fast as that takes it. A peer that is too slow fills the pair and then its queue, and is cut.
"""

import contextlib
import socket
from collections.abc import Awaitable, Callable

import trio

from framecast.door.direct import DirectStream

PAIR_BYTES = 65_536
"""What the pair may hold, about. It comes on top of `live.queue_bytes`, so it is as small as one good system call."""


def open_pair() -> tuple[DirectStream, trio.SocketStream]:
    """Where the core writes, and where that comes out. OSError when the system has no sockets left."""
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return DirectStream(trio.SocketStream(ours)), trio.SocketStream(theirs)


async def carry(pair: trio.SocketStream, send: Callable[[bytes], Awaitable[None]], *, piece_bytes: int) -> None:
    """Send everything that comes out of the pair, until its end or until somebody closes it.

    What is there at a wake-up goes on as one, up to `piece_bytes`. While the peer takes a piece the pair may be full,
    so it has `live.write_seconds` for each.
    """
    with contextlib.suppress(trio.ClosedResourceError):
        while data := await pair.receive_some(piece_bytes):
            await send(data)
