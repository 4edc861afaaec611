"""Waiting for room in the queues of outgoing messages, before something large joins them.

A dashboard's pasts together are more than a queue holds, and would cut a client that reads well, again and again.
The queues are polled: only the writer thread knows when they empty, and an event for it would be paid for by every
connection that never waits here.
"""

from collections.abc import Callable

import trio

from framecast.client.rooms import Outbox
from framecast.protocol.codes import ErrorCode
from framecast.settings import Live

POLL_SECONDS = 0.02
POLL_MOST_SECONDS = 0.25
"""Between looks: at first, and when it lasts. Many slow readers at once must cost little."""


async def await_room(outbox: Outbox, limits: Live) -> None:
    """Wait until a channel's past fits the client's queue; Refusal 111 when it reads too slowly for that.

    A dashboard subscribes to many channels at once: their pasts together may be more than the queue holds, and would
    cut a client that reads well.
    """
    if not await _poll(lambda: outbox.queued_bytes <= limits.room_bytes, limits.room_seconds):
        raise ErrorCode.TOO_MANY_REQUESTS.refusal("too many requests: the client reads too slowly")


async def let_crowd_pass(outbox: Outbox, limits: Live) -> None:
    """Wait while half of `live.total_queue_bytes` is taken, but not for long.

    Where a thousand clients come back at once, their pasts together are more than all queues may hold, and those who
    read well would be cut with the others. When it does not pass, somebody reads slowly on purpose: nobody is refused
    for that.
    """
    await _poll(lambda: outbox.waiting_bytes <= limits.total_queue_bytes // 2, limits.room_seconds)


async def _poll(is_there: Callable[[], bool], seconds: float) -> bool:
    """Wait until there is room, for `seconds` at most; whether there is. Without waiting it has no checkpoint."""
    if is_there():
        return True
    patience = trio.current_time() + seconds
    pause = POLL_SECONDS
    while (left := patience - trio.current_time()) > 0:
        await trio.sleep(min(pause, left))
        if is_there():
            return True
        pause = min(2 * pause, POLL_MOST_SECONDS)
    return False
