"""Measure the fan-out on one core beside a bare loop of send(2); see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from bench import record

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target" / "release" / "examples"
SERVER_CORE, RECEIVER_CORE = "0", "1"
WARM_UP_SECONDS = 1.0
# The server outlives the receiver's window, so that the window never sees it stop.
MARGIN_SECONDS = 1.5
SERVERS = {"fanout": [sys.executable, "-m", "bench.fanout.server"], "bare send": [str(EXAMPLES / "bare_sender")]}

Figures = dict[str, float]


def measure(server: str, connections: int, hertz: float, payload_bytes: int, seconds: float) -> Figures:
    """One run: the server on its core, the receiver on the other."""
    duration = WARM_UP_SECONDS + seconds + MARGIN_SECONDS
    numbers = [str(connections), str(hertz), str(payload_bytes), str(duration)]
    sending = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *SERVERS[server], *numbers], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert sending.stdout is not None
    address = f"127.0.0.1:{sending.stdout.readline().strip()}"
    arguments = [address, str(connections), str(WARM_UP_SECONDS), str(seconds)]
    receiving = subprocess.run(
        ["taskset", "-c", RECEIVER_CORE, EXAMPLES / "receiver", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    sent = json.loads(sending.stdout.readline())
    sending.wait()
    received = json.loads(receiving.stdout.splitlines()[-1])
    if received["disorder"] or received["lost"]:
        print(f"NOT VALID: {received}", file=sys.stderr)
    return {
        "deliveries/s": received["messages"] / received["seconds"],
        "p50 us": received["p50_us"],
        "p99 us": received["p99_us"],
        "server CPU us/delivery": sent["cpu_ns"] / 1e3 / max(1, sent["deliveries"]),
        "publish p50 us": sent.get("publish_p50_us", float("nan")),
        "publish p99 us": sent.get("publish_p99_us", float("nan")),
        "messages/recv": received["messages"] / max(1, received["receives"]),
        "receiver CPU": received["receiver_cpu"],
        "disorder+lost": received["disorder"] + received["lost"],
    }


def build_receiver() -> None:
    """The load and the limit are Rust programs of this repository; a stale one must not be measured."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--examples"], cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--hertz", type=float, default=20)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    build_receiver()
    lines = [
        f"load at the start: {os.getloadavg()[0]:.2f}",
        f"{options.connections} subscribers, {options.bytes} B data; server on core {SERVER_CORE}",
        f"receiver on core {RECEIVER_CORE}; median [min-max] of {options.runs} runs of {options.seconds:g} s",
    ]
    # The bare loop without pause stalls on the slowest socket only; both are closed loops then.
    for hertz in (options.hertz, 0.0):
        lines.append("")
        lines.append(f"== {'max rate' if not hertz else f'{hertz:g} Hz'} ==")
        runs: dict[str, list[Figures]] = {server: [] for server in SERVERS}
        for _ in range(options.runs):  # side by side, so that a noisy minute hits both
            for server, figures in runs.items():
                figures.append(measure(server, options.connections, hertz, options.bytes, options.seconds))
        for server, measured in runs.items():
            lines.append(f"{server}:")
            for name in measured[0]:
                values = [figures[name] for figures in measured]
                if values[0] == values[0]:  # a figure that this server does not give is NaN
                    middle, low, high = statistics.median(values), min(values), max(values)
                    lines.append(f"  {name:24} {middle:>14,.2f}  [{low:,.2f}-{high:,.2f}]")
    record.write("fanout", lines)


if __name__ == "__main__":
    main()
