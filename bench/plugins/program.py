"""The Go plugin on Grafana's own SDK: built, installed for a host to find, or started for whoever is no host.

It is the one of the end-to-end tests. Where it is installed its executable is a script that pins it to a core, since
it would run on its parent's otherwise, and take of what is measured.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cores import pinned
from bench.servers import ROOT, START_SECONDS, ServerError, end, find_go, read_line
from framecast.plugins.host.description import executable_suffix
from framecast.plugins.host.handshake import HandshakeError, handshake_environment, parse_handshake

SOURCES = ROOT / "tests" / "end_to_end" / "go_plugin"
PROGRAM = ROOT / ".tools" / "bin" / "test-plugin"
PLUGIN_ID = "bench-datasource"
BUILD_SECONDS = 600.0
"""With nothing cached: the SDK stands on some hundred packages."""
MODULES = ("github.com/grafana/grafana-plugin-sdk-go", "github.com/hashicorp/go-plugin", "google.golang.org/grpc")
"""Of those that do its work."""


def build() -> None:
    """Needs Go, and the Go module proxy the first time."""
    command = [find_go(), "build", "-mod=readonly", "-o", str(PROGRAM), "."]
    subprocess.run(command, cwd=SOURCES, check=True, timeout=BUILD_SECONDS)


def install(root: Path, core: int) -> None:
    """Into a folder of plugins; whoever starts it gets it on this core."""
    place = root / PLUGIN_ID
    place.mkdir(parents=True)
    description = {
        "id": PLUGIN_ID,
        "type": "datasource",
        "name": "Bench",
        "backend": True,
        "executable": "gpx_bench",
        "info": {"version": "1.0.0"},
    }
    (place / "plugin.json").write_text(json.dumps(description))
    script = place / f"gpx_bench{executable_suffix()}"
    script.write_text(f"#!/bin/sh\nexec taskset --cpu-list {core} '{PROGRAM}'\n")
    script.chmod(0o755)


@contextmanager
def running_alone(core: int) -> Iterator[Path]:
    """The plugin on this core, without a host: its socket. ServerError when it does not start; gone at the end."""
    with TemporaryDirectory(prefix="framecast-bench-") as folder:
        process = subprocess.Popen(
            pinned(core, [str(PROGRAM)]),
            cwd=folder,
            env={"PATH": os.environ["PATH"], **handshake_environment(Path(folder), None)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            line = read_line(process, START_SECONDS)
            try:
                yield parse_handshake(line, wants_certificate=False).path
            except HandshakeError as error:
                raise ServerError(f"the plugin did not say where it listens: {error}") from None
        finally:
            end(process)
