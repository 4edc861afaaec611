"""The load: `framecast bench` as its users run it, on a core of its own, and what it says."""

import subprocess
import sys
from collections.abc import Sequence

import msgspec

from bench.cores import pinned
from bench.servers import ROOT, RunningServer

MOST_SECONDS = 240.0
"""For one command: ten thousand clients that connect, what is measured, and what is waited for."""


class LoadError(Exception):
    """The load came to nothing that could be read."""


class Said(msgspec.Struct, frozen=True):
    """Of what `--json` prints, what the table is made of."""

    figures: dict[str, float]
    verdict: "Verdict"
    command: str


class Verdict(msgspec.Struct, frozen=True):
    faults: list[str]
    remarks: list[str]
    client_saturated: bool


def run_load(server: RunningServer, kind: str, arguments: Sequence[str], core: int) -> Said:
    """Measure a server once. LoadError when the load itself fails; what the server does wrong is a fault in it."""
    command = [sys.executable, "-m", "framecast.cli", "bench", kind, server.url, "--json"]
    command += ["--pid", str(server.process.pid), *arguments]
    try:
        done = subprocess.run(pinned(core, command), cwd=ROOT, capture_output=True, check=False, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise LoadError(f"the load was not done in {MOST_SECONDS:g} s") from None
    try:
        return msgspec.json.decode(done.stdout, type=Said)
    except msgspec.DecodeError:
        said = done.stderr.decode(errors="replace").strip()
        raise LoadError(f"the load ended with status {done.returncode}: {said[-2000:]}") from None
