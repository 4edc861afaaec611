"""Keeps what a run printed, with what is needed to run it again: bench/record/<machine>/<date>-<question>.txt."""

import datetime as dt
import sys
from pathlib import Path

from bench.machine import find_commit, find_interpreter, find_machine
from bench.record import FOLDER
from framecast._core import build_info


def write(question: str, lines: list[str]) -> Path:
    """Print the lines that answer the question, and keep them; it is the name of the package that asks it."""
    info, machine, now = build_info(), find_machine(), dt.datetime.now(dt.UTC)
    head = [
        f"question: {question}",
        f"command: python -m bench.{question} {' '.join(sys.argv[1:])}".rstrip(),
        f"commit: {find_commit()}; core: {info['profile']} build of sources {info['source_hash']}",
        f"machine: {machine.name}, {machine.system}, Python {find_interpreter()}",
        f"date: {now:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    file = FOLDER / machine.name / f"{now:%Y-%m-%d}-{question}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([*head, *lines]) + "\n")
    print(file.read_text(), end="")
    return file
