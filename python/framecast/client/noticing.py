"""Runs what rarely waits, and notices when it does.

Most commands are carried out without waiting for anything. What has to be done beside one that waits is begun at its
first wait, and costs the others nothing. That is seen in the way every `await` works: whoever waits hands something
down to the event loop. What it is is passed on unseen.
"""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any


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
