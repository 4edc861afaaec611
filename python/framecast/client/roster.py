"""Who is being served, over whatever transport, and whether one more may be."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from framecast.errors import Refusal
from framecast.protocol.codes import CloseCode


class Roster:
    """The subscribers of a server. One for all transports; used from Trio's thread only."""

    def __init__(self, max_connections: int, stopping: trio.Event) -> None:
        self._max_connections = max_connections
        self._stopping = stopping
        self._served = 0

    def check_open(self) -> None:
        """Refusal 503 while Live is switched off or ending, for a request that has not been accepted yet."""
        if self._max_connections == 0:
            raise Refusal(503, "Live is switched off on this server (live.max_connections = 0)")
        if self._stopping.is_set():
            raise Refusal(503, "this server is shutting down", temporary=True)

    @contextmanager
    def place(self) -> Iterator[CloseCode | None]:
        """Hold a place for the length of the block; when none is free, give the code to turn the client away with.

        Who is turned away does not count: a newcomer's 3504 is final for the SDKs.
        """
        if 0 <= self._max_connections <= self._served:
            yield CloseCode.CONNECTION_LIMIT
            return
        self._served += 1
        try:
            yield None
        finally:
            self._served -= 1
