"""Wakes the tasks that wait for something to have changed, who then look for themselves."""

import trio


class Bell:
    """An event that can be rung again and again; it remembers nothing. Whoever waits looks first."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def ring(self) -> None:
        """Wake all who wait now."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait_rung(self) -> None:
        """Wait for the next ring."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
