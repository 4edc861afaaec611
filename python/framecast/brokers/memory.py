"""The embedded broker: one process, delivered before `publish` returns, nothing survives a restart."""

import secrets
from collections.abc import Sequence

import trio

from framecast.channels.broker import Deliver, Draft, Position, Publication


class MemoryBroker:
    """Orders publications by delivering them at once on the Trio thread: `publish` has no checkpoint."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}
        self._deliver: Deliver | None = None

    async def run(self, deliver: Deliver, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See the role."""
        self._deliver = deliver
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self._deliver = None

    async def publish(self, drafts: Sequence[Draft]) -> Sequence[int]:
        """See the role."""
        if self._deliver is None:
            raise RuntimeError("the broker is not running")
        offsets = []
        for draft in drafts:
            channel = draft.channel
            before = self._positions.get(channel) or self._begin(channel)
            epoch, previous = before.epoch, before.offset
            offset = previous + 1
            self._positions[channel] = Position(epoch, offset)
            offsets.append(offset)
            self._deliver(
                Publication(
                    channel, draft.data, draft.schema, draft.rows, epoch, offset, previous, draft.info, draft.detail
                )
            )
        return offsets

    async def open(self, channel: str) -> Position:
        """See the role. Has no checkpoint either."""
        return self._positions.get(channel) or self._begin(channel)

    def forget(self, channel: str) -> None:
        """See the role."""
        self._positions.pop(channel, None)

    def _begin(self, channel: str) -> Position:
        position = self._positions[channel] = Position(secrets.token_urlsafe(6), 0)
        return position
