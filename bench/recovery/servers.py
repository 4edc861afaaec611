"""The two servers that are measured: how each is built and started, and where its things are.

Both have the same limits: a channel's past that outlasts the storm, queues that hold it four times, ten seconds for a
write, no presence, joins or leaves. Everything else is what each has by default.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / "bench" / "peer"
PEER_BINARY = ROOT / ".tools" / "bin" / "peer"
SERVER_CORE = "0"
MIB = 1 << 20
STOP_SECONDS = 15
# Framecast counts 256 B for keeping a publication beside its data, and may stamp or wrap it.
KEPT_BYTES_BESIDE_DATA = 512


@dataclass(frozen=True)
class Past:
    """How much of a channel's past a server must be able to keep."""

    publications: int
    payload_bytes: int

    @property
    def channel_bytes(self) -> int:
        return max(MIB, self.publications * (self.payload_bytes + KEPT_BYTES_BESIDE_DATA))

    @property
    def queue_bytes(self) -> int:
        return 4 * self.channel_bytes


@dataclass(frozen=True)
class MeasuredServer:
    """A kind of server: its WebSocket path and two channels that everybody may publish on."""

    name: str
    path: str
    storm_channel: str
    bystander_channel: str

    def command(self, past: Past, data: str) -> list[str]:
        """What starts it on a free port; the first line on its stdout holds the address. Files go into `data`."""
        raise NotImplementedError

    @contextmanager
    def running(self, past: Past) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """The server on its core, and its HOST:PORT; stopped at the end."""
        with TemporaryDirectory() as data:
            command = ["taskset", "-c", SERVER_CORE, *self.command(past, data)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                found = re.search(r"http://(127\.0\.0\.1:\d+)", line)
                assert found, f"{self.name} did not say where it listens: {line!r}"
                yield process, found[1]
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Framecast(MeasuredServer):
    def command(self, past: Past, data: str) -> list[str]:
        serve = [sys.executable, "-m", "framecast.cli", "serve", "--dev", "--listen", "127.0.0.1:0", "--data", data]
        settings = {
            "log.level": "warning",
            "live.max_connections": -1,
            "live.connect_seconds": 60,
            "live.queue_bytes": past.queue_bytes,
            "channels.grafana/broadcast.history_rows": past.publications,
            "channels.grafana/broadcast.history_bytes": past.channel_bytes,
            "channels.grafana/broadcast.presence": "false",
            "channels.grafana/broadcast.join_leave": "off",
        }
        return serve + [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


class Centrifuge(MeasuredServer):
    def command(self, past: Past, data: str) -> list[str]:
        limits = {"-history": past.publications, "-queue-bytes": past.queue_bytes}
        return [str(PEER_BINARY), *(part for flag, value in limits.items() for part in (flag, str(value)))]


SERVERS: tuple[MeasuredServer, ...] = (
    Framecast("framecast", "/api/live/ws", "grafana/broadcast/storm", "grafana/broadcast/bystander"),
    Centrifuge("centrifuge", "/connection/websocket", "storm", "bystander"),
)


def build() -> None:
    """The load and the peer; a stale one must not be measured. Needs Go, and the Go module proxy the first time."""
    go = shutil.which("go", path=f"{os.environ['PATH']}:{Path(sys.executable).parent}")
    if go is None:
        raise SystemExit("the peer is a Go program: install the Go that bench/peer/go.mod names")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--example", "storm"], cwd=ROOT, check=True)
    subprocess.run([go, "build", "-o", str(PEER_BINARY), "."], cwd=PEER, check=True)


def peak_bytes(process: subprocess.Popen[str]) -> int:
    """The most memory that a server has had in RAM so far."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the server is gone")
