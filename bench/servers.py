"""The servers that are measured: how each is built, started, and ended whatever happens.

Ours, the peer (a Go program on the library that Grafana Live and Centrifugo are made of), and the limit (a loop of
`send`). What all must be given alike is `Limits`; everything else is what each has by default.
"""

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cores import pinned

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "bench" / "peer"
PEER_PROGRAM = ROOT / ".tools" / "bin" / "peer"
EXAMPLES = ROOT / "target" / "release" / "examples"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
MIB = 1 << 20


class ServerError(Exception):
    """A server that does not start; the message holds what it said."""


@dataclass(frozen=True)
class Limits:
    """What a server may keep; the defaults are Grafana's queue and ten seconds for a write, which ours has too."""

    queue_bytes: int = 4 * MIB
    """That may wait for one subscriber."""
    total_queue_bytes: int = 256 * MIB
    """For all of them; the peer has no such limit."""
    write_seconds: float = 10.0
    kept_publications: int = 0
    """Of the past of each channel that is no stream."""
    kept_bytes: int = MIB
    """The same; the peer counts publications alone."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class RunningServer:
    """A server that has said where it listens."""

    process: subprocess.Popen[bytes]
    address: str
    """HOST:PORT."""
    log: Path
    """What it wrote on its stderr, as long as it runs."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"


class MeasuredServer:
    """A kind of server."""

    name: str

    def describe(self) -> str:
        """Its command with the usual limits, without where it stands on this machine."""
        words = self.command(DEFAULT_LIMITS, "DATA")
        return shlex.join(["python" if word == sys.executable else word.removeprefix(f"{ROOT}/") for word in words])

    def command(self, limits: Limits, data: str) -> list[str]:
        """What starts it on a free port; the first line on its stdout holds the address. Files go into `data`."""
        raise NotImplementedError

    def build(self) -> None:
        """Bring it up to date: a stale one must not be measured."""

    @contextmanager
    def running(self, core: int | None, limits: Limits = DEFAULT_LIMITS) -> Iterator[RunningServer]:
        """A fresh one on its core (None: on any), gone at the end. ServerError when it does not start."""
        with TemporaryDirectory(prefix="framecast-bench-") as data:
            log = Path(data) / "stderr.log"
            with log.open("wb") as stderr:
                command = self.command(limits, data)
                placed = command if core is None else pinned(core, command)
                process = subprocess.Popen(placed, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr)
            try:
                yield RunningServer(process, self._find_address(process, log), log)
            finally:
                end(process)

    def _find_address(self, process: subprocess.Popen[bytes], log: Path) -> str:
        line = read_line(process, START_SECONDS)
        found = re.search(rb"https?://(127\.0\.0\.1:\d+)", line)
        if found is None:
            said = log.read_text(errors="replace").strip()
            raise ServerError(f"{self.name} did not say where it listens: {line!r}\n{said[-2000:]}")
        return found[1].decode()


class Framecast(MeasuredServer):
    name = "framecast"

    def command(self, limits: Limits, data: str) -> list[str]:
        serve = [sys.executable, "-m", "framecast.cli", "serve", "--dev", "--listen", "127.0.0.1:0", "--data", data]
        settings: dict[str, object] = {
            "log.level": "warning",
            "live.max_connections": -1,
            "live.connect_seconds": 60,
            "live.queue_bytes": limits.queue_bytes,
            "live.total_queue_bytes": limits.total_queue_bytes,
            "live.write_seconds": limits.write_seconds,
        }
        if limits.kept_publications:
            settings |= {
                "channels.grafana/broadcast.history_rows": limits.kept_publications,
                "channels.grafana/broadcast.history_bytes": limits.kept_bytes,
                "channels.grafana/broadcast.presence": "false",
                "channels.grafana/broadcast.join_leave": "off",
            }
        return serve + [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


class Centrifuge(MeasuredServer):
    name = "centrifuge"

    def command(self, limits: Limits, data: str) -> list[str]:
        flags = {
            "-history": limits.kept_publications,
            "-queue-bytes": limits.queue_bytes,
            "-write-timeout": f"{limits.write_seconds:g}s",
        }
        return [str(PEER_PROGRAM), *(part for flag, value in flags.items() for part in (flag, str(value)))]

    def build(self) -> None:
        """Needs Go, and the Go module proxy the first time."""
        subprocess.run([find_go(), "build", "-o", str(PEER_PROGRAM), "."], cwd=PEER, check=True)


class BareSend(MeasuredServer):
    name = "bare send"

    def command(self, limits: Limits, data: str) -> list[str]:
        return [str(EXAMPLES / "bare_sender")]

    def build(self) -> None:
        build_example("bare_sender")


FRAMECAST, CENTRIFUGE, BARE_SEND = Framecast(), Centrifuge(), BareSend()


def build_example(name: str) -> None:
    """A program of rust/examples, into EXAMPLES."""
    command = ["cargo", "build", "--quiet", "--release", "--target-dir", "target", "--example", name]
    subprocess.run(command, cwd=ROOT, check=True)


def find_go() -> str:
    """The machine's Go, or the one beside this Python. ServerError where there is none."""
    go = shutil.which("go", path=f"{os.environ['PATH']}:{Path(sys.executable).parent}")
    if go is None:
        raise ServerError("the peer is a Go program: install the Go that bench/peer/go.mod names")
    return go


def read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The next line of a process's stdout, or what there is of it when it ended or took too long."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 1) if ready else b""
        if not piece:
            break
        line += piece
    return line


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and end it when it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
