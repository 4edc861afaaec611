"""The embedded broker: one process, delivered before `publish` returns, nothing survives a restart."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from framecast.channels.broker import Deliver, Draft, Publication


@dataclass(slots=True)
class _Position:
    epoch: str
    offset: int = 0


class MemoryBroker:
    """Orders publications by delivering them at once on the Trio thread: `publish` has no checkpoint."""

    def __init__(self) -> None:
        self._positions: dict[str, _Position] = {}
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
            position = self._positions.get(draft.channel)
            if position is None:
                position = self._positions[draft.channel] = _Position(secrets.token_urlsafe(6))
            previous, position.offset = position.offset, position.offset + 1
            offsets.append(position.offset)
            self._deliver(
                Publication(draft.channel, draft.data, draft.schema, position.epoch, position.offset, previous)
            )
        return offsets

    def forget(self, channel: str) -> None:
        """See the role."""
        self._positions.pop(channel, None)
