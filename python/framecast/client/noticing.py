"""Runs what rarely waits, notices when it does, and has something else run beside it from then on.

Most commands are carried out without waiting for anything. What has to be done beside one that waits is begun at its
first wait, and costs the others nothing. That is seen in the way every `await` works: whoever waits hands something
down to the event loop. What it is is passed on unseen.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

import trio


class Noticing(Generator[Any, Any, None]):
    """To be awaited, once, instead of `running`."""

    __slots__ = ("_notice", "_running")

    def __init__(self, running: Coroutine[Any, Any, None], notice: Callable[[], None]) -> None:
        """`notice` is called once `running` waits, in whatever scopes it does; it must neither wait nor raise."""
        self._running = running
        self._notice: Callable[[], None] | None = notice

    def __await__(self) -> "Noticing":
        return self

    def send(self, value: Any) -> Any:
        """Go on to the next wait."""
        try:
            waits_for = self._running.send(value)
        finally:
            # It may hold the error that now goes through here, which holds this frame until the collector comes by.
            del value
        self._tell()
        return waits_for

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Any:
        """The same, where the wait has failed."""
        try:
            waits_for = self._running.throw(value if isinstance(value, BaseException) else kind)
        finally:
            del kind, value, trace
        self._tell()
        return waits_for

    def close(self) -> None:
        """Give it up."""
        self._running.close()

    def _tell(self) -> None:
        if self._notice is not None:
            notice, self._notice = self._notice, None
            notice()


class Beside:
    """A task that may run beside the one that made it, and ends before it in any case: it is the nursery's."""

    __slots__ = ("_ended", "_nursery", "_run", "_scope")

    def __init__(self, nursery: trio.Nursery, run: Callable[[], Awaitable[None]]) -> None:
        """Nothing runs yet, and where nothing ever does, it has cost nothing."""
        self._nursery = nursery
        self._run = run
        self._scope: trio.CancelScope | None = None
        self._ended: trio.Event | None = None

    def begin(self) -> None:
        """Run it from now on. At most once."""
        self._scope, self._ended = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._run_within, self._scope, self._ended)

    async def end(self) -> None:
        """Cancel it, if it was begun, and wait until it has ended. Has no checkpoint where it was not."""
        if self._scope is not None and self._ended is not None:
            self._scope.cancel()
            await self._ended.wait()

    async def _run_within(self, scope: trio.CancelScope, ended: trio.Event) -> None:
        try:
            with scope:
                await self._run()
        finally:
            ended.set()
