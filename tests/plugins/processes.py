"""Looks at the processes of this machine: who is still there, and whose child."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

TESTS = Path(__file__).resolve().parent.parent
SOURCES = TESTS.parent / "python"
PATIENCE_SECONDS = 120.0
"""For real processes on a busy machine."""


def is_running(pid: int) -> bool:
    """Whether there is such a process that is not just waiting to be reaped."""
    try:
        return _stat(pid)[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def state_of(pid: int) -> str:
    """One letter, as in /proc: T for a process that is stopped."""
    return _stat(pid)[0]


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def descendants_of(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*children, *(grandchild for child in children for grandchild in descendants_of(child))]


def processes_in(folder: Path) -> list[int]:
    """Those whose working folder it is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                at = (entry / "cwd").readlink()
            except OSError:
                continue
            if at == folder and is_running(int(entry.name)):
                found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    """What follows the name: the state, the parent…"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process, or a task without a word for it, brings about."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait on
            await trio.sleep(0.02)


async def wait_gone(pids: Iterable[int], folder: Path | None = None) -> None:
    """Wait until none of them is there any more, nor the folder."""
    await wait_until(lambda: not any(map(is_running, pids)) and (folder is None or not folder.exists()))


@contextmanager
def host_program(text: str, *arguments: Path, path: Iterable[Path]) -> Iterator[subprocess.Popen[bytes]]:
    """A server in miniature, in a session of its own, whose stdout is read; killed at the end, if it is still there."""
    process = subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def exists(path: Path) -> bool:
    return path.exists()


def write_executable(folder: Path, text: str | bytes, mode: int = 0o755) -> Path:
    path = folder / "plugin"
    path.write_bytes(text if isinstance(text, bytes) else f"#!/bin/sh\n{text}\n".encode())
    path.chmod(mode)
    return path


def make_folder(within: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=within))
