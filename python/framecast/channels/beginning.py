"""What a subscriber begins with: its place in the channel's stream, and what it has to be given to stand there."""

from collections.abc import Callable, Sequence

import msgspec

from framecast.channels.broker import Position
from framecast.channels.history import Kept


class Beginning(msgspec.Struct, frozen=True):
    """The channel's side of a subscribe reply."""

    position: Position
    """Behind the last publication that the reply covers: the next one delivered follows it."""

    data: bytes | None = None
    """JSON that stands for what is not in `missed`; None when there is nothing to say."""

    recoverable: bool = True
    """Whether the subscriber may come back with a position; if not, it must not be told one."""

    recovered: bool = False
    """Whether `missed` is everything that was published behind the subscriber's own position."""

    missed: Sequence[Kept] = ()

    detailed: bool = False
    """Whether the subscriber gets the details of publications that have some, of those in `missed` too."""

    @property
    def size_bytes(self) -> int:
        """About what it takes in the reply."""
        return len(self.data or b"") + sum(kept.size_bytes for kept in self.missed)


Begin = Callable[[Position | None], Beginning]
"""Given the position of a subscriber that returns, None for a new one. The subscriber must be attached without a
checkpoint after it was called: then what is delivered next follows `Beginning.position`. Refusal 111 when the channel
has ended since it was handed out."""
