"""The host alone: packets of the plugin read by ours, and by grpcio's synchronous iterator, on the same core."""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.cores import pinned
from bench.plugins.host_reader import CONTEXT
from bench.plugins.program import PLUGIN_ID, running_alone
from bench.plugins.question import Measured, Place
from bench.plugins.readers import Request
from bench.servers import ROOT
from bench.table import FULLY_BUSY
from framecast.plugins.host.context import spell_context
from framecast.plugins.schema import pluginv2_pb2 as schema

ENVIRONMENT = ROOT / ".tools" / "bench-plugins"
READ_SECONDS = 120.0
"""For a reader to be done."""
BUILD_SECONDS = 600.0


class ReaderError(Exception):
    """A reader came to nothing; the message holds what it said."""


def build_peer() -> None:
    """The environment of the reader that uses grpcio; needs a package index the first time."""
    ready = (ENVIRONMENT / "ready").relative_to(ROOT)
    subprocess.run(["make", "--silent", str(ready)], cwd=ROOT, check=True, timeout=BUILD_SECONDS)


def find_peer_versions() -> dict[str, str]:
    """Of grpcio and what it parses with."""
    names = ("grpcio", "protobuf")
    code = f"import importlib.metadata as m; print(*(m.version(name) for name in {names!r}))"
    command = [str(ENVIRONMENT / "bin" / "python"), "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=READ_SECONDS).stdout
    return {f"{name} (peer)": version for name, version in zip(names, said.split(), strict=True)}


def read_with_host(place: Place, request: Request) -> Measured:
    """Ours; the plugin is the host's child."""
    return _judge(
        _run(place, [sys.executable, "-m", "bench.plugins.host_reader", str(place.plugins)], request), request
    )


def read_with_grpcio(place: Place, request: Request) -> Measured:
    """Theirs; the plugin is started beside it."""
    call = schema.RunStreamRequest(
        plugin_context=spell_context(CONTEXT, plugin_id=PLUGIN_ID, plugin_version="1.0.0"), path=request.path
    )
    python = str(ENVIRONMENT / "bin" / "python")
    with running_alone(place.plugin_core) as socket:
        command = [python, "-m", "bench.plugins.grpcio_reader", str(socket), str(Path(schema.__file__))]
        command.append(base64.b64encode(call.SerializeToString()).decode())
        return _judge(_run(place, command, request), request)


def _run(place: Place, command: list[str], request: Request) -> dict[str, Any]:
    placed = pinned(place.server_core, [*command, request.spell()])
    try:
        done = subprocess.run(placed, cwd=ROOT, capture_output=True, check=False, timeout=READ_SECONDS)
    except subprocess.TimeoutExpired:
        raise ReaderError(f"the reader was not done in {READ_SECONDS:g} s") from None
    if done.returncode:
        raise ReaderError(f"the reader ended with status {done.returncode}: {done.stderr.decode()[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _judge(figures: Mapping[str, Any], request: Request) -> Measured:
    if request.stamps:
        return Measured(dict(figures))
    expected = int(request.path.partition("/")[2]) - 1  # all but the first
    faults = [] if figures["packets"] == expected else [f"{figures['packets']} of {expected} packets came"]
    busy = figures["busy"]
    held_back = (
        ""
        if busy >= FULLY_BUSY
        else f"the reader ran for {busy:.0%} of the time, so the plugin set the pace, or whatever else runs"
    )
    return Measured(dict(figures), faults, held_back)
