"""Tasks that must outlive a cancellation for as long as it takes to end in an orderly way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks run until the block is left, though the block itself is cancelled.

    Whoever leaves the block late, because of what it still has to wait for, puts a deadline on that.
    """
    async with trio.open_nursery() as outer:
        background: trio.Nursery = await outer.start(_keep_open)
        background.cancel_scope.shield = True  # not earlier: a start that is cancelled must end
        try:
            yield background
        finally:
            background.cancel_scope.cancel()


async def _keep_open(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()
