"""Pushes over keep-alive connections: requests/s, lines/s and server CPU, beside the limit of Trio and h11.

The server is pinned to core 0, this program to core 1; one run after the other, medians of several.
"""

import os
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import record

CONNECTIONS = 4
SECONDS = 3.0
RUNS = 3
ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT.parent / "shared" / "data" / "telegraf" / "telegraf-real.lp"
TICK = os.sysconf("SC_CLK_TCK")


def body_of(lines: int) -> bytes:
    """The first `lines` captured points that hold no raw newline; without the capture, the same shape made up."""
    if CAPTURE.is_file():
        whole = [line for line in CAPTURE.read_bytes().split(b"\n") if line.count(b'"') % 2 == 0 and b" " in line]
    else:
        whole = [
            b"cpu,cpu=cpu%d,host=a usage_idle=98.7,usage_user=1.3,count=%di 1700000000000000000" % (i % 8, i)
            for i in range(lines)
        ]
    return b"\n".join(whole[:lines]) + b"\n"


def request(body: bytes) -> bytes:
    head = f"POST /api/live/push/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def load(port: int, message: bytes) -> int:
    """Closed loop: each connection sends when its last answer is there. Returns the answers within SECONDS."""
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(message)
        selector.register(connection, selectors.EVENT_READ)
    answers = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for key, _ in selector.select(1):
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            answer = ready.recv(4096)
            assert answer.startswith(b"HTTP/1.1 204"), answer
            answers += 1
            ready.sendall(message)
    for key in tuple(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr] # sockets only
    return answers


def start(command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(rb"http://127\.0\.0\.1:(\d+)", line)
    assert found, line
    return process, int(found[1])


def measure(name: str, command: list[str], lines: int) -> str:
    body = body_of(lines)
    message = request(body)
    rates, costs = [], []
    for _ in range(RUNS):
        process, port = start(command)
        load_start, cpu_start = time.monotonic(), cpu_seconds(process.pid)
        answers = load(port, message)
        rates.append(answers / (time.monotonic() - load_start))
        costs.append((cpu_seconds(process.pid) - cpu_start) / answers * 1e6)
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    rate, cost = statistics.median(rates), statistics.median(costs)
    spread = f"[{min(rates):,.0f}-{max(rates):,.0f}]"
    return (
        f"{name:<10} {lines:>6} {len(body):>8} {rate:>9,.0f} {spread:>17} {rate * lines:>12,.0f} "
        f"{rate * len(body) / 1e6:>8.1f} {cost:>9.0f}"
    )


def main() -> None:
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as data:
        serve = [sys.executable, "-m", "framecast.cli", "serve", "--dev", "--listen", "127.0.0.1:0", "--data", data]
        serve += ["--set", "log.level=warning"]
        limit = [sys.executable, "-m", "bench.ingest.limit"]
        rows = [f"{CONNECTIONS} keep-alive connections, closed loop, {SECONDS:g} s a run, medians of {RUNS}", ""]
        rows.append("server      lines    bytes requests/s          [min-max]      lines/s     MB/s us/request")
        for lines in (5, 100, 1000):
            rows.append(measure("framecast", serve, lines))
            rows.append(measure("trio+h11", limit, lines))
    record.write("ingest", rows)


if __name__ == "__main__":
    main()
