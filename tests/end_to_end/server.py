"""The server as its users run it: a process of its own, stopped by SIGTERM, whose stderr must hold no traceback."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trio

from patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
FRAMECAST = (sys.executable, "-m", "framecast.cli")
PATIENT = tuple(
    f"{key}={PATIENCE_SECONDS:g}"
    for key in (
        "server.shutdown_grace_seconds",
        "server.head_seconds",
        "server.keep_alive_seconds",
        "live.write_seconds",
        "live.pong_seconds",
    )
)
"""Settings of all servers, unless a test says otherwise: no peer is taken for lost because the machine is busy. A test
connects, and starts a few programs before it sends; a program reads what it is pushed when it gets its turn."""


def clean_environment() -> dict[str, str]:
    """The environment without settings for the server of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("FRAMECAST_", "GF_"))}


def run_framecast(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """A command to its end, which must not be a bug of ours."""
    done = subprocess.run(
        [*FRAMECAST, *arguments],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=clean_environment() if environment is None else environment,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def run_bench(package: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """A measurement of bench/ to its end."""
    return subprocess.run(
        [sys.executable, "-m", package, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        env=clean_environment(),
    )


def serve_command(data: Path, *settings: str, listen: str = "127.0.0.1:0", dev: bool = True) -> list[str]:
    command = [*FRAMECAST, "serve", "--listen", listen, "--data", str(data)]
    if dev:
        command.append("--dev")
    for setting in (*PATIENT, *settings):
        command += ["--set", setting]
    return command


def read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The next line of a process's stdout; empty when it ended or was silent for too long."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 1) if ready else b""
        if not piece:
            return b""
        line += piece
    return line


class RunningServer:
    """One server process. `address` is HOST:PORT."""

    scheme = "http"

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        self._checked = 0
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, env=clean_environment()
            )
        try:
            self.address = self._wait_for_address()
        except BaseException:
            self.kill()
            raise

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    @property
    def subscribe_url(self) -> str:
        return f"{self.scheme.replace('http', 'ws')}://{self.address}/api/live/ws"

    def _wait_for_address(self) -> str:
        line = read_line(self.process, PATIENCE_SECONDS)
        assert line, f"no line on stdout; stderr:\n{self.log.read_text()}"
        text = line.decode().strip()
        found = re.fullmatch("listening on (https?)://(.+?)/?", text)
        assert found is not None, text
        self.scheme = found[1]
        return found[2]

    def read_first_token(self) -> str:
        """What the first start shows behind the line with the address."""
        for _ in range(10):
            found = re.search("FRAMECAST_TOKEN=(fct_[A-Za-z0-9]+)", read_line(self.process, PATIENCE_SECONDS).decode())
            if found is not None:
                return found[1]
        raise AssertionError("no token was shown")

    def resident_bytes(self) -> int:
        """The process's memory that is in RAM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the server is gone")

    def check_well(self) -> None:
        """Still running, and nothing on stderr that looks like a bug of ours since the last look."""
        assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()}"
        self.check_log()

    def check_log(self) -> None:
        with self.log.open("rb") as log:
            log.seek(self._checked)
            news = log.read()
        self._checked += len(news)
        for sign in (b"Traceback", b'"exception"', b"panicked"):
            assert sign not in news, news.decode(errors="replace")

    def begin_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> None:
        """Wait for the end, with exit status 0. Where peers do not leave, it comes with the grace time of the test."""
        code = self.process.wait(PATIENCE_SECONDS)
        assert code == 0, f"exit status {code}:\n{self.log.read_text()}"

    async def stopped(self) -> None:
        """`wait_stopped` for a test that has something else to do meanwhile."""
        with trio.fail_after(PATIENCE_SECONDS):
            while self.process.poll() is None:  # noqa: ASYNC110 - another process, nothing to wait on
                await trio.sleep(0.02)
        self.wait_stopped()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.begin_stop()
        self.wait_stopped()
        self.check_log()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running_server(
    folder: Path, *settings: str, listen: str = "127.0.0.1:0", dev: bool = True
) -> Iterator[RunningServer]:
    """Start a server over `folder`, stop it at the end and see that it ended well; killed when the test failed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = serve_command(folder / "data", *settings, listen=listen, dev=dev)
    server = RunningServer(command, folder / "stderr.log")
    try:
        yield server
        server.stop()
    finally:
        server.kill()
