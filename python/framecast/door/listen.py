"""Opens the listening sockets, accepts, and holds every connection inside a boundary of its own."""

import errno
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog
import trio

from framecast.door.direct import DirectStream
from framecast.errors import ConfigurationError
from framecast.settings import Server

log = structlog.get_logger(__name__)

Handle = Callable[[DirectStream], Awaitable[None]]

_PLACE = re.compile(r"(?:\[(?P<six>[^\[\]\s]+)\]|(?P<name>[^:\[\]\s]+)):(?P<port>[0-9]{1,5})")
AT_ONCE = 32
"""Connections that are taken behind the one that was waited for: a turn of the scheduler for each takes 10 µs more."""

_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def parse_place(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 address stands in brackets. ConfigurationError when it is none."""
    found = _PLACE.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65_535:
        raise ConfigurationError(
            f"server.listen = {text!r} is not HOST:PORT; examples: 127.0.0.1:8300, 0.0.0.0:8300 (all of IPv4), "
            "[::1]:8300, localhost:0 (a free port)"
        )
    return found["six"] or found["name"], int(found["port"])


async def open_listeners(places: Sequence[str]) -> list[trio.SocketListener]:
    """Bind and listen on all `places`, or on none: ConfigurationError names the one that cannot be used, and why."""
    listeners: list[trio.SocketListener] = []
    try:
        for text in places:
            host, port = parse_place(text)
            try:
                listeners += await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                reason = getattr(error.__cause__, "strerror", None) or error.strerror or error
                raise ConfigurationError(f"cannot listen on {text}: {reason}") from None
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    if not listeners:
        raise ConfigurationError("server.listen names no HOST:PORT to listen on")
    return listeners


def listening_places(listeners: Sequence[trio.SocketListener]) -> list[str]:
    """Where the listeners really are, as HOST:PORT texts."""
    names = [listener.socket.getsockname() for listener in listeners]
    return [f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}" for name in names]


async def serve(
    listeners: Sequence[trio.SocketListener],
    handle: Handle,
    *,
    connections: trio.Nursery,
    limits: Server,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled, then close the listeners; `handle` runs in `connections` and outlives this call.

    A permit is taken before a connection is accepted, so at most `limits.max_open_connections` are open, whatever
    their kind; further ones wait in the kernel's queue. Every listener keeps one permit while it waits.
    """
    permits = trio.Semaphore(max(limits.max_open_connections, len(listeners)))
    try:
        async with trio.open_nursery() as accepting:
            for listener in listeners:
                accepting.start_soon(_accept, listener, handle, connections, permits, limits.accept_retry_seconds)
            task_status.started(listening_places(listeners))
    finally:
        for listener in listeners:
            listener.socket.close()


async def _accept(
    listener: trio.SocketListener,
    handle: Handle,
    connections: trio.Nursery,
    permits: trio.Semaphore,
    retry_seconds: float,
) -> None:
    starved = False
    below = listener.socket
    with socket.fromfd(below.fileno(), below.family, below.type) as queue:
        queue.settimeout(0)
        while True:
            await permits.acquire()
            try:
                stream = DirectStream(await listener.accept())  # skips what was reset meanwhile, and sets NODELAY
            except OSError as error:
                permits.release()
                if error.errno not in _NOTHING_LEFT:
                    raise
                if not starved:
                    log.warning("cannot accept connections", error=error.strerror, retry_seconds=retry_seconds)
                starved = True
                await trio.sleep(retry_seconds)
                continue
            except BaseException:
                permits.release()
                raise
            if starved:
                log.info("accepting connections again")
                starved = False
            connections.start_soon(_supervise, stream, handle, permits)
            for further in _take_waiting(queue, permits):
                connections.start_soon(_supervise, further, handle, permits)


def _take_waiting(queue: socket.socket, permits: trio.Semaphore) -> Iterator[DirectStream]:
    """What waits in the kernel's queue as well, while there are permits. What goes wrong is told by the next wait."""
    for _ in range(AT_ONCE):
        try:
            permits.acquire_nowait()
        except trio.WouldBlock:
            return
        try:
            accepted, _ = queue.accept()
        except OSError:
            permits.release()
            return
        yield DirectStream(trio.SocketStream(trio.socket.from_stdlib_socket(accepted)))


async def _supervise(stream: DirectStream, handle: Handle, permits: trio.Semaphore) -> None:
    """Run one connection; nothing that goes wrong in it goes further.

    Errors are caught inside the block that closes the stream: when this task is being cancelled, closing raises
    Cancelled, which would take the error's place.
    """
    try:
        async with stream:
            try:
                await handle(stream)
            except* trio.BrokenResourceError:
                log.debug("peer left")
            except* Exception as group:
                log.exception("connection failed", exc_info=_only(group))
    finally:
        permits.release()


def _only(group: BaseExceptionGroup[Any]) -> BaseException:
    """The single error in nested groups, or the group: one traceback is easier to read than four around it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
