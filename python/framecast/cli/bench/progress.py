"""One line on the terminal that tells how far a measurement is; nothing where stderr is no terminal."""

import shutil
import sys
from types import TracebackType
from typing import Self

from framecast.cli.bench.findings import Progress, Stage

WIDTH = 24
STAGES: dict[Stage, str] = {
    "connecting": "connecting",
    "beginning": "first publication",
    "measuring": "measuring",
    "draining": "waiting for the last",
    "over": "done",
}


class ProgressBar:
    """A line that is written over again and again, and is gone at the end."""

    def __init__(self, *, subscribers: int, unit: str) -> None:
        self._subscribers = subscribers
        self._unit = unit
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, progress: Progress) -> None:
        """Write it anew."""
        if not self._terminal:
            return
        line = describe(progress, self._subscribers, self._unit)
        columns = shutil.get_terminal_size().columns
        print(f"\r{line[: columns - 1]}\x1b[K", end="", file=sys.stderr, flush=True)


def describe(progress: Progress, subscribers: int, unit: str) -> str:
    """The line for a person."""
    full = round(progress.share * WIDTH)
    parts = [f"[{'#' * full}{'.' * (WIDTH - full)}] {progress.share:4.0%} {STAGES[progress.stage]}"]
    if subscribers:
        parts.append(f"{progress.ready:,}/{subscribers:,} ready")
    if progress.sent:
        parts.append(f"{progress.sent:,} {unit}")
    if progress.deliveries:
        parts.append(f"{progress.deliveries:,} deliveries")
    return ", ".join(parts)
