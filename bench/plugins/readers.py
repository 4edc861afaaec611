"""What both readers of a plugin's packets have in common, so that they do the same: what they are asked and answer.

A reader is a program: REQUEST as JSON on its command line, a `Reading` as JSON on its stdout. Stands on the standard
library alone, as `figures.py`.
"""

import json
import time
from dataclasses import asdict, dataclass

from bench.plugins.figures import spread

STAMP = b'{"stamp":'
WARM_UP_PACKETS = 200
"""That do not count where latency does: the first find cold caches."""
MICROSECONDS = 1e3
"""In nanoseconds."""


@dataclass(frozen=True)
class Request:
    """What is to be read."""

    path: str
    """Of the stream: `fast/N`, which ends by itself, or `stamps/MS`, which does not."""
    stamps: int = 0
    """So many are read of the latter."""

    def spell(self) -> str:
        return json.dumps(asdict(self))


def parse_request(text: str) -> Request:
    return Request(**json.loads(text))


class Tally:
    """Counts what is read; begin with the first packet, so that no start counts."""

    def __init__(self) -> None:
        self.packets = 0
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    def report(self) -> dict[str, float]:
        """The figures, as of now."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return {
            "packets": self.packets,
            "packets_s": self.packets / seconds,
            "cpu_us": cpu / self.packets * 1e6,
            "busy": cpu / seconds,
        }


def find_lateness(packet: bytes) -> int:
    """Nanoseconds since its stamp, which the plugin read from this machine's clock."""
    return time.time_ns() - int(packet[len(STAMP) : -1])


def report_lateness(lateness: list[int]) -> dict[str, float]:
    """The figures of latency, in microseconds."""
    return spread(lateness[WARM_UP_PACKETS:], MICROSECONDS)
