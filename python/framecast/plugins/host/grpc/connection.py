"""One HTTP/2 connection to a plugin on a Trio stream: a task that reads, one that writes, and any number of calls.

What a call does is synchronous on the session; the two tasks carry bytes. When the connection ends, for whatever
reason, every call ends with UNAVAILABLE, and so does each that is begun later.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from framecast.plugins.host.grpc.bell import Bell
from framecast.plugins.host.grpc.call import Call
from framecast.plugins.host.grpc.exchange import Exchange
from framecast.plugins.host.grpc.framing import encode_message
from framecast.plugins.host.grpc.session import CallLimits, Session, SessionOverError
from framecast.plugins.host.grpc.status import GrpcError, StatusCode

READ_BYTES = 16 * 1024
"""Handled in one turn: two hundred small packets, less than a millisecond, so that a flood is felt as little more."""

_OUTPUT_BYTES = 1024 * 1024
"""Answers to PING and the like that may wait to be written; then nothing more is read."""


class Connection:
    """Owned by the task of `run`; calls come from any task of the same event loop."""

    def __init__(self, stream: trio.abc.Stream, limits: CallLimits, *, scheme: str, send_seconds: float) -> None:
        self.leaving = trio.Event()
        """No call can be begun here any more: the plugin said so, or the connection is over."""
        self._stream = stream
        self._session = Session(limits, scheme=scheme)
        self._send_seconds = send_seconds
        self._bells: dict[int, Bell] = {}
        self._room = Bell()
        self._window = Bell()
        self._output = Bell()
        self._written = Bell()
        self._carrying = trio.CancelScope()
        self._retired = False
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is over; None while it is not."""
        return self._reason

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> str:
        """Carry the connection until it ends, and close its stream; return why it ended."""
        try:
            with self._carrying:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    task_status.started()
                    await self._read()
        finally:
            self.end("the connection was given up")
            await trio.aclose_forcefully(self._stream)
        return self._reason or ""

    def retire(self) -> None:
        """End as soon as no call is open."""
        self._retired = True
        if not self._bells:
            self.end("the connection is no longer needed")

    def end(self, reason: str) -> None:
        """End it, and all its calls with UNAVAILABLE and this reason. The first reason counts."""
        if self._reason is not None:
            return
        self._reason = reason
        self._session.end(reason)
        self.leaving.set()
        for bell in (*self._bells.values(), self._room, self._window):
            bell.ring()
        self._carrying.cancel()

    @asynccontextmanager
    async def call(self, path: str, message: bytes, *, timeout_seconds: float) -> AsyncIterator[Call]:
        """Begin a call, waiting for room among those that run; cancelled when the block is left before its end.

        `timeout_seconds` is what the plugin is told; to keep to it is the caller's part.
        """
        while self._reason is None and not self._session.draining and not self._session.has_room():
            await self._room.wait_rung()
        exchange = self._open(path, timeout_seconds)
        bell = self._bells[exchange.stream_id] = Bell()
        try:
            await self._send(exchange, memoryview(encode_message(message)))
            yield Call(self._session, exchange, bell, self._output)
        finally:
            self._session.close(exchange)
            self._output.ring()
            self._room.ring()
            del self._bells[exchange.stream_id]
            if self._retired:
                self.retire()

    def _open(self, path: str, timeout_seconds: float) -> Exchange:
        if self._reason is not None:
            raise GrpcError(StatusCode.UNAVAILABLE, self._reason)
        if self._session.draining:
            raise GrpcError(StatusCode.UNAVAILABLE, "the plugin takes no more calls on this connection")
        try:
            return self._session.open(path, timeout_seconds=timeout_seconds)
        except SessionOverError as error:
            self.leaving.set()
            raise GrpcError(StatusCode.UNAVAILABLE, str(error)) from None

    async def _send(self, exchange: Exchange, rest: memoryview) -> None:
        """Hand the request over as fast as the plugin takes it; a call that has ended meanwhile needs no more of it."""
        while True:
            rest = rest[self._session.send(exchange, rest) :]
            self._output.ring()
            if exchange.request_ended or exchange.ended:
                return
            await self._window.wait_rung()

    async def _read(self) -> None:
        while self._reason is None:
            try:
                data = await self._stream.receive_some(READ_BYTES)
                changed = self._session.receive(bytes(data)) if data else ()
            except SessionOverError as error:
                self.end(str(error))
                return
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.end(f"the connection broke: {error.__cause__ or error}")
                return
            if not data:
                self.end("the plugin closed the connection")
                return
            self._tell(changed)
            while self._session.output_bytes > _OUTPUT_BYTES:
                await self._written.wait_rung()

    def _tell(self, changed: Iterable[Exchange]) -> None:
        for exchange in changed:
            bell = self._bells.get(exchange.stream_id)
            if bell is not None:
                bell.ring()
        if self._session.draining:
            self.leaving.set()
        if self._session.request_window_grew:
            self._session.request_window_grew = False
            self._window.ring()
        self._room.ring()
        self._output.ring()

    async def _write(self) -> None:
        while self._reason is None:
            output = self._session.take_output()
            if not output:
                await self._output.wait_rung()
                continue
            try:
                with trio.fail_after(self._send_seconds):
                    await self._stream.send_all(output)
            except trio.TooSlowError:
                self.end(f"the plugin took nothing of what we sent for {self._send_seconds:g} s")
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.end(f"the connection broke: {error.__cause__ or error}")
            self._written.ring()
