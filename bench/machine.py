"""Where and with what was measured: a figure without them is none."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from bench.servers import PEER_PROGRAM, ROOT, find_go
from framecast._core import build_info

MODULES = (
    "github.com/centrifugal/centrifuge",
    "github.com/centrifugal/protocol",
    "github.com/gorilla/websocket",
    "github.com/grafana/grafana-plugin-sdk-go",
    "github.com/influxdata/line-protocol",
)
"""Of the peer: those that do its work."""
DISTRIBUTIONS = ("trio", "trio-websocket", "hypercorn", "h11", "wsproto")


class Machine(msgspec.Struct, frozen=True):
    """This one."""

    name: str
    """Of its processor, fit for a folder."""
    processor: str
    cores: int
    memory_bytes: int
    system: str

    def __str__(self) -> str:
        """For a person."""
        return f"{self.processor}, {self.cores} cores, {self.memory_bytes / 1e9:.1f} GB, {self.system}"


def find_machine() -> Machine:
    """This machine."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = found[1].strip() if found else platform.machine()
    return Machine(
        name=re.sub(r"[^a-z0-9]+", "-", processor.lower()).strip("-"),
        processor=processor,
        cores=os.cpu_count() or 0,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()}",
    )


def find_commit() -> str:
    """Of this checkout; it ends in -dirty where something was changed and not committed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def find_interpreter() -> str:
    """Which Python this is, down to its build: one that was optimised with a profile is a tenth faster or more."""
    return " ".join(sys.version.split())


def find_versions() -> dict[str, str]:
    """Of ours, and of what it stands on."""
    built = build_info()
    return {
        "core": f"{built['profile']} build of sources {built['source_hash']}",
        "Python": find_interpreter(),
        **{name: version(name) for name in DISTRIBUTIONS},
    }


def find_peer_versions() -> dict[str, str]:
    """Of the peer that was built, and of what it stands on."""
    return find_go_versions(PEER_PROGRAM, MODULES)


def find_go_versions(program: Path, names: Sequence[str]) -> dict[str, str]:
    """Of Go and of these modules, in a program that was built with them."""
    command = [find_go(), "version", "-m", str(program)]
    return read_go_versions(subprocess.run(command, capture_output=True, text=True, check=True).stdout, names)


def read_go_versions(said: str, names: Sequence[str] = MODULES) -> dict[str, str]:
    """Of what `go version -m` prints of a program."""
    head, *lines = said.splitlines()
    modules = dict(words[1:3] for words in map(str.split, lines) if words[0] == "dep" and len(words) > 2)
    return {"Go": head.rpartition(" ")[2].removeprefix("go"), **{name: modules[name] for name in names}}
