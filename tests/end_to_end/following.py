"""Everything that one subscriber receives, as points."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from end_to_end.programs import Program
from end_to_end.reference import FrameReader, Point, check_same_points
from end_to_end.wire import connect


class Follower:
    """Reads the publications of a subscriber program, channel by channel."""

    def __init__(self, program: Program) -> None:
        self.points: dict[str, list[Point]] = defaultdict(list)
        self.publications: dict[str, int] = defaultdict(int)
        self._program = program
        self._readers: dict[str, FrameReader] = {}
        self._read = 0

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe to all; a snapshot's schema is taken, its rows were pushed before and do not count."""
        names = list(channels)
        for channel in names:
            self._readers[channel] = FrameReader()
            await self._program.do("subscribe", channel=channel)
        for channel in names:
            reply = await self._program.wait_for("subscribed", channel=channel)
            if reply["data"] is not None:
                self._readers[channel].read_schema(reply["data"])

    async def wait_for_points(self, counts: Mapping[str, int]) -> None:
        """Wait until every channel had at least so many rows."""
        while True:
            self._read_news()
            if all(len(self.points[channel]) >= count for channel, count in counts.items()):
                return
            await self._program.wait_for_news()

    def _read_news(self) -> None:
        for event in self._program.events[self._read :]:
            if event["event"] == "publication":
                channel = event["channel"]
                self.points[channel] += self._readers[channel].read(event["data"])
                self.publications[channel] += 1
        self._read = len(self._program.events)

    async def check_received(self, address: str, expected: Mapping[str, Sequence[Point]]) -> None:
        """Wait until all of `expected` came; then nothing else may have come."""
        await self.wait_for_points({channel: len(points) for channel, points in expected.items()})
        # A connection's messages keep their order: with this one, everything that was published before has come.
        await self.subscribe(["stream/last/one"])
        async with connect(address) as connection:
            await connection.push("last", b"one n=1i 1")
        await self.wait_for_points({"stream/last/one": 1})
        for channel, points in expected.items():
            check_same_points(self.points[channel], points)
        assert {channel for channel, points in self.points.items() if points} == {*expected, "stream/last/one"}
