"""What the parsers of all streams hold in memory: two budgets, of which each stream is sure of an equal share."""

from typing import TYPE_CHECKING

from framecast.settings import Streams

if TYPE_CHECKING:
    from framecast._core import StreamParser

MOST_SCHEMAS_BYTES = 16 * 1024 * 1024
MOST_SERIES_BYTES = 8 * 1024 * 1024
"""Of one stream, while there is room."""


class Budget:
    """Counts what all streams hold of one thing. Belongs to the Trio thread.

    Together they hold at most twice `total_bytes`, and what the pushes that run in threads at this moment add: who
    comes late still has its share when the others hold everything.
    """

    def __init__(self, total_bytes: int, *, streams: int, most_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._share_bytes = total_bytes // streams
        self._most_bytes = max(most_bytes, self._share_bytes)
        self.held_bytes = 0

    def allow(self, own_bytes: int) -> int:
        """What a stream that holds `own_bytes` may hold at most, now."""
        wanted = own_bytes + max(0, self._total_bytes - self.held_bytes)
        return self._most_bytes if wanted >= self._most_bytes else max(self._share_bytes, wanted)


class Budgets:
    """Both budgets of the server."""

    def __init__(self, limits: Streams) -> None:
        count = limits.max_streams
        self.schemas = Budget(limits.schemas_bytes, streams=count, most_bytes=MOST_SCHEMAS_BYTES)
        self.series = Budget(limits.series_bytes, streams=count, most_bytes=MOST_SERIES_BYTES)


class Share:
    """One stream's part of both."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._schemas_bytes = 0
        self._series_bytes = 0
        self._told: tuple[StreamParser, int, int] | None = None

    def allow(self, parser: "StreamParser") -> None:
        """Tell the stream's parser what it may hold during its next push, where that is another amount than before."""
        schemas_bytes = self._budgets.schemas.allow(self._schemas_bytes)
        series_bytes = self._budgets.series.allow(self._series_bytes)
        told = (parser, schemas_bytes, series_bytes)
        if told != self._told:
            parser.allow(schemas_bytes=schemas_bytes, series_bytes=series_bytes)
            self._told = told

    def note(self, parser: "StreamParser") -> None:
        """Count what the parser holds now."""
        self._hold(parser.schemas_bytes, parser.series_bytes)

    def give_back(self) -> None:
        """The stream is over."""
        self._hold(0, 0)

    def _hold(self, schemas_bytes: int, series_bytes: int) -> None:
        self._budgets.schemas.held_bytes += schemas_bytes - self._schemas_bytes
        self._budgets.series.held_bytes += series_bytes - self._series_bytes
        self._schemas_bytes, self._series_bytes = schemas_bytes, series_bytes
