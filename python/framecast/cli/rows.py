"""Shows rows as they arrive: aligned for people, or as JSON lines for programs."""

import math
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from framecast.cli.frames import NANOS, Row, format_time
from framecast.logs import escape_controls, escape_json

HEADER_EVERY_LINES = 30
WIDEST_CELL = 48


class Printer(Protocol):
    """What a watcher shows its rows with."""

    def show_rows(self, channel: str, rows: Sequence[Row]) -> None:
        """Rows of one frame."""

    def show_message(self, channel: str, message: object) -> None:
        """A publication that is no frame."""


class JsonPrinter:
    """One JSON object a line. NaN and the infinities, which JSON lacks, become "NaN", "Inf" and "-Inf"."""

    def show_rows(self, channel: str, rows: Sequence[Row]) -> None:
        """``{"channel", "time", "labels", "fields"}`` for each row."""
        lines = []
        for row in rows:
            time = None if row.time_ns is None else format_time(row.time_ns)
            fields = {name: _json_value(value) for name, value in row.fields.items()}
            lines.append({"channel": channel, "time": time, "labels": row.labels, "fields": fields})
        self._write(lines)

    def show_message(self, channel: str, message: object) -> None:
        """``{"channel", "data"}``."""
        self._write([{"channel": channel, "data": message}])

    def _write(self, documents: Iterable[dict[str, Any]]) -> None:
        for document in documents:
            sys.stdout.write(escape_json(msgspec.json.encode(document).decode()) + "\n")
        sys.stdout.flush()


class TablePrinter:
    """A running table for each channel: columns keep their widths, the header comes again when something changed."""

    def __init__(self, *, utc: bool) -> None:
        self._utc = utc
        self._widths: dict[str, dict[str, int]] = {}
        self._last: tuple[str, tuple[str, ...]] | None = None
        self._lines = 0

    def show_rows(self, channel: str, rows: Sequence[Row]) -> None:
        """Time, labels, then one column per field."""
        if not rows:
            return
        table = [self._cells(row) for row in rows]
        names = ("time", "labels", *dict.fromkeys(name for row in rows for name in row.fields))
        widths = self._widths.setdefault(channel, {})
        grew = False
        for name in names:
            widest = max(display_width(escape_controls(name)), *(display_width(cells.get(name, "")) for cells in table))
            grew |= widest > widths.get(name, 0)
            widths[name] = max(widths.get(name, 0), widest)
        if grew or self._last != (channel, names) or self._lines >= HEADER_EVERY_LINES:
            self._print_header(channel, names, widths)
        for cells in table:
            self._print_line([cells.get(name, "") for name in names], [widths[name] for name in names])

    def show_message(self, channel: str, message: object) -> None:
        """The message as JSON behind its channel's name."""
        self._last = None
        text = escape_controls(msgspec.json.encode(message).decode())
        print(cut(f"{escape_controls(channel)}  {text}", terminal_columns()), flush=True)

    def _cells(self, row: Row) -> dict[str, str]:
        labels = " ".join(f"{key}={value}" for key, value in row.labels.items())
        cells = {name: cut(escape_controls(_readable(value)), WIDEST_CELL) for name, value in row.fields.items()}
        return {"time": self._time(row.time_ns), "labels": cut(escape_controls(labels), WIDEST_CELL), **cells}

    def _time(self, time_ns: int | None) -> str:
        if time_ns is None:
            return "-"
        try:
            local = datetime.fromtimestamp(time_ns // NANOS).astimezone()
        except (OverflowError, ValueError, OSError):
            return f"{time_ns} ns"
        if self._utc:
            return format_time(time_ns)
        millis = time_ns % NANOS // 1_000_000
        return f"{local:%Y-%m-%d %H:%M:%S}.{millis:03d}"

    def _print_header(self, channel: str, names: tuple[str, ...], widths: dict[str, int]) -> None:
        print(f"\n{escape_controls(channel)}")
        self._print_line([escape_controls(name) for name in names], [widths[name] for name in names])
        self._last = (channel, names)
        self._lines = 0

    def _print_line(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Time and labels to the left, values to the right of their columns."""
        padded = []
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            gap = " " * max(0, width - display_width(cell))
            padded.append(cell + gap if index < 2 else gap + cell)
        print(cut("  ".join(padded).rstrip(), terminal_columns()), flush=True)
        self._lines += 1


def _readable(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return _entity(value)
    return msgspec.json.encode(value).decode()


def _json_value(value: object) -> object:
    return _entity(value) if isinstance(value, float) and not math.isfinite(value) else value


def _entity(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Inf" if value > 0 else "-Inf"


def terminal_columns() -> int:
    """How wide a line may be."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100_000


def char_width(char: str) -> int:
    """Columns that one character takes on a terminal."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def display_width(text: str) -> int:
    """Columns that `text`, already escaped, takes on a terminal."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, with an ellipsis when something is missing."""
    if display_width(text) <= columns:
        return text
    out, width = [], 0
    for char in text:
        width += char_width(char)
        if width > columns - 1:
            break
        out.append(char)
    return "".join(out) + "…"
