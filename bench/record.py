"""Where figures go: one file per machine, date and question, with what is needed to run it again."""

import datetime as dt
import platform
import re
import subprocess
import sys
from pathlib import Path

from framecast._core import build_info

RECORD = Path(__file__).resolve().parent / "record"


def machine() -> str:
    """A short name of the processor, fit for a folder."""
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*:\s*(.+)", text)
    name = found[1] if found else platform.machine()
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def write(question: str, lines: list[str]) -> Path:
    """Print the lines and keep them under bench/record/<machine>/<date>-<question>.txt."""
    info = build_info()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=True,
        cwd=RECORD.parent,
    ).stdout.strip()
    head = [
        f"question: {question}",
        f"command: {Path(sys.executable).name} -m bench.{question} {' '.join(sys.argv[1:])}".rstrip(),
        f"commit: {commit}; core: {info['profile']} build of sources {info['source_hash']}",
        f"machine: {machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "",
    ]
    folder = RECORD / machine()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{question}.txt"
    file.write_text("\n".join(head + lines) + "\n")
    print("\n".join(head + lines))
    return file
