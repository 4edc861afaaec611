"""Reads the small files that describe a plugin, so that every mistake in them is told with file and line."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\n\r]*")


class PluginFileError(Exception):
    """A file of a plugin cannot be used; the message is ``file:line: what``."""


def read_text(path: Path, max_bytes: int) -> str:
    """The text of a file. PluginFileError when it cannot be read, is larger than `max_bytes`, or no UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise PluginFileError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise PluginFileError(f"{path}: has more than {max_bytes:,} bytes (plugins.metadata_bytes)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PluginFileError(f"{path}:{line}: is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The members of a JSON object in a file, and the lines that their keys stand in."""

    path: Path
    members: Mapping[str, Any]
    lines: Mapping[str, int]

    def refuse(self, key: str, what: str) -> NoReturn:
        """Raise PluginFileError about the value of `key`."""
        line = self.lines.get(key)
        place = f"{self.path}:{line}" if line is not None else f"{self.path}"
        raise PluginFileError(f"{place}: {key}: {what}")

    def find_text(self, key: str) -> str | None:
        """A text, None where there is none; anything else is refused."""
        value = self.members.get(key)
        if value is not None and not isinstance(value, str):
            self.refuse(key, f"must be text, and is {_quote(value)}")
        return value

    def text(self, key: str) -> str:
        """A text that must be there and not be empty."""
        value = self.find_text(key)
        if not value:
            self.refuse(key, "is missing" if value is None else "is empty")
        return value

    def switch(self, key: str) -> bool:
        """A truth value; false where it is missing."""
        value = self.members.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, and is {_quote(value)}")
        return value

    def object(self, key: str) -> Mapping[str, Any]:
        """An object, empty where it is missing."""
        value = self.members.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, f"must be an object, and is {_quote(value)}")
        return value


def parse_object(text: str, path: Path, *, first_line: int = 1) -> JsonObject:
    """Read a JSON object that begins in `first_line` of the file. PluginFileError where it is none."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        line = error.lineno + first_line - 1
        what = f"{error.msg[:1].lower()}{error.msg[1:]}"
        raise PluginFileError(f"{path}:{line}: is not JSON: {what} (column {error.colno})") from None
    except (ValueError, RecursionError):
        raise PluginFileError(f"{path}:{first_line}: is nested too deeply, or has a number that is too long") from None
    if not isinstance(document, dict):
        raise PluginFileError(f"{path}:{first_line}: must be a JSON object, and is {_quote(document)}")
    return JsonObject(path, document, _find_lines(text, first_line))


def _find_lines(text: str, first_line: int) -> dict[str, int]:
    """Where the keys of an object stand, of which it is known already that it is one."""
    decoder = json.JSONDecoder()
    lines = {}
    place = _after_space(text, _after_space(text, 0) + 1)
    while text[place] != "}":
        key, end = decoder.raw_decode(text, place)
        lines[key] = first_line + text.count("\n", 0, place)
        value_at = _after_space(text, _after_space(text, end) + 1)
        _, end = decoder.raw_decode(text, value_at)
        place = _after_space(text, end)
        if text[place] == ",":
            place = _after_space(text, place + 1)
    return lines


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _quote(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
