"""Calls to one plugin, over whichever connection takes new ones.

A plugin that asks for no more calls on a connection gets another one, and ends the calls of the first in its own time.
A connection that ends in any other way ends the channel: what is behind it, is broken.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import trio

from framecast.plugins.host.grpc.bell import Bell
from framecast.plugins.host.grpc.call import Call
from framecast.plugins.host.grpc.connection import Connection
from framecast.plugins.host.grpc.session import CallLimits
from framecast.plugins.host.grpc.status import GrpcError, StatusCode

Dial = Callable[[], Awaitable[trio.abc.Stream]]
"""Opens a stream to the plugin; OSError or trio.BrokenResourceError when there is none to be had."""


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """How a plugin is spoken to."""

    limits: CallLimits
    scheme: str
    dial_seconds: float
    """For a connection to be there, TLS included."""

    send_seconds: float
    """For the plugin to take what we send."""

    redial_seconds: float
    """From one connection to the next."""


class Channel:
    """Owned by the task of `run`; calls come from any task, and wait for the first connection."""

    def __init__(self, dial: Dial, options: ChannelOptions) -> None:
        self._dial = dial
        self._options = options
        self._connection: Connection | None = None
        self._carried: set[Connection] = set()
        """That one, and those that still have calls but take no more."""
        self._over_because: str | None = None
        self._news = Bell()

    @property
    def over(self) -> bool:
        """Whether it ended, and with it every call there was and will be."""
        ended = self._connection is not None and self._connection.reason is not None
        return ended or self._over_because is not None

    def end(self, reason: str) -> None:
        """End it, and all its calls with UNAVAILABLE and this reason. The first reason counts."""
        self._over_because = self._over_because or reason
        for connection in self._carried:
            connection.end(reason)
        self._news.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> str:
        """Keep a connection until one ends that was not told to; return why. `started` once there is one.

        GrpcError when there is none to be had.
        """
        try:
            stream = await self._open_stream()
            async with trio.open_nursery() as nursery:
                connection = await self._adopt(stream, nursery)
                task_status.started()
                while not self.over:
                    await connection.leaving.wait()
                    if connection.reason is not None:
                        self.end(connection.reason)
                    else:
                        self._connection = None
                        connection = await self._replace(connection, nursery)
                nursery.cancel_scope.cancel()
        finally:
            self._connection = None
            self.end("the channel was given up")
        return self._over_because or ""

    async def _adopt(self, stream: trio.abc.Stream, nursery: trio.Nursery) -> Connection:
        options = self._options
        connection = Connection(stream, options.limits, scheme=options.scheme, send_seconds=options.send_seconds)
        await nursery.start(self._carry, connection)
        self._connection = connection
        self._news.ring()
        return connection

    async def _carry(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        self._carried.add(connection)
        try:
            await connection.run(task_status=task_status)
        finally:
            self._carried.discard(connection)

    async def _replace(self, old: Connection, nursery: trio.Nursery) -> Connection:
        """Another connection for one that takes no more calls, not too soon; where there is none, all is over."""
        old.retire()
        await trio.sleep(self._options.redial_seconds)
        try:
            return await self._adopt(await self._open_stream(), nursery)
        except GrpcError as error:
            self.end(error.message)
            return old

    async def _open_stream(self) -> trio.abc.Stream:
        seconds = self._options.dial_seconds
        try:
            with trio.fail_after(seconds):
                return await self._dial()
        except trio.TooSlowError:
            raise GrpcError(StatusCode.UNAVAILABLE, f"no connection to the plugin within {seconds:g} s") from None
        except (OSError, trio.BrokenResourceError) as error:
            raise GrpcError(
                StatusCode.UNAVAILABLE, f"no connection to the plugin: {error.__cause__ or error}"
            ) from None

    @asynccontextmanager
    async def call(self, path: str, message: bytes, *, timeout_seconds: float) -> AsyncIterator[Call]:
        """Begin a call, which is cancelled when the block is left before its end; GrpcError where it cannot begin."""
        while self._connection is None:
            if self._over_because is not None:
                raise GrpcError(StatusCode.UNAVAILABLE, self._over_because)
            await self._news.wait_rung()
        async with self._connection.call(path, message, timeout_seconds=timeout_seconds) as call:
            yield call

    async def ask(self, path: str, message: bytes, *, seconds: float) -> bytes:
        """Make a unary call; return its answer. GrpcError, DEADLINE_EXCEEDED where it takes longer than `seconds`."""
        with trio.move_on_after(seconds):
            async with self.call(path, message, timeout_seconds=seconds) as call:
                return await call.receive_only()
        raise GrpcError(StatusCode.DEADLINE_EXCEEDED, f"the plugin did not answer within {seconds:.3g} s")

    @asynccontextmanager
    async def listen(self, path: str, message: bytes, *, begin_seconds: float) -> AsyncIterator[Call]:
        """Begin a call with as many answers as the plugin gives; for its request to be sent there is a deadline."""
        async with AsyncExitStack() as stack:
            with trio.move_on_after(begin_seconds) as beginning:
                call = await stack.enter_async_context(self.call(path, message, timeout_seconds=math.inf))
            if beginning.cancelled_caught:
                raise GrpcError(
                    StatusCode.DEADLINE_EXCEEDED, f"the plugin did not take the request within {begin_seconds:g} s"
                )
            yield call
