"""Builds the Go programs of the tests with the machine's Go, or the one that the Makefile gets into .venv."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BUILD_SECONDS = 600.0
"""Of a program with nothing cached, on a busy machine: Grafana's SDK alone has some hundred packages below it."""


def find_go() -> str:
    go = shutil.which("go", path=f"{os.environ['PATH']}:{Path(sys.executable).parent}")
    assert go, "there is no Go: `make test-python` gets one into .venv"
    return go


def build_go(sources: Path, program: Path) -> Path:
    subprocess.run(
        [find_go(), "build", "-mod=readonly", "-o", str(program), "."], cwd=sources, timeout=BUILD_SECONDS, check=True
    )
    return program
