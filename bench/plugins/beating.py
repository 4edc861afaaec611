"""Many streams that each send twenty packets a second: whether they keep the beat, and what they take of a core."""

import re
import time

from bench.plugins.figures import find_deviations, spread
from bench.plugins.provisioning import beat_channel
from bench.plugins.question import Measured, Place
from bench.plugins.server import look, plugged_server
from bench.plugins.subscribers import arrivals, subscribed
from bench.table import FULLY_BUSY

PERIOD_SECONDS = 0.05
WARM_UP_SECONDS = 2.0
MILLISECOND = 1e-3
HELD_SHARE = 0.98
"""Of the packets that were due, which must come: less is no stream of that beat."""
_CHANNEL = re.compile(rb'"channel":"([^"]+)"')


def keep_time(place: Place, streams: int, seconds: float) -> Measured:
    """One subscriber of all of them, on one connection; each arrival against the beat of its stream."""
    channels = [beat_channel(number) for number in range(streams)]
    heard: dict[bytes, list[float]] = {channel.encode(): [] for channel in channels}
    with plugged_server(place) as server, subscribed(server.address, channels, 1) as [subscriber]:
        begin = time.monotonic() + WARM_UP_SECONDS
        before = None
        for each, piece in arrivals([subscriber], begin + seconds):
            now = time.monotonic()
            if now >= begin and before is None:
                before = look(server)
            for message in each.reader.take(piece):
                for channel in _CHANNEL.findall(message) if before is not None else ():
                    heard[channel].append(now)
        after = look(server)
    if before is None:
        return Measured({}, ["nothing arrived"])
    deviations = [off for times in heard.values() for off in find_deviations(times, PERIOD_SECONDS)]
    wall = after.at - before.at
    figures = spread(deviations, MILLISECOND) | {
        "packets_s": len(deviations) / wall,
        "server_busy": (after.server - before.server) / wall,
        "load_busy": (after.load - before.load) / wall,
    }
    load = figures["load_busy"]
    held_back = f"the load could not keep up, it was busy for {load:.0%}" if load >= FULLY_BUSY else ""
    return Measured(figures, find_missed(heard, wall), held_back)


def find_missed(heard: dict[bytes, list[float]], seconds: float) -> list[str]:
    """Streams that have not sent what was due."""
    due = seconds / PERIOD_SECONDS * HELD_SHARE
    slow = [(len(times), channel.decode()) for channel, times in heard.items() if len(times) < due]
    if not slow:
        return []
    fewest, channel = min(slow)
    return [f"{len(slow)} streams sent less than was due, {channel} {fewest} packets in {seconds:.1f} s"]
