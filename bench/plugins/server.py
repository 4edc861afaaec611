"""Our server with the plugin in it, held back by nothing but what it can do, and what it and its plugin work."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from bench.plugins.program import PLUGIN_ID
from bench.plugins.question import Place
from bench.servers import MIB, START_SECONDS, Framecast, Limits, RunningServer, ServerError

ASK_SECONDS = 30.0
LIMITS = Limits(queue_bytes=64 * MIB, total_queue_bytes=4096 * MIB, write_seconds=60.0)
"""All that a stream sends may wait for everybody: who is cut off cannot be measured."""
UNLIMITED = {
    "sources.packets_per_second": 1e9,
    "sources.packets_burst": 1_000_000_000,
    "sources.bytes_per_second": 1 << 40,
    "live.channels_per_client": 1_000,
    "live.ping_seconds": 3_600,
}
"""A stream's share is what the plugin can send; and pings that nobody answers have no place here."""


class PluggedFramecast(Framecast):
    """Ours, with the plugin and the data sources of a place."""

    def __init__(self, place: Place) -> None:
        self._settings = UNLIMITED | {
            "plugins.path": place.plugins,
            "plugins.allow_loading_unsigned_plugins": PLUGIN_ID,
            "provisioning.path": place.provisioning,
        }

    def command(self, limits: Limits, data: str) -> list[str]:
        settings = [part for key, value in self._settings.items() for part in ("--set", f"{key}={value}")]
        return [*super().command(limits, data), *settings]


@dataclass(frozen=True)
class Work:
    """CPU seconds so far, of the server, its plugins with their guards, and us; and when that was."""

    server: float
    plugins: float
    load: float
    at: float


def look(server: RunningServer) -> Work:
    """As of now."""
    pid = server.process.pid
    plugins = sum(_cpu_seconds(each) for each in _find_descendants(pid))
    return Work(_cpu_seconds(pid), plugins, time.process_time(), time.monotonic())


@contextmanager
def plugged_server(place: Place) -> Iterator[RunningServer]:
    """A fresh one, whose plugin runs and answers."""
    with PluggedFramecast(place).running(place.server_core, LIMITS) as server:
        deadline = time.monotonic() + START_SECONDS
        while b"\nframecast_plugins_running 1.0\n" not in ask(server, "/metrics"):
            if time.monotonic() > deadline:
                said = server.log.read_text(errors="replace").strip()
                raise ServerError(f"the plugin did not run within {START_SECONDS:g} s\n{said[-2000:]}")
            time.sleep(0.05)
        yield server


def ask(server: RunningServer, path: str, document: Mapping[str, object] | None = None) -> bytes:
    """The server's answer; OSError where it has none, or refuses."""
    body = None if document is None else json.dumps(document).encode()
    request = Request(server.url + path, data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=ASK_SECONDS) as answer:
        content: bytes = answer.read()
    return content


def _cpu_seconds(pid: int) -> float:
    """All its threads; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _find_descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield int(child)
            yield from _find_descendants(int(child))
