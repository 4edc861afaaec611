"""How a subscriber of a channel of frames begins: with the window, with what it missed, or with what is left of it."""

from collections.abc import Callable, Sequence

from framecast.channels.beginning import Beginning
from framecast.channels.broker import Position
from framecast.channels.history import ChannelHistory, Kept
from framecast.scopes.window import Extent, WindowFrames
from framecast.settings import ChannelOptions


class FrameBeginnings:
    """The beginnings of all channels of one scope. No checkpoint anywhere in it."""

    def __init__(self, max_frame_bytes: int, clock: Callable[[], float], *, columns_only_grow: bool = True) -> None:
        self._frames = WindowFrames(max_frame_bytes, clock, columns_only_grow=columns_only_grow)

    def begin(
        self, history: ChannelHistory, extent: Extent, options: ChannelOptions, returning: Position | None
    ) -> Beginning:
        """What `history` has for one subscriber, who is attached before the next checkpoint."""
        if options.recovery == "off":
            return Beginning(history.position, self._frames.make(history, extent), recoverable=False)
        if returning is None or not history.knows(returning) or _lacks_schema(history, returning):
            return Beginning(history.position, self._frames.make(history, extent))
        missed = _newest(history, returning) if options.recovery == "cache" else None
        if missed is None:
            missed = history.missed_since(returning)
        if missed is not None:
            return Beginning(history.position, recovered=True, missed=missed)
        grew = history.schema_offset > returning.offset
        return Beginning(history.position, self._frames.make(history, extent, with_schema=grew))


def _newest(history: ChannelHistory, returning: Position) -> Sequence[Kept] | None:
    """The newest publication, unless that needs a schema which the subscriber has not and it does not bring."""
    grew = history.schema_offset > returning.offset
    brings_it = history.schema_offset == history.position.offset
    return history.newest_since(returning) if brings_it or not grew else None


def _lacks_schema(history: ChannelHistory, returning: Position) -> bool:
    """Who names no epoch was never here, and no publication brings it a schema that was there before the first."""
    return not returning.epoch and history.schema is not None and history.schema_offset == 0
