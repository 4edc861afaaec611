"""Where and with what was measured: a figure without them is none."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from framecast._core import build_info


class Machine(msgspec.Struct, frozen=True):
    """The machine that the load ran on."""

    processor: str
    cores: int
    """That the load could use."""
    load_average: float
    """Of the last minute, before the measurement: what else the machine had to do."""
    system: str

    @property
    def was_busy(self) -> bool:
        """Whether others were at work on more than a quarter of its cores."""
        return self.load_average > self.cores / 4


class Versions(msgspec.Struct, frozen=True):
    """What measured."""

    framecast: str
    core: str
    python: str


def find_machine() -> Machine:
    """This machine, now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        load_average=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()}",
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def find_versions() -> Versions:
    """Of this program."""
    try:
        release = version("framecast")
    except PackageNotFoundError:
        release = "(not installed)"
    built = build_info()
    core = f"{built['profile']} build of {built['commit']}, sources {built['source_hash']}"
    return Versions(release, core, platform.python_version())
