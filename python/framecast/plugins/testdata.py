"""The plugin ``testdata``: random walks, as those of Grafana's plugin of this name (grafana-live §7).

A new subscriber begins with the schema, or with the walk of the last hour; packets have no schema.
"""

import math
import random
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import trio

from framecast.plugins.columns import Column
from framecast.plugins.frames import Frame
from framecast.plugins.plugin import Context, Health, NotFoundError, Plugin
from framecast.plugins.query import Query
from framecast.plugins.sender import Sender
from framecast.plugins.testdata_queries import answer_query

PLUGIN_ID = "testdata"
ALIASES = ("grafana-testdata-datasource",)
"""The id that Grafana's has by now, which is its data sources' type."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """How one kind of stream goes."""

    tick_seconds: float
    dropped: float
    """Which share of the packets is left out."""
    minute_rate: int
    """As Grafana's `/api/live/list` has it."""
    labeled: bool = False


WALKS = {
    "random-2s-stream": _Walk(2.0, 0.0, 30),
    "random-flakey-stream": _Walk(0.1, 0.75, 150),
    "random-labeled-stream": _Walk(0.2, 0.2, 250, labeled=True),
    "random-20Hz-stream": _Walk(0.05, 0.0, 1200),
}
_TWENTY_HERTZ = re.compile(r"random-20Hz-stream(-\d+)?")


class Testdata(Plugin):
    """Streams at any path of `WALKS`; of the fastest as many as are wanted, ``random-20Hz-stream-7``."""

    __test__ = False  # pytest takes classes of such names for tests

    async def subscribe(self, context: Context, path: str, data: bytes) -> bytes:
        """Everybody may; NotFoundError for other paths."""
        return (labeled_frame if _find(path).labeled else walk_frame)([]).schema_only

    async def check_health(self, context: Context) -> Health:
        """There is nothing that could be wrong with it."""
        return Health("ok", "Data source is working")

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        """Walk, on the beat: what comes late does not make what follows late."""
        walk = _find(path)
        dice = random.Random()  # noqa: S311 - a picture, no secret
        make = labeled_frame if walk.labeled else walk_frame
        steps = _steps(dice)
        due = trio.current_time()
        while True:
            due = max(due + walk.tick_seconds, trio.current_time() - walk.tick_seconds)
            await trio.sleep_until(due)
            step = next(steps)
            if dice.random() >= walk.dropped:
                await sender.send(make([(time.time_ns(), *step)]).data_only)

    async def query(self, context: Context, query: Query) -> Iterable[Frame]:
        """One of the scenarios there are (testdata_queries.py)."""
        return answer_query(query, random.Random())  # noqa: S311 - as above


Row = tuple[int, float, float, float]
"""Nanoseconds, value, least, most."""


def walk_frame(rows: list[Row]) -> Frame:
    """The frame ``testdata``."""
    times, values, least, most = ([row[at] for row in rows] for at in range(4))
    return Frame(
        [
            Column("Time", times, "time", nullable=False),
            Column("Value", values, "float64", nullable=False),
            Column("Min", least, "float64", nullable=False),
            Column("Max", most, "float64", nullable=False),
        ],
        name="testdata",
    )


def labeled_frame(rows: list[Row]) -> Frame:
    """The frame ``labeled``, two rows for each. The key `s` is there twice, as in Grafana's."""
    labels, times, values = [], [], []
    for at_ns, value, _, _ in rows:
        second = at_ns // 1_000_000_000
        labels += [f"s=A,s=p{second // 3},x=X", f"s=B,s=p{second // 7},x=X"]
        times += [at_ns, at_ns]
        values += [value, value + 10]
    return Frame(
        [
            Column("labels", labels, "string", nullable=False),
            Column("Time", times, "time", nullable=False),
            Column("Value", values, "float64", nullable=False),
        ],
        name="labeled",
    )


def _steps(dice: random.Random) -> Iterator[tuple[float, float, float]]:
    value = dice.random() * 100
    while math.isfinite(value):
        value += dice.random() - 0.5
        yield value, value - (dice.random() * 50 + 0.01), value + (dice.random() * 50 + 0.01)


def _find(path: str) -> _Walk:
    walk = WALKS.get("random-20Hz-stream" if _TWENTY_HERTZ.fullmatch(path) else path)
    if walk is None:
        raise NotFoundError(f"there are {', '.join(WALKS)}")
    return walk
