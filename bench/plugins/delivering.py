"""Through the whole server: as fast as the plugin sends, and how late what it stamps arrives."""

import re
import time

from bench.plugins.figures import Marks, spread
from bench.plugins.frames import EndedError
from bench.plugins.provisioning import STREAMS
from bench.plugins.question import Measured, Place
from bench.plugins.server import Work, ask, look, plugged_server
from bench.plugins.subscribers import Subscriber, arrivals, subscribed
from bench.table import FULLY_BUSY

MARK = b'"padding"'
"""Once in every packet of a stream `gated/N`, and nowhere else."""
DELIVERY_SECONDS = 90.0
WATCHED = 10
"""Of whose packets the latency counts. Nobody else is read meanwhile: what comes fits into the kernel's buffers, and
who reads a thousand sockets is late for each of them."""
SETTLING_NS = 300_000_000
"""From when all are subscribed until latency counts."""
MILLISECONDS = 1e6
"""In nanoseconds."""
LAST_SECONDS = 1.0
"""For what is on its way to everybody at the end."""
_STAMP = re.compile(rb'"stamp":(\d+)')


def deliver(place: Place, count: int, packets: int) -> Measured:
    """So many packets to so many subscribers, as fast as it goes: the plugin begins when all of them are there."""
    with (
        plugged_server(place) as server,
        subscribed(server.address, [f"{STREAMS}/gated/{packets}"], count) as everybody,
    ):
        marks = {each: Marks(MARK) for each in everybody}
        waiting, before, began = set(marks), look(server), None
        ask(server, "/api/live/publish", {"channel": f"{STREAMS}/gate", "data": 1})
        for each, piece in arrivals(everybody, time.monotonic() + DELIVERY_SECONDS):
            if began is None:
                began = time.monotonic()
            marks[each].take(piece)
            if marks[each].seen >= packets:
                waiting.discard(each)
                if not waiting:
                    break
        after = look(server)
        seconds = after.at - (began or before.at)
        delivered = sum(each.seen for each in marks.values())
    faults = [] if delivered == packets * count else [f"{delivered:,} of {packets * count:,} packets arrived"]
    figures = {
        "packets_s": delivered / count / seconds,
        "deliveries_s": delivered / seconds,
        "server_us": (after.server - before.server) / packets * 1e6,
        "server_busy": (after.server - before.server) / seconds,
        "load_busy": (after.load - before.load) / seconds,
        "plugin_busy": (after.plugins - before.plugins) / seconds,
    }
    return Measured(figures, faults, find_hold(figures, shared=place.plugin_core == place.load_core))


def find_hold(figures: dict[str, float], *, shared: bool) -> str:
    """What else than the server set the pace; the plugin may share the load's core."""
    load, plugin, server = figures["load_busy"], figures["plugin_busy"], figures["server_busy"]
    if load >= FULLY_BUSY:
        return f"the load could not keep up, it was busy for {load:.0%}"
    if shared and load + plugin >= FULLY_BUSY:
        return f"load ({load:.0%}) and plugin ({plugin:.0%}) share a core, and it was full"
    if plugin >= FULLY_BUSY:
        return f"the plugin could not keep up, it was busy for {plugin:.0%}"
    if server < FULLY_BUSY:
        return f"the server ran for {server:.0%} of the time, at what was to be full load"
    return ""


def find_latency(place: Place, count: int, every_ms: int, seconds: float) -> Measured:
    """From the plugin's stamp until it has arrived, at a modest rate."""
    channel = f"{STREAMS}/stamps/{every_ms}"
    with plugged_server(place) as server, subscribed(server.address, [channel], count) as everybody:
        watched = everybody[:: max(1, count // WATCHED)]
        ready, before = time.time_ns() + SETTLING_NS, look(server)
        lateness: list[int] = []
        until = time.monotonic() + SETTLING_NS / 1e9 + seconds
        for each, piece in arrivals(watched, until):
            now = time.time_ns()
            for message in each.reader.take(piece):
                stamps = [int(stamp) for stamp in _STAMP.findall(message)]
                lateness += [now - stamp for stamp in stamps if stamp >= ready]
        after = look(server)
        faults = find_unheard(everybody, watched, round(seconds * 1e3 / every_ms))
    if not lateness:
        return Measured({}, ["nothing arrived"])
    return Measured(spread(lateness, MILLISECONDS) | {"server_busy": _share(before, after)}, faults)


def find_unheard(everybody: list[Subscriber], watched: list[Subscriber], expected: int) -> list[str]:
    """Those who were not read must have had as much as those who were: half of it, as times differ."""
    marks = {each: Marks(b'"stamp":') for each in everybody if each not in watched}
    try:
        for each, piece in arrivals(list(marks), time.monotonic() + LAST_SECONDS if marks else 0.0):
            marks[each].take(piece)
    except EndedError as error:
        return [f"a subscriber who was not read was cut off: {error}"]
    poor = sum(each.seen < expected / 2 for each in marks.values())
    return [f"{poor} subscribers had less than half of the packets"] if poor else []


def _share(before: Work, after: Work) -> float:
    return (after.server - before.server) / (after.at - before.at)
