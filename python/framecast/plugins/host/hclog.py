"""The lines that plugins print: cut out of a stream, and read as hclog's JSON where they are that. Sans-io.

Source: hashicorp/go-hclog's JSON format, and the conventions of hashicorp/go-plugin for lines that are none.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error"]

_LEVELS: dict[bytes, Level] = {
    b"trace": "debug",
    b"debug": "debug",
    b"info": "info",
    b"warn": "warning",
    b"error": "error",
}
_JSON_LEVEL = re.compile(rb'"@level":\s?"([a-z]{1,10})"')
_TEXT_LEVEL = re.compile(rb"\[(TRACE|DEBUG|INFO|WARN|ERROR)\]")
_PANIC = (b"panic: ", b"fatal error: ", b"runtime: ")
_MARKS = {"@level", "@message", "@module", "@timestamp", "@caller"}


class LineCutter:
    """Cuts lines out of pieces; of a line that is too long, it gives what is allowed and passes over the rest."""

    __slots__ = ("_begun", "_max_bytes", "_skipping")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._begun = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece; give the lines that it completes, without their ends, and no empty ones."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
                continue
            whole = (self._begun + line)[: self._max_bytes].rstrip()
            self._begun = b""
            if whole:
                yield whole
        if self._skipping:
            return
        self._begun += rest
        if len(self._begun) >= self._max_bytes:
            yield self._begun[: self._max_bytes]
            self._begun = b""
            self._skipping = True

    def finish(self) -> Iterator[bytes]:
        """Give what is left of a last line without an end."""
        if self._begun.strip():
            yield self._begun
        self._begun = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line, as it is to be logged."""

    text: str
    fields: Mapping[str, Any]
    """What it says besides: `logger`, and under `details` what the plugin itself named."""


class LevelReader:
    """Tells the level of lines, cheaply. Remembers whether a panic is being told, all of whose lines are errors."""

    __slots__ = ("_panicking",)

    def __init__(self) -> None:
        self._panicking = False

    def read(self, line: bytes) -> Level:
        """The level of the next line; "debug" for one that names none."""
        if line.startswith(b"{"):
            found = _JSON_LEVEL.search(line)
            return _LEVELS.get(found[1], "debug") if found else "debug"
        found = _TEXT_LEVEL.match(line)
        if found:
            return _LEVELS[found[1].lower()]
        self._panicking = self._panicking or line.startswith(_PANIC)
        return "error" if self._panicking else "debug"


def read_entry(line: bytes) -> Entry:
    """Take a line apart; one that is no JSON object of hclog's is its own text."""
    text = line.decode("utf-8", "replace")
    if not line.startswith(b"{"):
        return Entry(text, {})
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Entry(text, {})
    message = said.get("@message")
    if not isinstance(message, str):
        return Entry(text, {})
    details = {key: value for key, value in said.items() if key not in _MARKS}
    fields = {"logger": said.get("@module"), "details": details}
    return Entry(message, {name: value for name, value in fields.items() if value})
